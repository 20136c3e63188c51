"""A loopback HTTP/1.1 server of threads and blocking sockets: one thread a connection."""

from __future__ import annotations

import contextlib
import http
import json
import os
import selectors
import socket
import struct
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, Iterator, List, Mapping, NamedTuple, Optional
from urllib.parse import parse_qsl, urlsplit

from .steps import Gate, Reply

# Newest requests that are kept, so that a long run does not fill the memory.
KEPT_REQUESTS = 10_000
# A thread that does not end when its socket is closed is stuck in the test's own code.
JOIN_SECONDS = 5.0


class Headers(Dict[str, str]):
    """Header fields; their names are looked up in any case."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field, or `default`."""
        return super().get(name.lower(), default)


class Request(NamedTuple):
    """A request as it came."""

    method: str
    #: As in the request line; a client that takes this server for a proxy sends a whole URL.
    target: str
    headers: Headers
    body: bytes
    #: The number of the TCP connection it came on, from 1.
    connection: int

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> Dict[str, str]:
        """The fields of the target's query."""
        return dict(parse_qsl(urlsplit(self.target).query))

    @property
    def form(self) -> Dict[str, str]:
        """The fields of a body that is a form."""
        return dict(parse_qsl(self.body.decode()))

    @property
    def json(self) -> Any:
        """The body as JSON; `ValueError` when it is none."""
        return json.loads(self.body)

    @property
    def cookies(self) -> Dict[str, str]:
        """The cookies that came with it."""
        pairs = (pair.partition("=") for pair in self.headers.get("cookie", "").split(";"))
        return {name.strip(): value for name, _, value in pairs if name.strip()}


class ClientLeft(Exception):
    """The client has closed its connection, or the server is being closed."""


class Connection:
    """One TCP connection with a client."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = number
        self._socket = sock
        self._unread = bytearray()

    def read(self) -> Optional[Request]:
        """The next request; `None` when the client sends no more."""
        while b"\r\n\r\n" not in self._unread:
            if not self._receive():
                return None
        head, _, body = bytes(self._unread).partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, _, target = first.rpartition(" ")[0].partition(" ")
        headers = Headers()
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        del self._unread[: len(head) + 4]
        while len(self._unread) < length:
            if not self._receive():
                return None
        body = bytes(self._unread[:length])
        del self._unread[:length]
        return Request(method, target, headers, body, self.number)

    def write(self, data: bytes) -> None:
        """Send all of it."""
        try:
            self._socket.sendall(data)
        except OSError as exc:
            raise ClientLeft from exc

    def reply(self, reply: Reply) -> None:
        """Send a whole response."""
        data = _response(reply)
        if not reply.every:
            self.write(data)
            return
        for byte in data:
            self.write(bytes((byte,)))
            self.wait(seconds=reply.every)

    def wait(self, seconds: Optional[float] = None, gate: Optional[Gate] = None) -> None:
        """Until the gate is set or the seconds have passed; the client's leaving is noticed."""
        deadline = None if seconds is None else time.monotonic() + seconds
        with contextlib.ExitStack() as stack:
            selector = stack.enter_context(selectors.DefaultSelector())
            selector.register(self._socket, selectors.EVENT_READ)
            opened = None if gate is None else stack.enter_context(gate.watched())
            if opened is not None:
                selector.register(opened, selectors.EVENT_READ)
            while True:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return
                ready = [key.fileobj for key, _ in selector.select(left)]
                if self._socket in ready and not self._receive():
                    raise ClientLeft
                if opened in ready:
                    return

    def _receive(self) -> bool:
        """Take what the client has sent; false when it has closed."""
        try:
            data = self._socket.recv(65536)
        except OSError:
            return False
        self._unread += data
        return bool(data)

    def shut(self) -> None:
        """Send the end of the connection, and wake its thread; safe from any thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close, idempotently."""
        self.shut()
        self._socket.close()

    def reset(self) -> None:
        """Close with an RST instead of a FIN."""
        linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._socket.close()


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """A status line and header fields."""
    try:
        reason = http.HTTPStatus(status).phrase
    except ValueError:
        reason = "Unknown"
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {reason}\r\n{fields}\r\n".encode("latin-1")


def _response(reply: Reply) -> bytes:
    if isinstance(reply.body, bytes):
        kind, body = "application/octet-stream", reply.body
    elif isinstance(reply.body, str):
        kind, body = "text/html; charset=utf-8", reply.body.encode()
    else:
        kind, body = "application/json", json.dumps(reply.body).encode()
    given = {name.lower(): value for name, value in reply.headers.items()}
    return (
        head(reply.status, {"content-type": kind, "content-length": str(len(body)), **given}) + body
    )


class Server:
    """Listens on a free loopback port from `start` to `close`; calls `handle` for every request.

    `handle` answers on the connection, and returns whether the connection is to be kept.
    """

    def __init__(self, handle: Callable[[Connection, Request], bool]) -> None:
        self.changed = threading.Condition()
        self.requests: Deque[Request] = deque(maxlen=KEPT_REQUESTS)
        self.connections = 0
        self.closed = False
        self.errors: List[BaseException] = []
        self._handle = handle
        self._open: Dict[Connection, threading.Thread] = {}
        self._listener: Optional[socket.socket] = None

    def start(self) -> str:
        """Listen; returns the base URL."""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._address = self._listener.getsockname()
        self._acceptor = threading.Thread(target=self._accept, name="FakeSpace", daemon=True)
        self._acceptor.start()
        return "http://%s:%d" % self._address

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._open)

    def wait_for(self, predicate: Callable[[], Any], timeout: float) -> None:
        """Block until the predicate holds; it is asked whenever something happened."""
        with self.changed:
            if not self.changed.wait_for(predicate, timeout):
                raise TimeoutError(f"What was waited for did not come in {timeout} s.")

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """A change of state that those who wait are to hear of."""
        with self.changed:
            yield
            self.changed.notify_all()

    def close(self) -> None:
        """Close everything, wake everyone, and wait for the threads; idempotent."""
        with self.changing():
            if self.closed or self._listener is None:
                return
            self.closed = True
            threads = list(self._open.values())
            for connection in self._open:
                connection.shut()
        # A blocked accept() does not notice on every system that its socket is closed.
        with contextlib.suppress(OSError):
            socket.create_connection(self._address, timeout=1).close()
        for thread in [self._acceptor, *threads]:
            thread.join(JOIN_SECONDS)
        self._listener.close()

    def _accept(self) -> None:
        assert self._listener is not None
        while True:
            sock, _ = self._listener.accept()
            with self.changing():
                if self.closed:
                    sock.close()
                    return
                self.connections += 1
                connection = Connection(sock, self.connections)
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._open[connection] = thread
                thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            kept = True
            while kept:
                request = connection.read()
                if request is None:
                    break
                with self.changing():
                    self.requests.append(request)
                kept = self._handle(connection, request)
        except ClientLeft:
            pass
        except Exception as exc:
            self.errors.append(exc)
        finally:
            connection.close()
            with self.changing():
                del self._open[connection]
