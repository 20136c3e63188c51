"""The fence: the only file that names the inner parts of requests, urllib3 and http.client.

urllib3 limits each read of a socket by itself, does not tell which socket it uses, and hands on
bytes late. What is done about that rests on the parts below, tested with urllib3 1.26.5 and later:

Documented
    HTTPAdapter.init_poolmanager, proxy_manager_for, send: where an adapter makes its managers
        of pools, and what every request passes.
    HTTPResponse.status, headers, msg (http.client): interim responses are passed over.
    HTTPResponse.release_conn (urllib3): gives the connection back to its pool.

Half public: named without an underscore, and described nowhere
    PoolManager.pool_classes_by_scheme: from "http" and "https" to the class of a pool.
    HTTPConnectionPool.ConnectionCls: the class of its connections, read at each new one.
    HTTPConnection.connect, send: all connecting, and all sending, pass here.
    HTTPConnection.response_class: called with the socket for each response.
    HTTPConnection.timeout, sock, host, port, socket_options, source_address: as they are named.
    HTTPResponse.begin (http.client): reads the head of a response.
    urllib3.util.connection.allowed_gai_family: the family of addresses to look up.

Private
    HTTPConnection._new_conn: makes the socket, through a SOCKS proxy in a class of its own.
    HTTPConnection._tunnel: asks an http proxy for a tunnel.
    HTTPConnection._dns_host: the host as it is looked up; without it, host.
    SOCKSConnection._socks_options: the proxy; without it, the class's own _new_conn.
    HTTPResponse._fp (urllib3): http.client's response; without it, urllib3's own reads.
    HTTPResponse.connection.sock (urllib3): the socket of a session of the user's own; without it,
        each read has its limit.
    HTTPResponse.fp.detach() (http.client): the buffer over the socket can be replaced.

Where a part is missing that classes are built on, connections are those of requests: each read has
its limit, and a thread that waits in one is not woken. One warning in the log says so. A response
that is not urllib3's own, such as a recorder's stand-in, is read by `read` alone.
"""

from __future__ import annotations

import functools
import http.client
import io
import logging
import math
import socket
import ssl
import time
import traceback
from typing import Any, Callable, Dict, Optional, Tuple

import requests
import urllib3
from requests.adapters import HTTPAdapter

from .address import is_proxy
from .sockets import Watcher, first_connected, let_wait, limit_reads

_log = logging.getLogger("qwen25")

#: Bytes of one read of a response.
READ_SIZE = 65536


class Watch:
    """The watcher of the request that is being made on a session; `None` between requests."""

    watcher: Optional[Watcher] = None

    def patience(self) -> float:
        """Seconds that a wait may take now."""
        return math.inf if self.watcher is None else max(self.watcher.read_timeout(), 0.001)


@functools.lru_cache(maxsize=None)
def warn_once(part: str) -> None:
    """Say that a part of the contract is missing."""
    _log.warning(
        "urllib3 %s has no %s: time limits are those of single reads, and closing does not wake a"
        " thread that waits. Please report this to qwen25.",
        getattr(urllib3, "__version__", ""),
        part,
    )


def parts_are_there() -> bool:
    """Whether the classes of a `LimitedAdapter` can be built here."""
    connection = urllib3.connection.HTTPConnection
    for owner, names in (
        (urllib3.PoolManager(num_pools=1), ("pool_classes_by_scheme",)),
        (urllib3.HTTPConnectionPool, ("ConnectionCls",)),
        (connection, ("connect", "send", "response_class", "_new_conn", "_tunnel")),
        (urllib3.util.connection, ("allowed_gai_family",)),
    ):
        for name in names:
            if not hasattr(owner, name):
                warn_once(name)
                return False
    return True


def limit_session(session: requests.Session) -> Watch:
    """Let a session have connections that keep time limits and can be woken, if that can be."""
    if not parts_are_there():
        return Watch()
    adapter = LimitedAdapter()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return adapter.watch


class LimitedAdapter(HTTPAdapter):
    """The adapter of requests, whose connections keep time limits and can be woken."""

    def __init__(self) -> None:
        self.watch = Watch()
        super().__init__()

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
                scheme: _limited_pool(pool, self.watch)
                for scheme, pool in manager.pool_classes_by_scheme.items()
            }
        return manager


def _limited_pool(pool: Any, watch: Watch) -> Any:
    made: Dict[Any, Any] = {}

    def connection_class(self: Any) -> Any:
        # Looked up at each use, so that a library that replaces the class of the pool is heard.
        base = pool.ConnectionCls
        if base not in made:
            made[base] = _limited_connection(base, watch)
        return made[base]

    return type(pool.__name__, (pool,), {"ConnectionCls": property(connection_class)})


def _limited_connection(base: Any, watch: Watch) -> Any:
    if not issubclass(base, http.client.HTTPConnection):
        return base  # a stand-in, such as that of a recorder
    parts: Tuple[Any, ...] = (_LimitedConnection, base)
    fields: Dict[str, Any] = {"watch": watch}
    if base.__module__ == "urllib3.contrib.socks":
        fields["open_socket"] = _open_socks_socket
    elif base._new_conn is urllib3.connection.HTTPConnection._new_conn:
        fields["open_socket"] = _open_socket
    if "open_socket" in fields:
        parts = (_Connecting, *parts)
    return type(base.__name__, parts, fields)


class _LimitedConnection:
    """What is put before a connection class of urllib3."""

    watch: Watch
    timeout: Any
    sock: Any
    host: str
    #: When connecting has to be done, by the clock `time.monotonic`.
    until: float
    #: What `_tunnel` leaves behind for `connect`.
    tunnel_socket: Any = None

    def response_class(self, sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
        """Called as http.client calls the class of its responses."""
        return LimitedResponse(sock, *args, patience=self.watch.patience, **kwargs)

    def connect(self) -> None:
        """What the class's own method does, within one limit for all of its steps."""
        self.until = time.monotonic() + (math.inf if self.timeout is None else self.timeout)
        try:
            super().connect()  # type: ignore[misc]
        except socket.timeout as error:  # of a handshake
            raise _timed_out(self) from error
        finally:
            if self.tunnel_socket is not None:
                del self.tunnel_socket.recv
                self.tunnel_socket = None

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
        let_wait(self.sock, max(self.until - time.monotonic(), 0.001))
        try:
            super()._tunnel()  # type: ignore[misc]
        except (socket.timeout, urllib3.exceptions.ReadTimeoutError) as error:
            # The http.client of older Pythons leaves its response open, and with it the socket.
            traceback.clear_frames(error.__traceback__)
            raise _timed_out(self) from error
        let_wait(self.sock, max(self.until - time.monotonic(), 0.001))
        if isinstance(self.sock, ssl.SSLSocket):
            # TLS inside TLS is a loop of urllib3 over this method.
            limit_reads(self.sock, "recv", self.until)
            self.tunnel_socket = self.sock


class _Connecting:
    """What is put before it where it makes its socket as it does here."""

    watch: Watch
    until: float
    open_socket: Callable[..., socket.socket]

    def _new_conn(self) -> socket.socket:
        """What urllib3's method does, but the watcher knows the socket before it is connected."""
        try:
            return self.open_socket()
        except OSError as error:
            reason = getattr(error, "socket_err", None) or error  # as PySocks keeps it
            if isinstance(reason, socket.timeout):
                raise _timed_out(self) from error
            raise urllib3.exceptions.NewConnectionError(
                self, str(reason)  # type: ignore[arg-type]
            ) from error


def _timed_out(connection: Any) -> urllib3.exceptions.ConnectTimeoutError:
    return urllib3.exceptions.ConnectTimeoutError(connection, "timed out")


def _open_socket(connection: Any) -> socket.socket:
    host = getattr(connection, "_dns_host", connection.host)
    return _first_connected(connection, host, connection.port)


def _open_socks_socket(connection: Any) -> socket.socket:
    """PySocks has a limit for each read of its talk with the proxy, and none for all of it."""
    import socks

    proxy = getattr(connection, "_socks_options", None)
    if proxy is None:
        warn_once("_socks_options")
        return super(_Connecting, connection)._new_conn()  # type: ignore[no-any-return]
    host, port = proxy["proxy_host"].strip("[]"), proxy["proxy_port"]
    login = (proxy["rdns"], proxy["username"], proxy["password"])

    def connect(sock: Any, address: Any) -> None:
        sock.set_proxy(proxy["socks_version"], host, port, *login)
        limit_reads(sock, "recv_into", connection.until)
        try:
            sock.connect((connection.host.strip("[]"), connection.port))
        finally:
            del sock.recv_into

    return _first_connected(connection, host, port, make=socks.socksocket, connect=connect)


def _first_connected(connection: Any, host: str, port: int, **how: Any) -> socket.socket:
    allowed = urllib3.util.connection.allowed_gai_family()
    return first_connected(
        socket.getaddrinfo(host.strip("[]"), port, allowed, socket.SOCK_STREAM),
        connection.until,
        connection.watch.watcher,
        options=connection.socket_options or (),
        source=connection.source_address,
        **how,
    )


class LimitedResponse(http.client.HTTPResponse):
    """http.client's response over a `_LimitedReader`, with a buffer as large as our reads."""

    def __init__(
        self, sock: socket.socket, *args: Any, patience: Callable[[], float], **kwargs: Any
    ) -> None:
        super().__init__(sock, *args, **kwargs)
        #: Whether its reads keep `limit`.
        self.is_limited = hasattr(self.fp, "detach")
        if not self.is_limited:
            warn_once("detach")
            return
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


def file_of(response: requests.Response) -> Any:
    """http.client's response, whose `read1` hands on what has come."""
    # urllib3's own read1 is there since its version 2 only, and costs more for each event than all
    # the rest of this library.
    raw = response.raw
    if hasattr(raw, "_fp"):
        return raw._fp if hasattr(raw._fp, "read1") else _RawFile(raw)  # that of a recorder, say
    if isinstance(raw, urllib3.HTTPResponse):
        warn_once("_fp")
    else:
        _log.debug("%s is not a response of urllib3: it is read as it is", type(raw).__name__)
    return _RawFile(raw)


class _RawFile:
    """urllib3's response in the place of http.client's; its connection is not used again."""

    def __init__(self, raw: Any) -> None:
        self.read = raw.read
        # Before its version 2 only the smallest read does not wait for more than has come.
        self.read1 = getattr(raw, "read1", lambda size: raw.read(1))

    def isclosed(self) -> bool:
        return False


def socket_of(response: requests.Response) -> Any:
    """The socket that a response comes over; `None` when it is not shown."""
    return getattr(getattr(response.raw, "connection", None), "sock", None)


def release(response: requests.Response) -> None:
    """Give the connection of a response that was read to its end back to its pool."""
    # vcrpy's stand-in before its version 9 has no such method, and no connection.
    getattr(response.raw, "release_conn", _nothing)()


def _nothing() -> None:
    """There is no connection."""
