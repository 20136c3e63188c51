"""Servers made of sockets, for what no library would send."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from pathlib import Path

import pytest

CERTIFICATE = str(Path(__file__).with_name("localhost.pem"))
#: Seconds that no test comes near.
PATIENT = 30


def may_leave_a_socket_of_tls(test):
    """Mark a test after which the garbage collector may close a socket of Python's TLS."""
    for warning in (":pytest.PytestUnraisableExceptionWarning", "unclosed:ResourceWarning"):
        test = pytest.mark.filterwarnings(f"ignore:{warning}")(test)
    return test


@contextlib.contextmanager
def server(handle):
    """The port of a server that gives each of its connections to `handle`, in a thread."""
    over = threading.Event()
    kept = []

    def run(connection):
        with contextlib.suppress(OSError):
            handle(connection, over)

    def accept():
        while True:
            connection, _ = listener.accept()
            kept.append(connection)
            if over.is_set():
                return
            thread = threading.Thread(target=run, args=[connection])
            threads.append(thread)
            thread.start()

    threads = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield address[1]
        finally:
            over.set()
            socket.create_connection(address).close()
            acceptor.join()
            for connection in kept:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
            for connection in kept:
                connection.close()


def tls(connection):
    """Over a copy of the socket, so that the server can still end the connection by its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context.wrap_socket(connection.dup(), server_side=True)


def relay(one, other):
    """Hand on what both say, until one of them ends."""

    def pump(source, target):
        with contextlib.suppress(OSError):
            data = source.recv(65536)
            while data:
                target.sendall(data)
                data = source.recv(65536)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=pump, args=[other, one])
    back.start()
    pump(one, other)
    back.join()


def front(port):
    """A server that adds TLS to another one."""

    def handle(connection, over):
        with tls(connection) as client, socket.create_connection(("127.0.0.1", port)) as inner:
            relay(client, inner)

    return server(handle)


def exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise OSError("the client has left")
        data += more
    return data


def greet(connection):
    """Read a client's greeting in SOCKS 5."""
    _, count = exactly(connection, 2)
    exactly(connection, count)


def wanted(connection):
    """Where a client of SOCKS 5 wants to be connected to."""
    *_, kind = exactly(connection, 4)
    if kind == 1:
        name = socket.inet_ntoa(exactly(connection, 4))
    else:
        name = exactly(connection, exactly(connection, 1)[0]).decode()
    return name, struct.unpack(">H", exactly(connection, 2))[0]


CONNECTED = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00"


def socks_proxy(connection, over):
    greet(connection)
    connection.sendall(b"\x05\x00")
    with socket.create_connection(wanted(connection)) as inner:
        connection.sendall(CONNECTED)
        relay(connection, inner)
