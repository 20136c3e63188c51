"""From the bytes of a queue's stream to its messages; pure, and live at every chunk border."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, Iterator

import sseclient

from ..errors import ProtocolError, QwenError

#: The largest event that is read, in bytes.
EVENT_LIMIT = 64 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_EVENT_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")


def read_messages(chunks: Iterable[bytes]) -> Iterator[Dict[str, Any]]:
    """Decode the events of a stream; an event that the stream breaks off is not handed out.

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
    try:
        for event in sseclient.SSEClient(_whole_events(chunks)).events():
            data = event.data.strip()
            message, end = decode(data)
            if end != len(data) or message.__class__ is not dict:
                raise ValueError("not one JSON object")
            yield message
    except QwenError:
        raise
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise ProtocolError(
            f"The Space sent an event that cannot be read ({type(error).__name__}: {error}).",
            hint="Is something between you and the Space that changes what it sends? Ask again.",
        ) from error


def _whole_events(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a stream only where an event ends.

    sseclient-py takes half an event at the end of a stream for a whole one, and is slow at
    stitching; chunks of whole events spare it both.
    """
    pending = bytearray()
    searched = 0
    for chunk in _without_bom(chunks):
        if not pending and chunk.endswith(_EVENT_ENDS):
            yield chunk
            continue
        pending += chunk
        cut = 0
        if b"\n" in chunk or b"\r" in chunk:  # seldom inside a large event, and found quickly
            for end in _EVENT_ENDS:
                found = pending.rfind(end, searched)
                if found >= 0:
                    cut = max(cut, found + len(end))
        if cut:
            yield bytes(memoryview(pending)[:cut])
            del pending[:cut]
        elif len(pending) > EVENT_LIMIT:
            raise ProtocolError(
                f"The Space sent an event of more than {EVENT_LIMIT // 1024**2} MiB.",
                hint="This is not an answer; look at the Space in a browser.",
            )
        searched = max(0, len(pending) - 3)


def _without_bom(chunks: Iterable[bytes]) -> Iterator[bytes]:
    chunks = iter(chunks)
    start = b""
    for chunk in chunks:
        start += chunk
        if len(start) >= len(_BOM) or not _BOM.startswith(start):
            yield start[len(_BOM) :] if start.startswith(_BOM) else start
            yield from chunks
