"""The bytes of a response as they arrive, within their limits."""

from __future__ import annotations

import functools
import logging
import socket
import sys
import time
import zlib
from http.client import HTTPException
from typing import Callable, Iterator, List, Optional, Type

import requests
import urllib3

from ..errors import (
    ConnectionFailedError,
    ProtocolError,
    QwenError,
    StreamInterruptedError,
)
from ..protocol.origins import host
from ..timeouts import Deadline
from .exceptions import TRANSLATED, from_signal_handler, from_user_code, translate, unreadable
from .sockets import let_wait
from .urllib3_hooks import READ_SIZE, file_of, release, socket_of

_log = logging.getLogger("qwen25")

#: The largest body that is read as a whole, in bytes: of a configuration, a login, a join.
BODY_LIMIT = 8 * 1024 * 1024
#: Bytes of a refusal that are read for its reason.
REASON_LIMIT = 65536
#: Seconds to wait for the end of a body whose last event has come, so that its connection can be
#: used again.
DRAIN = 1.0
#: Bytes that are decompressed in one step.
_STEP = 65536
#: A stream of which so many bytes are decompressed has to have been more than one in `_MOST_RATIO`
#: of that; deflate itself ends at about 1,030, and Gradio's streams are far below.
_FREE_BYTES = 8 * 1024 * 1024
_MOST_RATIO = 300


def whole_body(response: requests.Response, deadline: Deadline) -> bytes:
    """Read a body to its end; its connection can then be used again.

    Raises:
        ProtocolError: It is larger than `BODY_LIMIT`.
    """
    parts: List[bytes] = []
    size = 0
    for chunk in _chunks(response, deadline):
        size += len(chunk)
        if size > BODY_LIMIT:
            raise ProtocolError(
                f"{host(response.url)} answers with more than {BODY_LIMIT // 1024**2} MiB.",
                hint="This is no Gradio app: check the address.",
            )
        parts.append(chunk)
    release(response)
    return b"".join(parts)


def start_of_body(response: requests.Response, deadline: Deadline) -> bytes:
    """Read of a refusal what may hold its reason, as far as it comes."""
    text = b""
    try:
        for chunk in _chunks(response, deadline):
            text += chunk
            if len(text) > REASON_LIMIT:
                break
        else:
            release(response)
    except QwenError as error:
        if from_signal_handler(error):
            raise
        _log.debug("the body of a refusal did not come: %s", error)  # its status is enough
    return text


def live_chunks(response: requests.Response, deadline: Deadline) -> Iterator[bytes]:
    """Hand on the bytes of a stream as they arrive, in every framing."""
    fp = file_of(response)
    # Before Python 3.13 http.client's read1 does not count, and would wait beyond the body's end.
    rest: Optional[int] = getattr(fp, "length", None)

    def read1() -> bytes:
        nonlocal rest
        data: bytes = fp.read1(min(rest, READ_SIZE)) if rest else b""
        rest = (rest or 0) - len(data)
        return data

    read = functools.partial(fp.read1, READ_SIZE) if rest is None else read1
    return _read_all(response, deadline, read, StreamInterruptedError)


def drain(response: requests.Response, deadline: Deadline) -> bool:
    """Read a finished stream to its end; whether its connection can be used again."""
    until = time.monotonic() + min(DRAIN, max(deadline.left(), 0.0))
    fp = file_of(response)
    read = _paced(
        response, functools.partial(fp.read1, READ_SIZE), lambda: until - time.monotonic()
    )
    try:
        while read():
            pass
    except (OSError, ValueError, HTTPException, urllib3.exceptions.HTTPError) as error:
        if from_user_code(error) is error:
            raise
        # The answer is complete; a connection that ends badly now is only not used again.
        _log.debug("the stream did not end well: %s", error)
    if not getattr(fp, "isclosed", bool)():
        return False
    release(response)
    return True


def _chunks(response: requests.Response, deadline: Deadline) -> Iterator[bytes]:
    """Read a body that is wanted as a whole."""
    fp = file_of(response)
    read = functools.partial(fp.read, READ_SIZE)
    yield from _read_all(response, deadline, read, ConnectionFailedError)
    if getattr(fp, "length", None):
        # http.client is content with less than was promised when it is read in parts.
        raise ConnectionFailedError(
            f"The connection to {host(response.url)} broke in the middle of an answer.",
            hint="Try again; does something between you and the Space cut it off?",
        )


def _read_all(
    response: requests.Response,
    deadline: Deadline,
    read: Callable[[], bytes],
    broken: Type[ConnectionFailedError],
) -> Iterator[bytes]:
    handled = sys.exc_info()[1]
    inflate = _inflater(response, deadline)
    read = _paced(response, read, deadline.read_timeout)
    try:
        for data in iter(read, b""):
            if inflate is None:
                yield data
            else:
                yield from inflate(data)
    except (ValueError,) + TRANSLATED as error:
        own = from_user_code(error, handled)
        try:
            if own is not None:
                raise own from own.__cause__
        finally:
            del own  # which holds this frame
        if not isinstance(error, TRANSLATED):
            # http.client takes "-5" for the size of a chunk, and then cannot read so many bytes.
            raise unreadable(error, deadline, host(response.url)) from error
        raise translate(error, deadline, host(response.url), broken) from error


def _inflater(
    response: requests.Response, deadline: Deadline
) -> Optional[Callable[[bytes], Iterator[bytes]]]:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return None
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise ProtocolError(
            f"{host(response.url)} compresses its answer with {encoding}, though it was asked not"
            " to.",
            hint="Does a proxy do that? Go around it.",
        )
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | 32)  # finds out which of them it is
    taken = given = 0

    def inflate(data: bytes) -> Iterator[bytes]:
        nonlocal taken, given
        taken += len(data)
        more = not decompressor.eof
        while more:
            if deadline.left() <= 0:
                raise deadline.timeout_error()
            piece = decompressor.decompress(data, _STEP)
            given += len(piece)
            if given > _FREE_BYTES and given > taken * _MOST_RATIO:
                raise ProtocolError(
                    f"{host(response.url)} sent {taken} compressed bytes that unpack to more than"
                    f" {given}.",
                    hint="This is not an answer; look at the Space in a browser.",
                )
            data = decompressor.unconsumed_tail
            more = bool(data) or len(piece) == _STEP
            if piece:
                yield piece

    return inflate


def _paced(
    response: requests.Response, read: Callable[[], bytes], patience: Callable[[], float]
) -> Callable[[], bytes]:
    """The same way to read, each of which may wait as long as `patience()` says."""
    fp = file_of(response)
    if getattr(fp, "is_limited", False):
        fp.limit(patience)  # it looks by itself, once a read of the socket
        return read

    # A session of the user's own: its sockets can be told only while urllib3 shows them.
    def wait_and_read() -> bytes:
        seconds = patience()
        if seconds <= 0:
            raise socket.timeout("timed out")
        sock = socket_of(response)
        if sock is not None:
            let_wait(sock, seconds)
        return read()

    return wait_and_read
