"""What goes over the network: the only room that knows sockets, requests and urllib3.

A `Transport` lends out `Line`s; a line is one `requests.Session` in the hands of one answer at a
time, since sessions are not promised to be safe among threads or after a fork.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import http.client
import io
import json
import logging
import math
import os
import socket
import ssl
import struct
import sys
import threading
import time
import traceback
import zlib
from email.utils import parsedate_to_datetime
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, Type, Union
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar

from ..errors import (
    AuthenticationError,
    ConnectionFailedError,
    EndpointNotFoundError,
    InvalidRequestError,
    ProtocolError,
    QueueFullError,
    QwenError,
    RateLimitError,
    SpaceNotFoundError,
    SpaceUnavailableError,
    StreamInterruptedError,
)
from ..protocol.sse import EVENT_LIMIT, read_messages
from ..timeouts import Deadline
from ..version import __version__
from .address import Address, is_proxy, split_url

_log = logging.getLogger("qwen25")

_HUB = "https://huggingface.co"
_READ_SIZE = 65536
#: Seconds to wait for the end of a body whose last event has come, so that its connection can be
#: used again.
_DRAIN = 1.0
#: Seconds; no server is obeyed that wants to be left alone for longer.
_DAY = 86_400.0
#: Bytes of a refusal that are read for its reason.
_REASON_LIMIT = 65536


class Access(requests.auth.AuthBase):
    """Who may see the token: the Space's own host, or Hugging Face if the environment has it.

    It is given to requests at every request, also without a token: requests would otherwise put a
    password from `~/.netrc` into its place.
    """

    def __init__(self, address: Address, token: Union[None, str, bool]) -> None:
        self._token: Optional[str] = None
        self._host: Optional[str] = None
        if isinstance(token, str):
            self._token = _token(token, "The token")
            self._host = _host_asked(address.url)
        elif token is None:
            self._token = _token(os.environ.get("HF_TOKEN", ""), "HF_TOKEN") or None

    @property
    def is_given(self) -> bool:
        """Whether the token was given by name, which counts for more than one that was found."""
        return self._host is not None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        other = not self.is_given and "Authorization" in request.headers
        if self._token and not other and self._may_see(urlsplit(request.url or "")):
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _may_see(self, url: Any) -> bool:
        if self.is_given:
            return bool(url.netloc == self._host)
        host = url.hostname or ""
        return url.scheme == "https" and any(
            host == domain or host.endswith("." + domain)
            for domain in ("huggingface.co", "hf.space")
        )


def _host_asked(url: str) -> str:
    """The host and port of a URL as requests writes them: small letters, and ASCII only."""
    request = requests.PreparedRequest()
    try:
        request.prepare_url(url, None)
    except (requests.RequestException, UnicodeError):
        return ""  # nothing can be asked there, and that will be said
    return urlsplit(request.url or "").netloc


def _token(token: str, name: str) -> str:
    token = token.strip()  # a file's last line ends with a newline
    if not (token.isascii() and token.isprintable()):
        # requests would show it in its own error.
        raise InvalidRequestError(f"{name} holds characters that no token has.")
    return token


class Transport:
    """Lines to one Space."""

    def __init__(
        self,
        address: Address,
        *,
        token: Union[None, str, bool],
        auth: Optional[Tuple[str, str]],
        proxy: Optional[str],
        headers: Optional[Mapping[str, str]],
        verify: Union[bool, str],
        session: Optional[requests.Session],
    ) -> None:
        self.address = address
        self.auth = auth
        self.logged_in = False
        self.access = Access(address, token)
        self.proxies = None if proxy is None else {"http": proxy, "https": proxy}
        self.headers = dict(headers or {})
        self.verify = verify
        self.closed = False
        self._foreign = session
        # One jar for all lines: the cookies of a login and of a replica belong to the Space.
        self._cookies = RequestsCookieJar()
        self._idle: List[requests.Session] = []
        self._process = os.getpid()

    def take(self) -> Line:
        """Lend out a line; the one used last comes first, since its connection is open."""
        if self.closed:
            raise InvalidRequestError("This Client is closed.", hint="Make a new one.")
        if self._foreign is not None:
            return Line(self, self._foreign)
        if self._process != os.getpid():
            # After a fork the open connections are the parent's.
            self._idle = []
            self._process = os.getpid()
        try:
            return Line(self, self._idle.pop())
        except IndexError:
            pass
        if isinstance(self.verify, str) and not os.path.exists(self.verify):
            raise InvalidRequestError(
                f"verify={self.verify!r} is no file and no directory.",
                hint="Give the path of the authority's certificate, or leave it out.",
            )
        session = requests.Session()
        session.cookies = self._cookies
        session.mount("https://", _LimitedAdapter())
        session.mount("http://", _LimitedAdapter())
        return Line(self, session)

    def give_back(self, line: Line) -> None:
        """Take a line back; its owner must not use it any more."""
        line.drop()
        if self._foreign is not None:
            return
        if line.abandoned or self.closed or line.process != os.getpid():
            line.session.close()
        else:
            self._idle.append(line.session)
            if self.closed:  # meanwhile, by another thread
                self.close()

    def close(self) -> None:
        """Close the connections; those that are lent out close when they come back."""
        self.closed = True
        while self._idle:
            self._idle.pop().close()

    def __del__(self) -> None:
        # Before its version 2, urllib3 leaves the sockets of a forgotten session open.
        for session in getattr(self, "_idle", ()):
            session.close()


class Line:
    """One session, and the stream that is open on it."""

    def __init__(self, transport: Transport, session: requests.Session) -> None:
        self.session = session
        self._transport = transport
        self._own = session is not transport._foreign
        self._stream: Optional[requests.Response] = None
        self.abandoned = False
        self.process = os.getpid()
        self._socket: Optional[socket.socket] = None
        self._handle: Optional[socket.socket] = None

    def log_in(self, deadline: Deadline) -> None:
        """Open an app that is behind Gradio's login; the cookies stay in the session."""
        username, password = self._transport.auth or ("", "")
        response = self._request(
            "POST", "/login", deadline, data={"username": username, "password": password}
        )
        with response:
            if response.status_code in (400, 401, 403):
                raise AuthenticationError(
                    "The app refused the login.",
                    hint="Check auth=(username, password).",
                    status=response.status_code,
                )
            if response.status_code == 404:
                raise AuthenticationError(
                    "The app has no login.", hint="Leave `auth` out.", status=404
                )
            self._check(response, deadline)
            self._body(response, deadline)
        self._transport.logged_in = True

    def config(self, deadline: Deadline) -> Any:
        """Read the app's `/config`."""
        url = f"{self._transport.address.url}/config"
        for _ in range(4):
            response = self._request("GET", url, deadline)
            with response:
                target = _same_host_target(response, url)
                if target is None:
                    return self._config_of(response, deadline)
                url = target
        raise ProtocolError(
            "The address redirects in a circle.", hint="Open it in a browser and see."
        )

    def _config_of(self, response: requests.Response, deadline: Deadline) -> Any:
        if response.status_code in (404, 410):
            raise SpaceNotFoundError(
                f"There is no Gradio app at {self._transport.address.url}.",
                status=response.status_code,
                hint="Check the address; a path such as /config must not be part of it.",
                **self._where(),
            )
        self._check(response, deadline)
        text = self._body(response, deadline).decode("utf-8", "replace")
        # The app may answer at another address than the one given: as https, mostly.
        root = response.url[: -len("/config")] if response.url.endswith("/config") else None
        if root and root != self._transport.address.url:
            self._transport.address = self._transport.address._replace(url=root)
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            if text.lstrip()[:1] == "<":
                raise SpaceUnavailableError(
                    "The address answers with a web page, not with a Gradio app's configuration.",
                    hint="The Space may be asleep or being built: open it in a browser to wake"
                    " it, and check the address.",
                    status=response.status_code,
                    **self._where(),
                ) from error
            raise ProtocolError(
                "The address answers with something else than a Gradio app's configuration.",
                hint="Check the address: it has to be that of the Space itself.",
            ) from error

    def stage(self, deadline: Deadline) -> Optional[str]:
        """Ask Hugging Face how the Space is; `None` when it does not say.

        Raises:
            SpaceNotFoundError: Hugging Face knows no such Space, or does not show it.
        """
        space = self._transport.address.id
        response = self._request("GET", f"{_HUB}/api/spaces/{space}", deadline)
        with response:
            if response.status_code in (401, 403, 404):
                raise SpaceNotFoundError(
                    f"Hugging Face shows no Space {space!r}: it is not there, or private.",
                    status=response.status_code,
                    hint="Check the name; for a private Space set HF_TOKEN to a token that may"
                    " read it.",
                    **self._where(),
                )
            self._check(response, deadline)
            try:
                stage = json.loads(self._body(response, deadline))["runtime"]["stage"]
            except (ValueError, KeyError, TypeError):
                return None
        return stage if isinstance(stage, str) else None

    def join(self, prefix: str, body: Dict[str, Any], deadline: Deadline) -> str:
        """Put a request into the queue; returns its event id."""
        response = self._request("POST", f"{prefix}/queue/join", deadline, json=body)
        with response:
            self._check(response, deadline)
            answer = self._body(response, deadline)
        try:
            event_id = json.loads(answer)["event_id"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ProtocolError(
                "The Space took the request and gave no event id for it.",
                hint="Is this address a Gradio app? If it runs a newer Gradio, update qwen25.",
            ) from error
        return str(event_id)

    def listen(
        self, prefix: str, session_hash: str, deadline: Deadline
    ) -> Iterator[Dict[str, Any]]:
        """Open the stream of a request's messages."""
        response = self._request(
            "GET",
            f"{prefix}/queue/data",
            deadline,
            params={"session_hash": session_hash},
            accept="text/event-stream",
        )
        try:
            self._check(response, deadline)
            kind = response.headers.get("Content-Type", "")
            if not kind.lower().startswith("text/event-stream"):
                raise ProtocolError(
                    f"The Space answers with {kind or 'an untyped body'}; a text/event-stream"
                    " was expected.",
                    hint="Does something between you and the Space put a page of its own there?",
                )
        except BaseException:
            response.close()
            raise
        self._stream = response
        return read_messages(_live_chunks(response, deadline))

    def finish(self, deadline: Deadline) -> None:
        """Read a finished stream to its end, so that its connection can be used again."""
        response = self._stream
        if response is None:
            return
        until = time.monotonic() + min(_DRAIN, max(deadline.left(), 0.0))
        fp = _file(response)
        pace = _pace(response, lambda: until - time.monotonic())
        try:
            pace()
            while fp.read1(_READ_SIZE):
                pace()
        except (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError) as error:
            # The answer is complete; a connection that ends badly now is only not used again.
            _log.debug("the stream did not end well: %s", error)
        if getattr(fp, "isclosed", bool)():
            response.raw.release_conn()
            self._stream = None
        else:
            self.drop()

    def drop(self) -> None:
        """Close the stream, if one is open; the server then stops writing."""
        response, self._stream = self._stream, None
        if response is not None:
            response.close()

    def interrupt(self) -> None:
        """End a read of the stream that another thread waits in."""
        if self._stream is not None and self._socket is not None:
            self._shut_down(self._socket)

    def abandon(self) -> None:
        """From another thread: end whatever is done on this line, for good."""
        self.abandoned = True
        for sock in (self._socket, self._handle):
            if sock is not None:
                self._shut_down(sock)

    def uses(self, sock: socket.socket) -> None:
        """Told by a connection of this line: what is asked now goes over this socket."""
        # TLS inside the TLS of a proxy is urllib3's own, around the socket.
        self._socket = getattr(sock, "socket", sock)
        # Looked at afterwards, so that one of both threads sees what the other has set.
        if self.abandoned:
            self._shut_down(self._socket)

    def has_connected(self, sock: socket.socket) -> None:
        """Told by a new connection of this line, before TLS takes the socket from it."""
        self._handle = handle = sock.dup()
        if self.abandoned:
            self._shut_down(handle)

    def _shut_down(self, sock: socket.socket) -> None:
        if self.process == os.getpid():  # else the connection is the parent's as well
            _shut_down(sock)

    def _where(self) -> Dict[str, Any]:
        return {"space": self._transport.address.id, "url": self._transport.address.url}

    def _request(
        self,
        method: str,
        target: str,
        deadline: Deadline,
        *,
        accept: str = "application/json",
        **arguments: Any,
    ) -> requests.Response:
        transport = self._transport
        root = transport.address.url
        url = root + target if target.startswith("/") else target
        headers = {
            "User-Agent": f"qwen25/{__version__}",
            "Accept": accept,
            # A compressor would hold bytes back.
            "Accept-Encoding": "identity",
        }
        if not url.startswith(f"{_HUB}/"):
            headers["Referer"] = f"{root}/?__theme=system"
            headers.update(transport.headers)
        patience = deadline.read_timeout()
        if patience <= 0:
            raise deadline.timeout_error()
        if self.abandoned:
            raise InvalidRequestError("The request was closed while it waited.")
        _asking.line, _asking.patience = self, deadline.read_timeout
        try:
            response = self.session.request(
                method,
                url,
                headers=headers,
                auth=self._access(url),
                proxies=transport.proxies,
                # A session that was given has its own setting.
                verify=transport.verify if self._own or transport.verify is not True else None,
                timeout=(deadline.connect_limit(), None if patience == math.inf else patience),
                allow_redirects=False,
                stream=True,
                **arguments,
            )
        except _TRANSLATED as error:
            raise translate(error, deadline, _host(url)) from error
        except ValueError as error:
            # requests looks where a redirect leads, although it is not to follow.
            raise ProtocolError(
                f"{_host(url)} redirects to something that is no address.",
                hint="Is this address a Gradio app? Open it in a browser to see.",
            ) from error
        finally:
            _asking.line = _asking.patience = None
            handle, self._handle = self._handle, None
            if handle is not None:
                handle.close()
        if not self._own:
            sock = _socket_of(response)
            if sock is not None:
                self.uses(sock)
        _log.debug("%s %s: %s", method, url.split("?")[0], response.status_code)
        return response

    def _access(self, url: str) -> Any:
        access = self._transport.access
        if self._own or access.is_given or url.startswith(f"{_HUB}/"):
            return access
        # A session that was given may have its own way to be let in.
        return self.session.auth or access

    def _body(self, response: requests.Response, deadline: Deadline) -> bytes:
        parts: List[bytes] = []
        size = 0
        for chunk in _chunks(response, deadline):
            size += len(chunk)
            if size > EVENT_LIMIT:
                raise ProtocolError(
                    f"{_host(response.url)} answers with more than {EVENT_LIMIT // 1024**2} MiB.",
                    hint="This is no Gradio app: check the address.",
                )
            parts.append(chunk)
        response.raw.release_conn()
        return b"".join(parts)

    def _check(self, response: requests.Response, deadline: Deadline) -> None:
        """Raise the error that a status stands for, unless it is a good one."""
        status = response.status_code
        if 200 <= status < 300:
            return
        target = response.headers.get("Location")
        if 300 <= status < 400 and target:
            raise ProtocolError(
                f"The Space redirects to {_host(urljoin(response.url, target))}.",
                hint="Nothing was sent there. If you trust that address, give it as the Space.",
                status=status,
            )
        reason = self._reason(response, deadline)
        said = f": {reason}" if reason else "."
        if status in (401, 403):
            raise AuthenticationError(
                f"The Space refused access (HTTP {status}){said}",
                hint="For a private Space set HF_TOKEN or give token=...; for an app with a login"
                " give auth=(username, password).",
                status=status,
            )
        if status == 404:
            raise EndpointNotFoundError(
                f"The app does not know the address of its own queue (HTTP 404){said}",
                hint="It may have been changed just now: make a new Client and ask again.",
                status=status,
                **self._where(),
            )
        retry_after = _retry_after(response.headers)
        if status == 429:
            raise RateLimitError(
                f"The Space wants fewer requests (HTTP 429){said}",
                retry_after=retry_after,
                hint=(
                    "Try again later, and ask less at once."
                    if retry_after is None
                    else f"Try again in {retry_after:.0f} seconds."
                ),
                status=status,
            )
        if status == 503 and "queue is full" in reason.lower():
            raise QueueFullError(
                f"The Space's queue is full: {reason}",
                hint="Try again in a minute, or use a copy of the Space of your own.",
                status=status,
                retry_after=retry_after,
            )
        if status == 407:
            raise ConnectionFailedError(
                f"The proxy does not lead to {_host(response.url)}: it wants a name and a password"
                " (HTTP 407).",
                hint="Check `proxy`, or HTTPS_PROXY and HTTP_PROXY in the environment.",
                status=status,
            )
        if status >= 500:
            raise SpaceUnavailableError(
                f"The Space's server answers with an error (HTTP {status}){said}",
                hint="The Space may be starting, overloaded or broken: try again in a minute, or"
                " open it in a browser.",
                status=status,
                retry_after=retry_after,
                **self._where(),
            )
        raise InvalidRequestError(
            f"The Space refused the request (HTTP {status}){said}",
            hint="Check the prompt: its length, and what the app accepts.",
            status=status,
        )

    def _reason(self, response: requests.Response, deadline: Deadline) -> str:
        """What the body of a refusal says, if it is a reason in Gradio's way."""
        text = b""
        try:
            for chunk in _chunks(response, deadline):
                text += chunk
                if len(text) > _REASON_LIMIT:
                    break
            else:
                response.raw.release_conn()
            detail = json.loads(text)["detail"]
        except (QwenError, ValueError, KeyError, TypeError, RecursionError):
            return ""  # the status alone has to do
        if isinstance(detail, dict):
            detail = detail.get("error") or detail.get("message") or detail
        return str(detail)[:500]


def _same_host_target(response: requests.Response, url: str) -> Optional[str]:
    target = response.headers.get("Location")
    if not 300 <= response.status_code < 400 or not target:
        return None
    target = urljoin(url, target)
    try:
        before, after = split_url(url), split_url(target)
    except ValueError:
        return None
    # The same server at another path, or the same host over TLS; never another port, which is
    # another server.
    same = (after.scheme, after.netloc) == (before.scheme, before.netloc)
    upgrade = before.scheme == "http" and after.scheme == "https" and not after.port
    return target if same or (upgrade and after.hostname == before.hostname) else None


def _host(url: str) -> str:
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2]


def _retry_after(headers: Mapping[str, str]) -> Optional[float]:
    """Seconds to wait, a day at most."""
    seconds = _wanted_wait(headers)
    if seconds is None or math.isnan(seconds):
        return None
    return max(0.0, min(_DAY, seconds))


def _wanted_wait(headers: Mapping[str, str]) -> Optional[float]:
    """What `Retry-After` (seconds or a date) or Hugging Face's `RateLimit` says."""
    value = headers.get("Retry-After", "").strip()
    if value:
        try:
            return float(value)
        except ValueError:
            pass
        try:
            return parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError, IndexError, OverflowError):
            pass
    for field in headers.get("RateLimit", "").replace(",", ";").split(";"):
        name, _, number = field.strip().partition("=")
        if name == "t" and number.isascii() and number.isdigit():
            return float(number)
    return None


# The bytes of a response, as they arrive.


def _file(response: requests.Response) -> Any:
    # urllib3 keeps http.client's response here in all its versions. Its own read1 is there since
    # version 2 only, and costs more for each event than all the rest of this library.
    return getattr(response.raw, "_fp", response.raw)


def _live_chunks(response: requests.Response, deadline: Deadline) -> Iterator[bytes]:
    """Hand on the bytes of a stream as they arrive, in every framing."""
    # Before Python 3.13 http.client's read1 does not count, and would wait beyond the body's end.
    length = response.headers.get("Content-Length", "")
    rest = int(length) if length.isascii() and length.isdigit() else sys.maxsize

    def read1() -> bytes:
        nonlocal rest
        data: bytes = _file(response).read1(min(rest, _READ_SIZE)) if rest else b""
        rest -= len(data)
        return data

    read = read1 if length else functools.partial(_file(response).read1, _READ_SIZE)
    return _read_all(response, deadline, read, StreamInterruptedError)


def _chunks(response: requests.Response, deadline: Deadline) -> Iterator[bytes]:
    """Read a body that is wanted as a whole."""
    fp = _file(response)
    read = functools.partial(fp.read, _READ_SIZE)
    yield from _read_all(response, deadline, read, ConnectionFailedError)
    if getattr(fp, "length", None):
        # http.client is content with less than was promised when it is read in parts.
        raise ConnectionFailedError(
            f"The connection to {_host(response.url)} broke in the middle of an answer.",
            hint="Try again; does something between you and the Space cut it off?",
        )


def _read_all(
    response: requests.Response,
    deadline: Deadline,
    read: Callable[[], bytes],
    broken: Type[ConnectionFailedError],
) -> Iterator[bytes]:
    decode = _decoder(response)
    pace = _pace(response, deadline.read_timeout)
    try:
        pace()
        data = read()
        while data:
            yield data if decode is None else decode(data)
            pace()
            data = read()
    except _TRANSLATED as error:
        raise translate(error, deadline, _host(response.url), broken) from error


def _decoder(response: requests.Response) -> Optional[Callable[[bytes], bytes]]:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return None
    if encoding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress  # finds out which of them it is
    raise ProtocolError(
        f"{_host(response.url)} compresses its answer with {encoding}, though it was asked not to.",
        hint="Does a proxy do that? Go around it.",
    )


def _pace(response: requests.Response, patience: Callable[[], float]) -> Callable[[], None]:
    """Let each read wait as long as `patience()` says; returns what to call before each."""
    fp = _file(response)
    if isinstance(fp, _LimitedResponse):
        fp.limit(patience)
        return _nothing

    # A session of the user's own: its sockets can be told only while urllib3 shows them.
    def set_timeout() -> None:
        seconds = patience()
        if seconds <= 0:
            raise socket.timeout("timed out")
        sock = _socket_of(response)
        if sock is not None:
            _let_wait(sock, seconds)

    return set_timeout


def _let_wait(sock: Any, seconds: float) -> None:
    """The limit of what is done next on a socket; infinite is none."""
    sock.settimeout(None if seconds == math.inf else seconds)


def _socket_of(response: requests.Response) -> Any:
    return getattr(getattr(response.raw, "connection", None), "sock", None)


def _nothing() -> None:
    """A `_LimitedResponse` looks at its limit by itself, once a read of the socket."""


class _LimitedReader(io.RawIOBase):
    """The bytes of a socket, each read of which waits only as long as it may at that moment.

    A socket's own timeout is a limit for one read: a trickle of bytes never meets it.
    """

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        # The head of the response as a whole has the time that its first byte has. urllib3 may
        # have been told that before it took its time to connect.
        until = time.monotonic() + min(sock.gettimeout() or math.inf, _patience())
        self.patience: Callable[[], float] = lambda: until - time.monotonic()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        seconds = self.patience()
        if seconds <= 0:
            raise socket.timeout("timed out")
        _let_wait(self._sock, seconds)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


#: Closing resets the connection; the system's structure has integers of two sizes.
_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


def _shut_down(sock: socket.socket) -> None:
    # A socket that is about to connect cannot be shut down, but be made to fail at that; one that
    # is closed can be neither. Its end is to be a reset: after an orderly one Linux lets a server
    # that had filled the buffers wait for a minute until it learns that nobody reads.
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        with contextlib.suppress(OSError):
            sock.settimeout(0)


#: The line on which this thread makes a request, and how long a wait in it may be; sessions do not
#: tell what socket they use.
_asking = threading.local()


def _patience() -> float:
    """Seconds that a wait in the request of this thread may take now."""
    patience: Optional[Callable[[], float]] = getattr(_asking, "patience", None)
    return math.inf if patience is None else max(patience(), 0.001)


class _LimitedResponse(http.client.HTTPResponse):
    """http.client's response over a `_LimitedReader`, with a buffer as large as our reads."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._reader = _LimitedReader(self.fp.detach(), sock)
        self.fp = io.BufferedReader(self._reader, _READ_SIZE)

    def limit(self, patience: Callable[[], float]) -> None:
        """From now on, let each read wait as long as `patience()` says."""
        self._reader.patience = patience


class _LimitedAdapter(HTTPAdapter):
    """The adapter of requests, with connections that answer through `_LimitedResponse`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _limit(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return _limit(super().proxy_manager_for(*args, **kwargs))

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        proxy = requests.utils.select_proxy(request.url, kwargs.get("proxies"))
        if proxy and not is_proxy(proxy if "//" in proxy else f"http://{proxy}"):
            # Of those in the environment nobody has looked at. requests fails at some of them with
            # a TypeError, and at others it shows the password.
            raise requests.exceptions.InvalidProxyURL("this is no address of a proxy")
        return super().send(request, *args, **kwargs)


def _limit(manager: Any) -> Any:
    manager.pool_classes_by_scheme = {
        scheme: _limited_pool(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
    }
    return manager


@functools.lru_cache(maxsize=None)
def _limited_pool(pool: Any) -> Any:
    if getattr(pool.ConnectionCls, "response_class", None) is _LimitedResponse:
        return pool
    changes: Dict[str, Any] = {
        "response_class": _LimitedResponse,
        "send": _send,
        "_tunnel": functools.partialmethod(_tunnel, pool.ConnectionCls._tunnel),
    }
    if pool.ConnectionCls._new_conn is urllib3.connection.HTTPConnection._new_conn:
        changes["_new_conn"] = _new_conn  # and not that of a SOCKS proxy
    connection = type(pool.ConnectionCls.__name__, (pool.ConnectionCls,), changes)
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})


def _send(self: Any, data: Any) -> None:
    """What http.client's method does, but a long prompt has more time than connecting has."""
    if self.sock is None:
        self.connect()
    sock, before, seconds = self.sock, self.sock.gettimeout(), _patience()
    line: Optional[Line] = getattr(_asking, "line", None)
    if line is not None:
        line.uses(sock)  # which may be an older request's
    _let_wait(sock, seconds)
    try:
        http.client.HTTPConnection.send(self, data)
    except socket.timeout as error:
        # In urllib3 a timeout is one of connecting or one of reading.
        raise urllib3.exceptions.ReadTimeoutError(self, self.host, str(error)) from error
    finally:
        sock.settimeout(before)


def _tunnel(self: Any, tunnel: Callable[[Any], None]) -> None:
    """What the class's own method does, but it is a part of connecting, and takes of its time."""
    until = time.monotonic() + (self.sock.gettimeout() or math.inf)
    try:
        tunnel(self)
    except (socket.timeout, urllib3.exceptions.ReadTimeoutError) as error:
        # The http.client of older Pythons leaves its response open, and with it the socket.
        traceback.clear_frames(error.__traceback__)
        raise urllib3.exceptions.ConnectTimeoutError(self, "timed out") from error
    _let_wait(self.sock, max(until - time.monotonic(), 0.001))


def _new_conn(self: Any) -> socket.socket:
    """What urllib3's method does, but the line knows the socket before it is connected."""
    try:
        return _connected(self, getattr(_asking, "line", None))
    except socket.timeout as error:
        raise urllib3.exceptions.ConnectTimeoutError(self, "timed out") from error
    except OSError as error:
        raise urllib3.exceptions.NewConnectionError(self, str(error)) from error


def _connected(connection: Any, line: Optional[Line]) -> socket.socket:
    host = getattr(connection, "_dns_host", connection.host).strip("[]")  # before urllib3 1.22
    port = connection.port
    allowed = urllib3.util.connection.allowed_gai_family()
    seconds = math.inf if connection.timeout is None else connection.timeout
    until = time.monotonic() + seconds  # for all addresses of the host together
    failure = OSError("its name has no address")
    for found in socket.getaddrinfo(host, port, allowed, socket.SOCK_STREAM):
        *kind, _, address = found
        sock = socket.socket(*kind)
        try:
            for option in connection.socket_options or ():
                sock.setsockopt(*option)
            left = until - time.monotonic()
            if left <= 0:
                raise socket.timeout("timed out")
            _let_wait(sock, left)
            if connection.source_address:
                sock.bind(connection.source_address)
            if line is not None:
                line.uses(sock)
            sock.connect(address)
            _let_wait(sock, max(until - time.monotonic(), 0.001))
            if line is not None:
                line.has_connected(sock)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure


# The one place where the exceptions of other libraries become ours.


def _failed_to_connect(error: BaseException, deadline: Deadline, host: str) -> QwenError:
    return deadline.timeout_error("connect")


def _took_too_long(error: BaseException, deadline: Deadline, host: str) -> QwenError:
    # For requests a handshake of TLS that stalls is a read; for the user it is connecting.
    return deadline.timeout_error("connect" if "handshake" in _innermost(error) else "idle")


def _not_trusted(error: BaseException, deadline: Deadline, host: str) -> QwenError:
    return ConnectionFailedError(
        f"No secure connection to {host}: {_innermost(error)}.",
        hint="If the server has a certificate of its own authority, give verify=<path of it> or"
        " set REQUESTS_CA_BUNDLE to that; a server without TLS has an address with http://.",
    )


def _proxy_failed(error: BaseException, deadline: Deadline, host: str) -> QwenError:
    if any(isinstance(link, socket.timeout) for link in _chain(error)):
        return deadline.timeout_error("connect")
    return ConnectionFailedError(
        f"The proxy does not lead to {host}: {_innermost(error)}.",
        hint="Check `proxy`, or HTTPS_PROXY and HTTP_PROXY in the environment.",
    )


def _wrong_address(error: BaseException, deadline: Deadline, host: str) -> QwenError:
    return InvalidRequestError(
        f"The request to {host} cannot be made: {type(error).__name__}.",
        hint="Check the address of the Space, the proxy and the headers; a socks5:// proxy needs"
        ' pip install "qwen25[socks]".',
    )


def _unreadable(error: BaseException, deadline: Deadline, host: str) -> QwenError:
    return ProtocolError(
        f"{host} sent something that cannot be decoded ({type(error).__name__}).",
        hint="Does something between you and the Space change what it sends? Ask again.",
    )


def _no_connection(error: BaseException, deadline: Deadline, host: str) -> QwenError:
    return ConnectionFailedError(
        f"The connection to {host} failed: {_innermost(error)}.",
        hint="Check the address and your network, and whether the Space runs.",
    )


_Translation = Callable[[BaseException, Deadline, str], QwenError]
_TRANSLATIONS: List[Tuple[Tuple[Type[BaseException], ...], _Translation]] = [
    # A refusal, which is of the class of timeouts in urllib3.
    ((urllib3.exceptions.NewConnectionError,), _no_connection),
    ((requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError), _failed_to_connect),
    (
        (requests.Timeout, urllib3.exceptions.TimeoutError, socket.timeout, TimeoutError),
        _took_too_long,
    ),
    (
        (requests.exceptions.SSLError, urllib3.exceptions.SSLError, ssl.SSLError),
        _not_trusted,
    ),
    ((requests.exceptions.ProxyError, urllib3.exceptions.ProxyError), _proxy_failed),
    (
        (
            requests.exceptions.InvalidURL,
            requests.exceptions.MissingSchema,
            requests.exceptions.InvalidSchema,
            requests.exceptions.InvalidHeader,
            requests.exceptions.InvalidJSONError,
            requests.exceptions.UnrewindableBodyError,
            requests.URLRequired,
            urllib3.exceptions.LocationValueError,
            urllib3.exceptions.UnrewindableBodyError,
            UnicodeError,
        ),
        _wrong_address,
    ),
    (
        (
            requests.exceptions.ContentDecodingError,
            requests.exceptions.StreamConsumedError,
            requests.TooManyRedirects,
            urllib3.exceptions.DecodeError,
            zlib.error,
        ),
        _unreadable,
    ),
    (
        (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            http.client.HTTPException,
            OSError,
        ),
        _no_connection,
    ),
]
_TRANSLATED = tuple(kind for kinds, _ in _TRANSLATIONS for kind in kinds)


def translate(
    error: BaseException,
    deadline: Deadline,
    host: str,
    broken: Type[ConnectionFailedError] = ConnectionFailedError,
) -> QwenError:
    """The error of ours for one of requests, urllib3, http.client or the system.

    `broken` is what a connection that fails means at this point.
    """
    meaning = next(meaning for kinds, meaning in _TRANSLATIONS if isinstance(error, kinds))
    if _given_up_by_the_system(error):
        meaning = _no_connection  # long before a limit of ours, or without one
    if meaning is _no_connection and broken is StreamInterruptedError:
        return StreamInterruptedError(
            f"The connection to {host} broke before the answer was complete: {_innermost(error)}.",
            hint="`partial` holds what came. Ask again.",
        )
    return meaning(error, deadline, host)


def _given_up_by_the_system(error: BaseException) -> bool:
    return any(
        isinstance(link, OSError) and link.errno == errno.ETIMEDOUT for link in _chain(error)
    )


def _innermost(error: BaseException) -> str:
    """The reason at the bottom of a chain of exceptions, in few words."""
    reason = str(error)
    for link in _chain(error):
        if isinstance(link, http.client.HTTPException):
            reason = "it ended in the middle of a message"
        elif isinstance(link, OSError) and not isinstance(link, requests.RequestException):
            reason = link.strerror or str(link)
    return reason.rstrip(".")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that led to it, the innermost last."""
    link: Optional[BaseException] = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__
