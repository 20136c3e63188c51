"""From bytes to messages: framing, and what cannot be read."""

import contextlib
import json
import random
import tracemalloc
import types

import pytest
import sseclient
from sse_rules import check_stream

from qwen25 import ProtocolError, QwenError, TimedOutError
from qwen25.protocol import sse


def messages(*chunks):
    return list(sse.read_messages(chunks))


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b'data: {"a": 1}\n\ndata: {"a": 2}\n\n', id="LF"),
        pytest.param(b'data: {"a": 1}\r\n\r\ndata: {"a": 2}\r\n\r\n', id="CRLF"),
        pytest.param(b'data: {"a": 1}\r\rdata: {"a": 2}\r\r', id="CR"),
        pytest.param(b'data: {"a": 1}\r\n\ndata: {"a": 2}\r\n\n', id="CRLF and LF"),
        pytest.param(b'\xef\xbb\xbfdata: {"a": 1}\n\ndata: {"a": 2}\n\n', id="byte order mark"),
        pytest.param(b': hello\n\ndata: {"a": 1}\n\n: x\ndata: {"a": 2}\n\n', id="comments"),
        pytest.param(b'data:{"a": 1}\n\n\n\n\ndata:  {"a": 2} \n\n', id="blanks"),
        pytest.param(b'data: {"a":\ndata: 1}\n\ndata: {"a": 2}\n\n', id="two lines"),
        pytest.param(
            b'event: x\nid: 3\nretry: 9\ndata: {"a": 1}\n\ndata: {"a": 2}\n\n', id="other fields"
        ),
    ],
)
def test_every_lawful_framing_is_read_at_every_cut(stream):
    expected = [{"a": 1}, {"a": 2}]
    assert messages(stream) == expected
    assert messages(*(bytes([byte]) for byte in stream)) == expected
    for cut in range(len(stream)):
        assert messages(stream[:cut], stream[cut:]) == expected


@pytest.mark.parametrize("odd", ["\x85", "\u2028", "\u2029", "\ufeff"])
def test_only_line_ends_end_lines(odd):
    """Python's splitlines knows more of them than the standard of these streams."""
    assert messages(('data: {"a": "x%sy"}\n\n' % odd).encode()) == [{"a": f"x{odd}y"}]


def test_an_event_that_the_stream_breaks_off_is_not_handed_out():
    assert messages(b'data: {"a": 1}\n\ndata: {"a": 2}') == [{"a": 1}]
    assert messages(b'data: {"a": 1}\n\ndata: {"a": 2}\n') == [{"a": 1}]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"{", id="cut off"),
        pytest.param(b"[1]", id="no object"),
        pytest.param(b'{"a": 1} {"a": 2}', id="two values"),
        pytest.param(b"<html>", id="HTML"),
        pytest.param(b'{"a": "\xff"}', id="no UTF-8"),
        pytest.param(b"[" * 100_000, id="nested deep"),
        pytest.param(b'{"a":' * 100_000, id="nested deep in objects"),
        pytest.param(b'{"a": ' + b"9" * 5_000 + b"}", id="a number of many digits"),
        pytest.param(b'{"a": "' + b"x" * 200_000 + b'"', id="a long one, cut off"),
        pytest.param(b'{"a": ["' + b"x" * 200_000 + b'",]}', id="a long one with a comma"),
        pytest.param(b'["' + b"x" * 200_000 + b'"]', id="a long one, no object"),
        pytest.param(b'{"a": "' + b"x" * 200_000 + b'"} 1', id="a long one, and another"),
        pytest.param(b'{"a": [' + b"1," * 251_000 + b"1]}", id="more than 250,000 values"),
    ],
)
def test_what_is_no_message_is_a_protocol_error(data):
    with pytest.raises(ProtocolError, match="cannot be read"):
        messages(b"data: " + data + b"\n\n")


def test_messages_before_the_unreadable_one_are_handed_out():
    stream = sse.read_messages([b'data: {"a": 1}\n\ndata: {\n\n'])
    assert next(stream) == {"a": 1}
    with pytest.raises(ProtocolError):
        next(stream)


def test_an_event_beyond_the_limit_is_refused(monkeypatch):
    """An endless line must not fill the memory."""
    monkeypatch.setattr(sse, "EVENT_LIMIT", 1000)
    read = 0

    def endless():
        nonlocal read
        while True:
            read += 100
            yield b"x" * 100

    with pytest.raises(ProtocolError, match="MiB"):
        list(sse.read_messages(endless()))
    assert read <= 1200


def test_a_long_event_in_many_chunks_is_stitched_once():
    """Bytes are searched once: the time grows with the length, not with its square."""
    text = "x" * 300_000
    stream = ('data: {"a": "%s"}\n\n' % text).encode()
    assert messages(*(stream[start : start + 7] for start in range(0, len(stream), 7))) == [
        {"a": text}
    ]


def test_a_long_event_is_read_as_a_short_one():
    """Beyond some size the JSON is read here, in place of by one call that cannot be stopped."""
    value = {"a": [1, -2.5, True, None, "\u4f60 \n", {}, [], {"b": [[]]}], " ": {"a": 7}}
    long = json.dumps({**value, "long": "x" * 200_000}, indent=1).replace("\n", "\ndata:\t")
    assert messages(f"data: {long}\n\n".encode()) == [{**value, "long": "x" * 200_000}]


class Watched(sseclient.SSEClient):
    """sseclient-py, which tells what it is given."""

    given = []

    def __init__(self, source):
        super().__init__(self._watch(source))

    def _watch(self, source):
        for block in source:
            self.given.append(block)
            yield block


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b":\n" * 2**18 + b'data: {"a": 1}\n\n', id="comments"),
        pytest.param(b'data: {"a":\n' + b"data:\n" * 2**16 + b"data: 1}\n\n", id="data"),
        pytest.param(b"event: x\n" * 2**16 + b'data: {"a": 1}\n\n', id="fields"),
        pytest.param(b'data: {"a": 1' + b" " * 2**20 + b"}\n\n", id="one long line"),
        pytest.param(b'data: {"a": 1}\n:\n\n', id="two lines"),
    ],
)
def test_sseclient_gets_short_events_of_one_line_only(stream, monkeypatch):
    """It copies an event once for each of its lines."""
    monkeypatch.setattr(Watched, "given", [])
    monkeypatch.setattr(sse.sseclient, "SSEClient", Watched)
    usual = b'data: {"a": 1}\n\n'
    pieces = [stream[start : start + 65536] for start in range(0, len(stream), 65536)]
    assert messages(usual, *pieces, usual) == [{"a": 1}] * 3
    assert Watched.given == [usual, sse._PLACEHOLDER, usual]


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b":\n" * 2**20, id="comments without an end"),
        pytest.param(b":\n\n" * 2**20, id="comments"),
        pytest.param(b"\n" * 2**20, id="nothing"),
        pytest.param(b":\r" * 2**20 + b"\r", id="comments of an event"),
        pytest.param(b"data:\n" * 2**18 + b"\n", id="empty lines of data"),
        pytest.param(b'data: {"a": [' + b"[]," * 240_000 + b"[]]}\n\n", id="many values"),
        pytest.param(b'data: {"a": "' + b"x" * 2**21, id="an event without an end"),
    ],
)
def test_the_time_is_checked_for_every_64_KiB(stream):
    """In what the network brings as in what is read of it."""
    calls = 0

    def check_time():
        nonlocal calls
        calls += 1

    pieces = [stream[start : start + 65536] for start in range(0, len(stream), 65536)]
    with contextlib.suppress(ProtocolError):
        list(sse.read_messages(pieces, check_time))
    assert calls >= len(stream) // 65536


@pytest.mark.parametrize("over_at", [1, 20, 40, 60])
def test_the_time_ends_the_reading_of_an_event(over_at):
    calls = 0

    def check_time():
        nonlocal calls
        calls += 1
        if calls == over_at:
            raise TimedOutError("over", phase="total")

    stream = b":\n" * 2**20 + b'data: {"a": 1}\n\n'
    pieces = [stream[start : start + 65536] for start in range(0, len(stream), 65536)]
    with pytest.raises(TimedOutError):
        list(sse.read_messages(pieces, check_time))
    assert calls == over_at


def test_a_large_event_is_held_less_than_four_times():
    """Its bytes, their text, and the strings that are read of it."""
    text = "x" * 1_000_000
    stream = ('data: {"a": "%s"}\n\n' % text).encode()
    pieces = [stream[start : start + 65536] for start in range(0, len(stream), 65536)]
    tracemalloc.start()
    try:
        [message] = sse.read_messages(pieces)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert message == {"a": text}
    assert peak < 3.5 * len(text)


def test_generated_streams_are_read_as_the_standard_says_at_any_cut():
    """`python tests/fuzz/event_cutter.py` goes on from here for as long as is wanted."""
    for seed in range(1_000):
        try:
            check_stream(random.Random(seed))
        except BaseException as error:
            raise AssertionError(f"seed {seed}") from error


def test_the_wrong_package_of_the_same_name_is_told(monkeypatch):
    """The other package installs a module `sseclient` too, whose client has no events()."""
    other = types.SimpleNamespace(SSEClient=type("SSEClient", (), {}))
    monkeypatch.setattr(sse, "sseclient", other)
    with pytest.raises(QwenError, match="pip install --force-reinstall sseclient-py"):
        messages(b'data: {"a": 1}\n\n')


@pytest.mark.parametrize("kind", [ValueError, UnicodeError, RecursionError, KeyError])
def test_what_is_raised_where_the_bytes_come_from_comes_out_as_it_is(kind):
    """A signal handler of the user's own may raise it in the middle of a read."""
    mine = kind("mine")

    def chunks():
        yield b'data: {"a": 1}\n\n'
        raise mine

    messages = sse.read_messages(chunks())
    assert next(messages) == {"a": 1}
    with pytest.raises(kind) as caught:
        next(messages)
    assert caught.value is mine
