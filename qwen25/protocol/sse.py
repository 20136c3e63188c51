"""From the bytes of a queue's stream to its messages; pure, and live at every chunk border.

The usual event is one line, and sseclient-py reads it. It copies an event once for each of its
lines, and ten times in all; what is long or has other lines is read here, at a cost that grows with
its bytes only.
"""

from __future__ import annotations

import io
import json
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple, Union

import sseclient

from ..errors import ProtocolError, QwenError
from .json_reader import read_json_between
from .pacing import CheckTime, no_limit

#: The largest event that is read, in bytes.
EVENT_LIMIT = 64 * 1024 * 1024

#: The largest block of events for sseclient-py, in bytes; two reads of a socket.
_USUAL_SIZE = 128 * 1024
#: How many lines are read between two looks at the time.
_STRIDE = 1024

#: What sseclient-py gets in the place of a block that it is spared.
_PLACEHOLDER = b"data: other\n\n"

#: As a number, which Python finds in bytes six times as fast.
_RETURN = ord("\r")
_BOM = b"\xef\xbb\xbf"

_Bytes = Union[bytes, bytearray]


def read_messages(
    chunks: Iterable[bytes], check_time: CheckTime = no_limit
) -> Iterator[Dict[str, Any]]:
    """Decode the events of a stream; an event that the stream breaks off is not handed out.

    Args:
        chunks: The bytes, cut anywhere.
        check_time: Called at each chunk, and while a long event is read; raises `TimedOutError`
            when the time is over.

    Raises:
        ProtocolError: An event is not UTF-8, not a JSON object, or larger than `EVENT_LIMIT`.
    """
    if not hasattr(sseclient.SSEClient, "events"):
        raise QwenError(
            "The installed module `sseclient` is that of another package, sseclient;"
            " qwen25 needs sseclient-py, whose module has the same name.",
            hint="Run: pip uninstall --yes sseclient &&"
            " pip install --force-reinstall sseclient-py",
        )
    # raw_decode leaves out what json.loads does around it for every text.
    decode = json.JSONDecoder().raw_decode
    foreign: List[bool] = []
    others: List[_Bytes] = []
    blocks = _blocks(chunks, check_time, others, foreign)
    try:
        for event in sseclient.SSEClient(blocks).events():
            if others:
                for text, start, stop in _data(others.pop(), check_time):
                    message = read_json_between(text, start, stop, check_time)
                    del text
                    if message.__class__ is not dict:
                        raise ValueError("not one JSON object")
                    yield message
                    del message
                continue
            data = event.data.strip()
            message, end = decode(data)
            if end != len(data) or message.__class__ is not dict:
                raise ValueError("not one JSON object")
            yield message
    except QwenError:
        raise
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        if foreign:
            raise
        raise ProtocolError(
            f"The Space sent an event that cannot be read ({type(error).__name__}: {error}).",
            hint="Is something between you and the Space that changes what it sends? Ask again.",
        ) from error


def _blocks(
    chunks: Iterable[bytes],
    check_time: CheckTime,
    others: List[_Bytes],
    foreign: List[bool],
) -> Iterator[bytes]:
    """Cut a stream where an event ends, into blocks of short events of one line.

    sseclient-py takes half an event at the end of a stream for a whole one, and is slow at
    stitching; blocks of whole events spare it both.

    Args:
        others: Gets a block of other events. An event with no meaning is handed on in its place.
        foreign: Gets an item when reading the chunks fails: that says nothing of an event. It may
            be the user's own signal handler that has raised.
    """
    pending = bytearray()
    searched = 0
    after_return = False
    block: _Bytes
    try:
        for chunk in _without_bom(chunks):
            if after_return or _RETURN in chunk:
                after_return, chunk = chunk.endswith(b"\r"), _with_newlines(chunk, after_return)
            if not pending and chunk.endswith(b"\n\n"):
                # No look at the time: a read of the socket has looked, and is not larger.
                block = chunk
            else:
                check_time()
                pending += chunk
                # Few chunks of a large event have a line's end, and those are found quickly.
                cut = pending.rfind(b"\n\n", searched) + 2 if b"\n" in chunk else 1
                if cut > 1:
                    block, pending = pending, pending[cut:]
                    del block[cut:]
                elif len(pending) > EVENT_LIMIT:
                    raise ProtocolError(
                        f"The Space sent an event of more than {EVENT_LIMIT // 1024**2} MiB.",
                        hint="This is not an answer; look at the Space in a browser.",
                    )
                searched = max(0, len(pending) - 1)
                if cut == 1:
                    continue
            size = len(block)
            usual = block.startswith(b"data:") and size <= _USUAL_SIZE
            if usual and block.find(b"\n") != size - 2:  # more than one event of one line
                usual = block.count(b"\n") == 2 * (block.count(b"\n\ndata:") + 1)
            if not usual:
                others.append(block)
                block = _PLACEHOLDER
            yield block if block.__class__ is bytes else bytes(block)
            del block
    except Exception:
        foreign.append(True)
        raise


def _data(block: _Bytes, check_time: CheckTime) -> Iterator[Tuple[str, int, int]]:
    """The data of each event, as a text with the place where it begins and ends.

    https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """
    failure = None
    try:
        text = str(block, "utf-8")
    except UnicodeDecodeError as error:
        # The events before it are handed out first.
        text, failure = str(block[: error.start], "utf-8"), error
    if isinstance(block, bytearray):
        block.clear()  # it may be large
    first: Optional[Tuple[int, int]] = None  # the event's first line of data
    joined: Optional[io.StringIO] = None  # all of them, if there are more
    start = count = 0
    while True:
        stop = text.find("\n", start)
        if stop < 0:
            break
        count += 1
        if not count % _STRIDE:
            check_time()
        if stop == start:
            if joined is not None:
                yield joined.getvalue(), 0, joined.tell()
            elif first is not None:
                yield (text, *first)
            first = joined = None
        elif text.startswith(("data:", "data\n"), start):
            begin = min(start + len("data:"), stop)
            begin += text.startswith(" ", begin)
            if first is None:
                first = begin, stop
            else:
                if joined is None:
                    joined = io.StringIO()
                    joined.write(text[first[0] : first[1]])
                joined.write("\n")
                joined.write(text[begin:stop])
        start = stop + 1
    if failure is not None:
        raise failure


def _with_newlines(chunk: bytes, after_return: bool) -> bytes:
    """End each line by a newline, where a stream may also have CR, or both."""
    if after_return and chunk.startswith(b"\n"):
        chunk = chunk[1:]
    return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _without_bom(chunks: Iterable[bytes]) -> Iterator[bytes]:
    chunks = iter(chunks)
    start = b""
    for chunk in chunks:
        start += chunk
        if len(start) >= len(_BOM) or not _BOM.startswith(start):
            yield start[len(_BOM) :] if start.startswith(_BOM) else start
            yield from chunks
