"""The fence: the only file that names the inner parts of urllib3 and http.client."""

from __future__ import annotations

import contextlib
import http.client
import io
import math
import os
import socket
import struct
import time
import traceback
from typing import Any, Callable, Dict, Optional

import requests
import urllib3
from requests.adapters import HTTPAdapter

from .address import is_proxy

#: Bytes of one read of a response.
READ_SIZE = 65536


class Watcher:
    """Who makes the requests of a session: is told of its sockets, and limits their waits."""

    def read_timeout(self) -> float:
        """Seconds that a wait in the request may take now; infinite is no limit."""
        raise NotImplementedError

    def uses(self, sock: socket.socket) -> None:
        """What is asked now goes over this socket, which may be an older request's."""
        raise NotImplementedError

    def has_connected(self, sock: socket.socket) -> None:
        """This socket is connected; TLS may take it over next."""
        raise NotImplementedError


class _Watch:
    """The watcher of the request that is being made on a session; `None` between requests."""

    watcher: Optional[Watcher] = None

    def patience(self) -> float:
        """Seconds that a wait may take now."""
        return math.inf if self.watcher is None else max(self.watcher.read_timeout(), 0.001)


class LimitedAdapter(HTTPAdapter):
    """The adapter of requests, whose connections keep time limits and can be woken."""

    def __init__(self) -> None:
        self._watch = _Watch()
        super().__init__()

    @contextlib.contextmanager
    def watched_by(self, watcher: Watcher) -> Any:
        """Tell this watcher of what happens within."""
        self._watch.watcher = watcher
        try:
            yield
        finally:
            self._watch.watcher = None

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._limit(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return self._limit(super().proxy_manager_for(*args, **kwargs))

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        proxy = requests.utils.select_proxy(request.url, kwargs.get("proxies"))
        if proxy and not is_proxy(proxy if "//" in proxy else f"http://{proxy}"):
            # Proxies of the environment are not checked before. requests fails at some of them with
            # a TypeError, and at others it shows the password.
            raise requests.exceptions.InvalidProxyURL("this is no address of a proxy")
        return super().send(request, *args, **kwargs)

    def _limit(self, manager: Any) -> Any:
        if not getattr(manager, "is_limited", False):  # a manager of a proxy is handed out again
            manager.is_limited = True
            manager.pool_classes_by_scheme = {
                scheme: _limited_pool(pool, self._watch)
                for scheme, pool in manager.pool_classes_by_scheme.items()
            }
        return manager


def _limited_pool(pool: Any, watch: _Watch) -> Any:
    made: Dict[Any, Any] = {}

    def connection_class(self: Any) -> Any:
        # Looked up at each use, so that a library that replaces the class of the pool is heard.
        base = pool.ConnectionCls
        if base not in made:
            made[base] = _limited_connection(base, watch)
        return made[base]

    return type(pool.__name__, (pool,), {"ConnectionCls": property(connection_class)})


def _limited_connection(base: Any, watch: _Watch) -> Any:
    if not issubclass(base, http.client.HTTPConnection):
        return base  # a stand-in, such as that of a recorder
    parts: Any = (_LimitedConnection, base)
    if base._new_conn is urllib3.connection.HTTPConnection._new_conn:
        parts = (_Connecting, *parts)  # and not that of a SOCKS proxy
    return type(base.__name__, parts, {"watch": watch})


class _LimitedConnection:
    """What is put before a connection class of urllib3."""

    watch: _Watch
    timeout: Any
    sock: Any
    host: str
    connect: Callable[[], None]

    def response_class(self, sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
        """Called as http.client calls the class of its responses."""
        return LimitedResponse(sock, *args, patience=self.watch.patience, **kwargs)

    def send(self, data: Any) -> None:
        """What http.client's method does, but a long prompt has more time than connecting has."""
        if self.sock is None:
            self.connect()
        sock, before, seconds = self.sock, self.sock.gettimeout(), self.watch.patience()
        if self.watch.watcher is not None:
            self.watch.watcher.uses(sock)  # which may be an older request's
        let_wait(sock, seconds)
        try:
            super().send(data)  # type: ignore[misc]
        except socket.timeout as error:
            # In urllib3 a timeout is one of connecting or one of reading.
            raise urllib3.exceptions.ReadTimeoutError(
                self, self.host, str(error)  # type: ignore[arg-type]
            ) from error
        finally:
            sock.settimeout(before)

    def _tunnel(self) -> None:
        """What the class's own method does, but it is a part of connecting, and takes its time."""
        until = time.monotonic() + (self.sock.gettimeout() or math.inf)
        try:
            super()._tunnel()  # type: ignore[misc]
        except (socket.timeout, urllib3.exceptions.ReadTimeoutError) as error:
            # The http.client of older Pythons leaves its response open, and with it the socket.
            traceback.clear_frames(error.__traceback__)
            raise _timed_out(self) from error
        let_wait(self.sock, max(until - time.monotonic(), 0.001))


class _Connecting:
    """What is put before it where there is no SOCKS proxy."""

    watch: _Watch

    def _new_conn(self) -> socket.socket:
        """What urllib3's method does, but the watcher knows the socket before it is connected."""
        try:
            return connected(self, self.watch.watcher)
        except socket.timeout as error:
            raise _timed_out(self) from error
        except OSError as error:
            raise urllib3.exceptions.NewConnectionError(
                self, str(error)  # type: ignore[arg-type]
            ) from error


def _timed_out(connection: Any) -> urllib3.exceptions.ConnectTimeoutError:
    return urllib3.exceptions.ConnectTimeoutError(connection, "timed out")


def connected(connection: Any, watcher: Optional[Watcher]) -> socket.socket:
    """A socket that is connected to the host of a connection."""
    host = getattr(connection, "_dns_host", connection.host).strip("[]")
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
            let_wait(sock, left)
            if connection.source_address:
                sock.bind(connection.source_address)
            if watcher is not None:
                watcher.uses(sock)
            sock.connect(address)
            let_wait(sock, max(until - time.monotonic(), 0.001))
            if watcher is not None:
                watcher.has_connected(sock)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure


class LimitedResponse(http.client.HTTPResponse):
    """http.client's response over a `_LimitedReader`, with a buffer as large as our reads."""

    def __init__(
        self, sock: socket.socket, *args: Any, patience: Callable[[], float], **kwargs: Any
    ) -> None:
        super().__init__(sock, *args, **kwargs)
        self._reader = _LimitedReader(self.fp.detach(), sock, patience)
        self.fp = io.BufferedReader(self._reader, READ_SIZE)

    def begin(self) -> None:
        """Read the head; http.client itself passes over no interim response but 100."""
        super().begin()
        while self.status != 101 and 100 < self.status < 200:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()

    def limit(self, patience: Callable[[], float]) -> None:
        """From now on, let each read wait as long as `patience()` says."""
        self._reader.patience = patience


class _LimitedReader(io.RawIOBase):
    """The bytes of a socket, each read of which waits only as long as it may at that moment.

    A socket's own timeout is a limit for one read: a trickle of bytes never meets it.
    """

    def __init__(
        self, raw: io.RawIOBase, sock: socket.socket, patience: Callable[[], float]
    ) -> None:
        self._raw = raw
        self._sock = sock
        # The head of the response as a whole has the time that its first byte has. urllib3 may
        # have been told that before it took its time to connect.
        until = time.monotonic() + min(sock.gettimeout() or math.inf, patience())
        self.patience: Callable[[], float] = lambda: until - time.monotonic()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        seconds = self.patience()
        if seconds <= 0:
            raise socket.timeout("timed out")
        let_wait(self._sock, seconds)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def let_wait(sock: Any, seconds: float) -> None:
    """The limit of what is done next on a socket; infinite is none."""
    sock.settimeout(None if seconds == math.inf else seconds)


def file_of(response: requests.Response) -> Any:
    """http.client's response, whose `read1` hands on what has come."""
    # urllib3's own read1 is there since its version 2 only, and costs more for each event than all
    # the rest of this library.
    return getattr(response.raw, "_fp", response.raw)


def socket_of(response: requests.Response) -> Any:
    """The socket that a response comes over; `None` when it is not shown."""
    return getattr(getattr(response.raw, "connection", None), "sock", None)


#: Closing resets the connection; the system's structure has integers of two sizes.
_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


def shut_down(sock: socket.socket) -> None:
    """End what another thread waits for on a socket."""
    # A socket that is about to connect cannot be shut down, but be made to fail at that; one that
    # is closed can be neither. Its end is to be a reset: after an orderly one Linux lets a server
    # that had filled the buffers wait for a minute until it learns that the reader has left.
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        with contextlib.suppress(OSError):
            sock.settimeout(0)
