"""Access: which callers and which pages are let in, checked before a request is read."""

from __future__ import annotations

import hmac
import ipaddress
import json
from typing import TYPE_CHECKING, Collection, Optional
from urllib.parse import urlsplit

from ..errors import InvalidRequestError
from .errors import RequestRefusedError, problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_origin(origin: str) -> str:
    """An origin as browsers write it.

    Raises:
        InvalidRequestError: It is not one; `*` would let every page in.
    """
    parts = urlsplit(origin)
    if not parts.scheme or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
        raise InvalidRequestError(
            f"{origin!r} is not the origin of a page.",
            hint='Give one such as "http://localhost:3000", without a path.',
        )
    return origin.lower()


class Access:
    """Lets requests through that have the key, or come from this machine where there is no key.

    A page in a browser is let in only when its origin is listed: otherwise each page that is open
    there could ask. The check of `Host` keeps out a page whose name was made to lead here (DNS
    rebinding).

    Args:
        app: What is behind.
        key: What callers have to send as `Authorization: Bearer`; `None` is no key.
        origins: The pages in browsers that may ask.
    """

    def __init__(self, app: ASGIApp, key: Optional[str], origins: Collection[str]) -> None:
        self._app = app
        self._key = key
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self._check(scope)
            except RequestRefusedError as error:
                await _refuse(send, error)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        origin = headers.get(b"origin")
        if origin is not None and origin.decode("latin-1").lower() not in self._origins:
            raise RequestRefusedError(
                "Pages in a browser may not ask here.",
                hint="Start the server with --origin and the origin of the page.",
                status=403,
                code="origin_refused",
            )
        if self._key is None:
            self._check_local(scope, headers.get(b"host", b""))
        elif scope["path"] != "/healthz" and scope["method"] != "OPTIONS":
            self._check_key(headers.get(b"authorization", b""))

    def _check_key(self, sent: bytes) -> None:
        assert self._key is not None
        scheme, _, key = sent.partition(b" ")
        same = hmac.compare_digest(key.strip(), self._key.encode())
        if scheme.lower() != b"bearer" or not same:
            raise RequestRefusedError(
                "The API key is missing or wrong.",
                hint="Send the server's $QWEN25_API_KEY as `Authorization: Bearer`.",
                status=401,
                code="invalid_api_key",
            )

    def _check_local(self, scope: Scope, sent: bytes) -> None:
        server = scope.get("server")
        # A server without a port listens on a file of this machine.
        here = not server or server[1] is None or is_loopback(server[0])
        try:
            host = urlsplit(f"//{sent.decode('latin-1')}").hostname or ""
        except ValueError:
            host = ""
        if not here or not is_loopback(host):
            raise RequestRefusedError(
                "Without a key this server answers on this machine only.",
                hint="Call it by 127.0.0.1 or localhost, or start it with $QWEN25_API_KEY set.",
                status=403,
                code="key_needed",
            )


async def _refuse(send: Send, error: RequestRefusedError) -> None:
    told = problem(error)
    body = json.dumps(told.body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if told.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    start = {"type": "http.response.start", "status": told.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})
