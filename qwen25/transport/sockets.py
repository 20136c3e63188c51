"""Sockets that are limited together, and woken by another thread."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import struct
import time
from typing import Any, Callable, Iterable, Optional, Tuple

from .exceptions import from_user_code


class Watcher:
    """Watches the sockets of a session's requests, and limits their waits."""

    def read_timeout(self) -> float:
        """Seconds that a wait in the request may take now; infinite is no limit."""
        raise NotImplementedError

    def uses(self, sock: socket.socket) -> None:
        """What is asked now goes over this socket, which may be an older request's."""
        raise NotImplementedError

    def has_connected(self, sock: socket.socket) -> None:
        """This socket is connected; TLS may take it over next."""
        raise NotImplementedError


def limit_reads(sock: Any, name: str, until: float) -> None:
    """Let a method of a socket wait no longer than that, until it is deleted from the socket."""
    read = getattr(type(sock), name)

    def limited(*args: Any, **kwargs: Any) -> Any:
        left = until - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        socket.socket.settimeout(sock, None if left == math.inf else left)
        return read(sock, *args, **kwargs)

    setattr(sock, name, limited)


def first_connected(
    found: Iterable[Tuple[Any, ...]],
    until: float,
    watcher: Optional[Watcher],
    *,
    make: Callable[..., Any] = socket.socket,
    connect: Callable[[Any, Any], None] = socket.socket.connect,
    options: Iterable[Tuple[Any, ...]] = (),
    source: Optional[Tuple[str, int]] = None,
) -> socket.socket:
    """A socket that is connected to the first address that takes it, all within one limit.

    Args:
        found: Addresses, as `socket.getaddrinfo` gives them.
        until: When the limit is reached, by the clock `time.monotonic`.
        make, connect: As they are for a plain socket.
        options: Arguments of `setsockopt`.
        source: The address to connect from.
    """
    failure = OSError("its name has no address")
    for each in found:
        *kind, _, address = each
        sock: socket.socket = make(*kind)
        try:
            for option in options:
                sock.setsockopt(*option)
            left = until - time.monotonic()
            if left <= 0:
                raise socket.timeout("timed out")
            let_wait(sock, left)
            if source:
                sock.bind(source)
            if watcher is not None:
                watcher.uses(sock)
            connect(sock, address)
            let_wait(sock, max(until - time.monotonic(), 0.001))
            if watcher is not None:
                watcher.has_connected(sock)
            return sock
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError) or from_user_code(error) is error:
                raise  # what a signal handler raised is no reason to try the next address
            failure = error
    raise failure


def let_wait(sock: Any, seconds: float) -> None:
    """The limit of what is done next on a socket; infinite is none."""
    sock.settimeout(None if seconds == math.inf else seconds)


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
