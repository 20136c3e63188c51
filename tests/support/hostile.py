"""What a Space that means harm may send: streams and messages, made from a seed.

For the tests and for `tests/fuzz`, so that what one of them finds is repeated in the other.
"""

import json

_LINES = (
    b": a comment",
    b":",
    b"event: x",
    b"id",
    b"retry: 9",
    b" data: x",
    b"datax: 1",
    b"\xef\xbb\xbfdata: {}",
    b"",
    b"",
    b"",
)
_DATA = (
    b'{"msg": "heartbeat"}',
    b'{"a": "\xd1\x81\xd0\xbb\xd0\xbe\xd0\xb2\xd0\xbe \xf0\x9f\x98\x80 \xe2\x80\xa8 \xc2\x85"}',
    b'{"a": "\\ud83d\\ude00 \\ud800"}',
    b'{"a": [1, 2.5, -1e9, true, null, {}, [], ""]}',
    b"{}",
    b"  {} ",
)
_UNREADABLE = (
    b"[]",
    b"7",
    b"",
    b"{",
    b"{} {}",
    b'{"a": "\xff"}',
    b"[" * 5_000,
    b'{"a": ' + b"9" * 5_000 + b"}",
    b'{"a": 01}',
)


def hostile_stream(source):
    """The bytes of a stream, and the same in pieces."""
    ends = source.choice(([b"\n"], [b"\r\n"], [b"\r"], [b"\n", b"\r\n", b"\r"]))
    lines = [b"\xef\xbb\xbf" if source.random() < 0.1 else b""]
    for _ in range(source.randrange(1, 12)):
        lines.append(_line(source))
        if source.random() < 0.6:
            lines.append(b"")
    stream = lines.pop(0) + b"".join(line + source.choice(ends) for line in lines)
    pieces = []
    start = 0
    while start < len(stream):
        size = source.choice((1, 2, 3, 7, 100, 65536))
        pieces.append(stream[start : start + size])
        start += size
    return stream, pieces


def _line(source):
    chance = source.random()
    if chance < 0.4:
        return source.choice(_LINES)
    if chance < 0.42:
        return b"data: " + source.choice(_UNREADABLE)
    data = source.choice(_DATA)
    if chance < 0.5:  # over two lines
        cut = data.find(b":") + 1
        return b"data: " + data[:cut] + b"\ndata: " + data[cut:] + b"\n"
    if chance < 0.55:
        data = json.dumps({"a": "x" * 200_000, "b": [[]] * source.randrange(5)}).encode()
    return source.choice((b"data: ", b"data:", b"data:  ")) + data
