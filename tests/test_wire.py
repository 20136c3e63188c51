"""From bytes to messages: framing, and what cannot be read."""

import types

import pytest

from qwen25 import ProtocolError, QwenError, wire


def messages(*chunks):
    return list(wire.read_messages(chunks))


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b'data: {"a": 1}\n\ndata: {"a": 2}\n\n', id="LF"),
        pytest.param(b'data: {"a": 1}\r\n\r\ndata: {"a": 2}\r\n\r\n', id="CRLF"),
        pytest.param(b'data: {"a": 1}\r\rdata: {"a": 2}\r\r', id="CR"),
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
    ],
)
def test_what_is_no_message_is_a_protocol_error(data):
    with pytest.raises(ProtocolError, match="cannot be read"):
        messages(b"data: " + data + b"\n\n")


def test_messages_before_the_unreadable_one_are_handed_out():
    stream = wire.read_messages([b'data: {"a": 1}\n\ndata: {\n\n'])
    assert next(stream) == {"a": 1}
    with pytest.raises(ProtocolError):
        next(stream)


def test_an_event_beyond_the_limit_is_refused(monkeypatch):
    """An endless line must not fill the memory."""
    monkeypatch.setattr(wire, "EVENT_LIMIT", 1000)
    read = 0

    def endless():
        nonlocal read
        while True:
            read += 100
            yield b"x" * 100

    with pytest.raises(ProtocolError, match="MiB"):
        list(wire.read_messages(endless()))
    assert read <= 1200


def test_a_long_event_in_many_chunks_is_stitched_once():
    """Bytes are searched once: the time grows with the length, not with its square."""
    text = "x" * 300_000
    stream = ('data: {"a": "%s"}\n\n' % text).encode()
    assert messages(*(stream[start : start + 7] for start in range(0, len(stream), 7))) == [
        {"a": text}
    ]


def test_the_wrong_package_of_the_same_name_is_told(monkeypatch):
    """The other package installs a module `sseclient` too, whose client has no events()."""
    other = types.SimpleNamespace(SSEClient=type("SSEClient", (), {}))
    monkeypatch.setattr(wire, "sseclient", other)
    with pytest.raises(QwenError, match="pip install --force-reinstall sseclient-py"):
        messages(b'data: {"a": 1}\n\n')
