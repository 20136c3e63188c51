"""Connections to one server: a pool of sessions, each of which serves one answer at a time."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import socket
import sys
import time
from typing import Any, Iterator, List, Mapping, Optional, Tuple, Union

import requests

from ..errors import InvalidRequestError, ProtocolError, client_closed
from ..protocol.origins import HUB_API, check_target, host
from ..protocol.responses import Reply
from ..timeouts import Deadline
from ..version import __version__
from .address import Address
from .auth import SecureCookies, TokenAuth, asked_url
from .body import drain, live_chunks, start_of_body, whole_body
from .exceptions import TRANSLATED, from_user_code, translate
from .sockets import Watcher, shut_down
from .urllib3_hooks import Watch, limit_session, socket_of

_log = logging.getLogger("qwen25")


class SessionPool:
    """Sessions of requests for one Space, and what they all know.

    A session is in the hands of one answer at a time: requests does not promise that it is safe
    among threads or after a fork.
    """

    def __init__(
        self,
        address: Address,
        *,
        token: Union[None, str, bool],
        proxy: Optional[str],
        headers: Optional[Mapping[str, str]],
        verify: Union[bool, str],
        session: Optional[requests.Session],
    ) -> None:
        self.address = address._replace(url=asked_url(address.url))
        self.auth = TokenAuth(address, token)
        self.proxies = None if proxy is None else {"http": proxy, "https": proxy}
        self.headers = dict(headers or {})
        self.verify = verify
        self.closed = False
        self.foreign = session
        # One jar for all sessions: the cookies of a login and of a replica belong to the Space.
        self._cookies = SecureCookies()
        self._idle: List[Tuple[requests.Session, Watch]] = []
        self._process = os.getpid()

    def acquire(self) -> Connection:
        """Lend out a session; the one used last comes first, since its socket is open."""
        if self.closed:
            raise client_closed()
        if self.foreign is not None:
            return Connection(self, self.foreign, Watch())
        if self._process != os.getpid():
            # After a fork the open sockets are the parent's.
            self._idle = []
            self._process = os.getpid()
        try:
            return Connection(self, *self._idle.pop())
        except IndexError:
            pass
        if isinstance(self.verify, str) and not os.path.exists(self.verify):
            raise InvalidRequestError(
                f"verify={self.verify!r} is no file and no directory.",
                hint="Give the path of the authority's certificate, or leave it out.",
            )
        session = requests.Session()
        session.cookies = self._cookies
        return Connection(self, session, limit_session(session))

    def release(self, connection: Connection) -> None:
        """Take a connection back; its owner must not use it any more."""
        connection.close()
        if self.foreign is not None:
            return
        if connection.cancelled or self.closed or connection.process != os.getpid():
            connection.session.close()
        else:
            self._idle.append((connection.session, connection.watch))
            if self.closed:  # meanwhile, by another thread
                self.close()

    def close(self) -> None:
        """Close the sockets; those that are lent out close when they come back."""
        self.closed = True
        while self._idle:
            self._idle.pop()[0].close()

    def __del__(self) -> None:
        # Before its version 2, urllib3 leaves the sockets of a forgotten session open.
        for session, _ in getattr(self, "_idle", ()):
            session.close()


class Connection(Watcher):
    """One session, and the stream that is open on it."""

    def __init__(self, pool: SessionPool, session: requests.Session, watch: Watch) -> None:
        self.pool = pool
        self.session = session
        self.watch = watch
        self.cancelled = False
        self.process = os.getpid()
        self._own = session is not pool.foreign
        self._stream: Optional[requests.Response] = None
        self._deadline: Optional[Deadline] = None
        self._socket: Optional[socket.socket] = None
        self._handle: Optional[socket.socket] = None

    def fetch(self, method: str, target: str, deadline: Deadline, **arguments: Any) -> Reply:
        """Make a request and read its body.

        Args:
            target: A path below the root of the app, or a URL.
            arguments: Those of requests.

        Raises:
            QwenError: No response came, or not the whole of a good one; what the status of a
                response means is left to `responses`.
        """
        response = self._request(method, target, deadline, "application/json", **arguments)
        with response:
            body = b""
            if 200 <= response.status_code < 300:
                body = whole_body(response, deadline)
            elif response.status_code >= 400:
                body = start_of_body(response, deadline)
            return self._reply(response, body)

    def open(self, target: str, deadline: Deadline, **arguments: Any) -> Reply:
        """Make a request for a stream; when its status is a good one, it stays open."""
        response = self._request("GET", target, deadline, "text/event-stream", **arguments)
        if 200 <= response.status_code < 300:
            self._stream = response
            return self._reply(response, b"")
        with response:
            return self._reply(response, start_of_body(response, deadline))

    def chunks(self, deadline: Deadline) -> Iterator[bytes]:
        """The bytes of the open stream, as they arrive."""
        assert self._stream is not None
        return live_chunks(self._stream, deadline)

    def finish(self, deadline: Deadline) -> None:
        """Read a finished stream to its end, so that its socket can be used again."""
        if self._stream is not None and drain(self._stream, deadline):
            self._stream = None
        self.close()

    def close(self) -> None:
        """Close the stream, if one is open; the server then stops writing."""
        response, self._stream = self._stream, None
        if response is not None:
            response.close()

    def interrupt(self) -> None:
        """From another thread: end a read of the open stream."""
        if self._stream is not None and self._socket is not None:
            self._shut_down(self._socket)

    def cancel(self) -> None:
        """From another thread: end whatever is done here, for good."""
        self.cancelled = True
        for sock in (self._socket, self._handle):
            if sock is not None:
                self._shut_down(sock)

    def read_timeout(self) -> float:
        return math.inf if self._deadline is None else self._deadline.read_timeout()

    def uses(self, sock: socket.socket) -> None:
        # TLS inside the TLS of a proxy is urllib3's own, around the socket.
        self._socket = getattr(sock, "socket", sock)
        # Checked after publishing, so that one of the two threads always sees the other's write.
        if self.cancelled:
            self._shut_down(self._socket)

    def has_connected(self, sock: socket.socket) -> None:
        self._handle = handle = sock.dup()  # TLS takes the socket itself
        if self.cancelled:
            self._shut_down(handle)

    def _shut_down(self, sock: socket.socket) -> None:
        if self.process == os.getpid():  # else the connection is the parent's as well
            shut_down(sock)

    def _request(
        self, method: str, target: str, deadline: Deadline, accept: str, **arguments: Any
    ) -> requests.Response:
        pool = self.pool
        root = pool.address.url
        url = root + target if target.startswith("/") else target
        check_target(url, root)
        headers = {
            "User-Agent": f"qwen25/{__version__}",
            "Accept": accept,
            # A compressor would hold bytes back.
            "Accept-Encoding": "identity",
            # So would a cache, be it a proxy's or that of a session that was given.
            "Cache-Control": "no-store",
        }
        if not url.startswith(HUB_API):
            headers["Referer"] = f"{root}/?__theme=system"
            headers.update(pool.headers)
        patience = deadline.read_timeout()
        if patience <= 0:
            raise deadline.timeout_error()
        if self.cancelled:
            raise InvalidRequestError("The request was closed while it waited.")
        handled = sys.exc_info()[1]
        try:
            with self._watching(deadline):
                response = self.session.request(
                    method,
                    url,
                    headers=headers,
                    auth=self._auth(url),
                    proxies=pool.proxies,
                    # A session that was given has its own setting.
                    verify=pool.verify if self._own or pool.verify is not True else None,
                    timeout=(deadline.connect_limit(), None if patience == math.inf else patience),
                    allow_redirects=False,
                    stream=True,
                    **arguments,
                )
        except (ValueError,) + TRANSLATED as error:
            own = from_user_code(error, handled)
            try:
                if own is not None:
                    raise own from own.__cause__
            finally:
                del own  # which holds this frame
            if isinstance(error, TRANSLATED):
                raise translate(error, deadline, host(url)) from error
            # requests reads where a redirect leads, although it does not follow it.
            raise ProtocolError(
                f"{host(url)} redirects to something that is no address.",
                hint="Is this address a Gradio app? Open it in a browser to see.",
            ) from error
        if not self._own:
            sock = socket_of(response)
            if sock is not None:
                self.uses(sock)
        _log.debug("%s %s: %s", method, url.split("?")[0], response.status_code)
        return response

    @contextlib.contextmanager
    def _watching(self, deadline: Deadline) -> Iterator[None]:
        """Limit and know the sockets of a request that is made within."""
        self._deadline, self.watch.watcher = deadline, self
        try:
            yield
        finally:
            self._deadline = self.watch.watcher = None
            handle, self._handle = self._handle, None
            if handle is not None:
                handle.close()

    def _auth(self, url: str) -> Any:
        auth = self.pool.auth
        if self._own or auth.is_given or url.startswith(HUB_API):
            return auth
        # A session that was given may have its own way to be let in.
        return self.session.auth or auth

    def _reply(self, response: requests.Response, body: bytes) -> Reply:
        address = self.pool.address
        return Reply(
            response.status_code,
            response.headers,
            body,
            response.url,
            address.url,
            address.id,
            time.time(),
        )
