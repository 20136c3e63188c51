"""How a stream is laid on the wire: its header fields, and its parts as they are sent."""

from __future__ import annotations

import itertools
import zlib
from typing import Dict, Iterable, Iterator, Tuple, Union

from .steps import End, Pause

FRAMINGS = ("chunked", "close", "length", "gzip", "bytes")

# A script without an end has no length; it is found out here and not when the memory is full.
_MOST_PARTS_OF_A_LENGTH = 200_000

Part = Union[bytes, Pause]


def framed(framing: str, parts: Iterable[Part]) -> Tuple[Dict[str, str], Iterator[Part]]:
    """The header fields that tell of the framing, and the parts in it; `End` ends them."""
    whole = itertools.takewhile(lambda part: not isinstance(part, End), parts)
    if framing == "close":
        return {"connection": "close"}, whole
    if framing == "length":
        known = list(itertools.islice(whole, _MOST_PARTS_OF_A_LENGTH))
        if len(known) == _MOST_PARTS_OF_A_LENGTH:
            raise ValueError("With framing='length' a script needs an end.")
        length = sum(len(part) for part in known if isinstance(part, bytes))
        return {"content-length": str(length)}, iter(known)
    headers = {"transfer-encoding": "chunked"}
    if framing == "gzip":
        return {**headers, "content-encoding": "gzip"}, _chunked(_gzipped(whole))
    return headers, _chunked(_split(whole) if framing == "bytes" else whole)


def _chunked(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        if not isinstance(part, bytes):
            yield part
        elif part:  # An empty chunk would be the end.
            yield b"%x\r\n%s\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


def _gzipped(parts: Iterable[Part]) -> Iterator[Part]:
    compressor = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    for part in parts:
        if isinstance(part, bytes):
            yield compressor.compress(part) + compressor.flush(zlib.Z_SYNC_FLUSH)
        else:
            yield part
    yield compressor.flush()


def _split(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, bytes):
            for byte in part:
                yield bytes((byte,))
        else:
            yield part
