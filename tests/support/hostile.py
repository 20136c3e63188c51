"""What a Space that means harm may send: streams and messages, made from a seed.

For the tests and for `tests/fuzz`, so that what one of them finds is repeated in the other.
"""

import functools
import json
import math

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


_TEXTS = (
    "",
    "a",
    "слово ",
    "😀",
    "\ufffd",
    "\ud83d",
    "\ude00",
    "\ud800x",
    "\x1b]0;title\x07",
    "two\nlines\r",
    "\u202e",
    "\x85\u2028",
    "x" * 5_000,
    "<b>&amp;</b>",
    "&#" + "9" * 400 + ";",
    "You have exceeded your GPU quota. Try again in " + "9" * 400 + ":00:00",
    "quota",
    "Session not found.",
    "None",
)
_NUMBERS = (0, 1, -1, 2.5, -0.0, 1e308, math.inf, -math.inf, math.nan, 10**30, 10**400, True)
_KEYS = ("text", "role", "content", "value", "type", "metadata", "__type__", "title", "")
_KINDS = (
    "process_generating",
    "process_generating",
    "process_generating",
    "process_completed",
    "estimation",
    "process_starts",
    "progress",
    "log",
    "unexpected_error",
    "heartbeat",
    "close_stream",
    "process_streaming",
)


def _value(source, depth=3):
    """Any value of JSON, and some that only Python's reads as such."""
    chance = source.random()
    if depth == 0 or chance < 0.55:
        return source.choice((None, source.choice(_TEXTS), source.choice(_NUMBERS)))
    if chance < 0.57:
        return functools.reduce(lambda inner, _: [inner], range(600), [])
    if chance < 0.8:
        return [_value(source, depth - 1) for _ in range(source.randrange(4))]
    return {source.choice(_KEYS): _value(source, depth - 1) for _ in range(source.randrange(4))}


def _or_odd(source, value):
    """What belongs there, or now and then something else."""
    return _value(source) if source.random() < 0.03 else value


def _turns(source):
    text = source.choice(_TEXTS)
    turns = [
        [["Hi", text]],
        [["Hi", {"text": text}]],
        [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": text}],
        [{"role": "assistant", "content": [{"type": "text", "text": text}] * source.randrange(3)}],
        [["Hi", "old"], ["Hi", text]],
        [],
    ]
    value = source.choice(turns)
    if source.random() < 0.1:
        value = {"__type__": "update", "value": value}
    return _or_odd(source, value)


def _diff(source):
    paths = ([0, 1], [0, 1], [1, "content"], [1, "content", 0, "text"], [0], [], ["value", 0, 1])
    changes = []
    for _ in range(source.choice((1, 1, 1, 0, 2, 5))):
        action = source.choice(("append", "append", "append", "replace", "add", "delete", "turn"))
        path = source.choice(paths)
        if source.random() < 0.1:
            path = [source.choice((0, 1, -1, 5, "text", 10**30, 0.0, None, [])) for _ in range(3)]
        value = _turns(source) if path in ([], [0]) else source.choice(_TEXTS)
        changes.append(_or_odd(source, [action, path, _or_odd(source, value)]))
    return _or_odd(source, changes)


def hostile_message(source):
    """One message of a queue: a usual one in which some things are not as they should be."""
    kind = source.choice(_KINDS)
    message = {"msg": _or_odd(source, kind)}
    if kind in ("process_generating", "process_completed"):
        whole = kind == "process_completed" or source.random() < 0.2
        value = _turns(source) if whole else _diff(source)
        message["output"] = _or_odd(
            source, {"data": _or_odd(source, ["", value]), "error": _value(source)}
        )
        message["success"] = _or_odd(source, source.random() < 0.9)
    elif kind == "estimation":
        message["rank"] = _or_odd(source, source.randrange(9))
        message["queue_size"] = _or_odd(source, source.randrange(9))
        message["rank_eta"] = _or_odd(source, source.choice((None, *_NUMBERS)))
    elif kind == "process_starts":
        message["eta"] = _or_odd(source, source.choice((None, *_NUMBERS)))
    elif kind == "progress":
        bar = {"index": 1, "length": 2, "unit": "steps", "progress": 0.5, "desc": "Working"}
        bar = {key: _or_odd(source, _or_odd(source, value)) for key, value in bar.items()}
        message["progress_data"] = _or_odd(source, [_or_odd(source, bar)] * source.randrange(3))
    elif kind == "log":
        message["log"] = _or_odd(source, source.choice(_TEXTS))
        message["level"] = _or_odd(source, source.choice(("info", "warning", "\x1b[2J")))
    elif kind == "unexpected_error":
        message["message"] = _or_odd(source, source.choice(_TEXTS))
        message["session_not_found"] = _value(source)
    return message
