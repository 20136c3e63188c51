"""What a local Space accepts: text questions, asked of this machine by its own page or a program.

Gradio's own checks are made for an app that takes files and runs behind a proxy. Mounted in
another app, it copies any file that a question names into its cache and hands it out.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from typing import Any, Awaitable, Callable, Dict, FrozenSet, List, MutableMapping, Optional
from urllib.parse import urlsplit

#: Bytes of one request. A conversation that the model can read is far smaller.
LARGEST_REQUEST = 4 * 1024 * 1024
# Bytes that are read, and dropped, of a request that is larger.
_MOST_READ = 16 * LARGEST_REQUEST

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})

_API = "/gradio_api/"
#: What the page and the clients ask of the API; a path that ends with a slash has something after.
_READ = ("app_id", "call/", "heartbeat/", "info", "queue/data", "queue/status", "startup-events")
_WRITTEN = ("call/", "cancel", "queue/join", "reset")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Refused(Exception):
    """A request that the app does not get to see."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Guard:
    """An ASGI app that hands on to `app` what a local Space accepts, and refuses the rest.

    Args:
        app: The app to guard.
        host: The address that the Space listens on.
    """

    def __init__(self, app: App, host: str) -> None:
        self._app = app
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            # Before any refusal: a sender that is cut off may lose the answer.
            body = await _body(receive)
            headers = {name.decode("latin-1"): value for name, value in scope["headers"]}
            check_sender(self._host, _text(headers, "host"), _text(headers, "origin"))
            check_path(scope["method"], scope["path"])
            check_body(body)
        except Refused as refused:
            await _answer(send, refused)
            return
        await self._app(scope, _replay(body, receive), send)


def check_sender(host: str, asked: Optional[str], origin: Optional[str]) -> None:
    """Refuse a request that was made for another host, or by the page of another site.

    A page of another site can reach this machine by a name of its own that it has rebound to a
    loopback address (the `Host` header tells), or by a POST across sites (`Origin` tells).

    Args:
        host: The address that the Space listens on.
        asked: The `Host` header.
        origin: The `Origin` header; programs send none.

    Raises:
        Refused: The host is not this machine's, or the origin is another site.
    """
    name = _name(f"//{asked}")
    if name is None or name not in _names(host) and not (host in _EVERY_ADDRESS and _is_ip(name)):
        raise Refused(421, f"This local Space does not answer for the host {asked!r}.")
    if origin is None:
        return
    site = _name(origin)
    if site != name and not (site in LOOPBACK and name in LOOPBACK):
        raise Refused(403, "This local Space does not answer the pages of other sites.")


def check_path(method: str, path: str) -> None:
    """Refuse what is no part of asking questions, such as uploads.

    Raises:
        Refused: The path or the method is not one that the page or a client uses.
    """
    if method in ("GET", "HEAD"):
        allowed = not path.startswith(_API) or _is_one_of(path[len(_API) :], _READ)
    elif method == "POST":
        allowed = path.startswith(_API) and _is_one_of(path[len(_API) :], _WRITTEN)
    else:
        allowed = method == "OPTIONS"
    if not allowed:
        raise _takes_no_files()


def check_body(body: bytes) -> None:
    """Refuse a question that holds anything but text.

    Raises:
        Refused: The body is too large or not JSON, or a message in it has a file or a component.
    """
    if len(body) > LARGEST_REQUEST:
        raise Refused(413, f"The request is larger than {LARGEST_REQUEST:,} bytes.")
    try:
        json.loads(body or b"null", object_hook=_check_object)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "The request is not JSON that a local Space can read.") from error


def _check_object(value: Dict[str, Any]) -> Dict[str, Any]:
    if "path" in value or "component" in value or value.get("type", "text") != "text":
        raise _takes_no_files()
    return value


async def _body(receive: Receive) -> bytes:
    """The body, read to its end; of one that is too large, a piece that is too large as well."""
    pieces: List[bytes] = []
    size, more = 0, True
    while more and size <= _MOST_READ:
        message = await receive()
        if message["type"] != "http.request":  # the sender left
            raise Refused(400, "The request is incomplete.")
        piece = message.get("body", b"")
        if size <= LARGEST_REQUEST:
            pieces.append(piece)
        size += len(piece)
        more = message.get("more_body", False)
    return b"".join(pieces)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that hands out the body that was read, then what comes after it."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed


async def _answer(send: Send, refused: Refused) -> None:
    text = str(refused).encode("utf-8", "replace")
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def _is_one_of(path: str, allowed: Any) -> bool:
    return any(path.startswith(a) if a.endswith("/") else path == a for a in allowed)


def _text(headers: Dict[str, bytes], name: str) -> Optional[str]:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


def _names(host: str) -> FrozenSet[str]:
    """The names of this machine that a request may be made for."""
    if host in _EVERY_ADDRESS:
        return LOOPBACK | {socket.gethostname().lower()}
    return LOOPBACK | {host.lower()}


def _name(url: str) -> Optional[str]:
    try:
        parts = urlsplit(url)
        hostname = parts.hostname
    except ValueError:
        return None
    _, bracket, after = parts.netloc.rpartition("]")
    # Some Pythons, such as 3.11.7, read [::1].site.example as ::1.
    return None if bracket and after[:1] not in ("", ":") else hostname


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _takes_no_files() -> Refused:
    return Refused(403, "This local Space answers text questions and takes no files.")
