"""Every fault ends in its named error, in time, with what had come.

One row a fault. Each is asked for with `complete`, `stream` and `events()`.
"""

from __future__ import annotations

import socket
import threading
import time

import pytest
from clocks import QuickClock
from fault_rows import CAUSES, DEADLINE, OK, ROWS

import qwen25
from qwen25 import Client, Text, Timeout
from qwen25.testing import (
    FakeSpace,
    Message,
    Raw,
    Replace,
    Reply,
)


def new_client(url, **arguments):
    client = Client(url, **arguments)
    client._clock = QuickClock()
    return client


def by_complete(client, pieces):
    client.complete("Hi")


def by_stream(client, pieces):
    for piece in client.stream("Hi"):
        pieces.append(piece)


def by_events(client, pieces):
    for one in client.stream("Hi").events():
        if isinstance(one, Text):
            pieces.append(one.piece)


def by_next(client, pieces):
    stream = client.stream("Hi")
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration:
            return


@pytest.mark.parametrize("ask", [by_complete, by_stream, by_events, by_next])
@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ROWS])
def test_a_fault_ends_in_its_error(row, ask):
    with FakeSpace(row.answer, **row.faults) as space, new_client(
        space.url, timeout=row.timeout
    ) as client:
        pieces = []
        begin = time.monotonic()
        with pytest.raises(qwen25.QwenError) as caught:
            ask(client, pieces)
        took = time.monotonic() - begin
    error = caught.value
    assert type(error) is row.error
    assert row.says in str(error)
    assert error.hint
    assert error.partial == row.partial
    assert "".join(pieces) == ("" if ask is by_complete else row.partial)
    for name, value in row.facts.items():
        assert getattr(error, name) == value
    cause = error.__cause__
    assert (type(cause).__name__ if cause else None) in CAUSES.get(row.cause, (row.cause,))
    assert took < DEADLINE


def refuse_one(listener):
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("ask", [by_complete, by_stream, by_events])
class TestConnecting:
    def test_refused(self, ask):
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))  # taken, so that nobody else listens there
            with new_client(f"http://127.0.0.1:{deaf.getsockname()[1]}") as client:
                with pytest.raises(
                    qwen25.ConnectionFailedError, match="Check the address"
                ) as caught:
                    ask(client, [])
        assert "refused" in str(caught.value)
        assert len(client._clock.slept) == 2

    def test_an_unknown_host(self, ask, monkeypatch):
        def unknown(host, *_, **__):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        with new_client("http://no-such-space.invalid") as client:
            with pytest.raises(
                qwen25.ConnectionFailedError, match="no-such-space.invalid"
            ) as caught:
                ask(client, [])
        assert "not known" in str(caught.value)

    def test_tls_that_is_none(self, ask):
        """A server that speaks plain HTTP, asked for https."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=refuse_one, args=[listener])
            thread.start()
            url = f"https://127.0.0.1:{listener.getsockname()[1]}"
            with new_client(url, max_retries=0) as client:
                with pytest.raises(qwen25.ConnectionFailedError, match="http://") as caught:
                    ask(client, [])
            thread.join(DEADLINE)
        assert type(caught.value.__cause__).__name__ == "SSLError"

    def test_tls_that_stalls(self, ask):
        """A server that takes the connection, and says nothing to the greeting of TLS."""
        with FakeSpace(OK) as space:
            with new_client(
                space.url.replace("http:", "https:"), max_retries=0, timeout=Timeout(connect=0.3)
            ) as client:
                with pytest.raises(qwen25.TimedOutError, match="0.3 seconds") as caught:
                    ask(client, [])
        assert caught.value.phase == "connect"

    def test_a_connect_that_stalls(self, ask):
        """A listener whose backlog is full lets nobody in."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            address = listener.getsockname()
            fillers = [socket.socket() for _ in range(3)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(address)
            begin = time.monotonic()
            with new_client(
                f"http://127.0.0.1:{address[1]}", timeout=Timeout(connect=0.3), max_retries=1
            ) as client:
                with pytest.raises(qwen25.TimedOutError, match="Timeout\\(connect") as caught:
                    ask(client, [])
            for filler in fillers:
                filler.close()
        assert caught.value.phase == "connect"
        assert time.monotonic() - begin < DEADLINE

    def test_a_config_without_an_end(self, ask, monkeypatch):
        monkeypatch.setattr("qwen25.transport.body.BODY_LIMIT", 1_000_000)
        with FakeSpace(OK, config=Reply(200, b"x" * 3_000_000)) as space:
            with new_client(space.url) as client:
                with pytest.raises(qwen25.ProtocolError, match="check the address"):
                    ask(client, [])


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        pytest.param(
            ["Hel", Message({"msg": "brand_new", "x": 1}), "lo"], "Hello", id="unknown msg"
        ),
        pytest.param(["Hel", Raw(b": a comment\n\n"), "lo"], "Hello", id="comment"),
        pytest.param([Raw(b"\xef\xbb\xbf"), "Hello"], "Hello", id="byte order mark"),
        pytest.param(["x\x85y", "\u2028z"], "x\x85y\u2028z", id="U+0085 and U+2028"),
        pytest.param([], "", id="empty"),
        pytest.param(["Bad", Replace("Good")], "Good", id="rewritten"),
    ],
)
@pytest.mark.parametrize("framing", ["chunked", "close", "length", "gzip", "bytes"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_what_is_odd_and_lawful_is_no_fault(answer, text, framing, newline):
    with FakeSpace(answer, framing=framing, newline=newline) as space:
        with new_client(space.url) as client:
            for _ in range(2):
                assert client.complete("Hi") == text
                stream = client.stream("Hi")
                pieces = list(stream)
                assert stream.text == text
                assert "".join(pieces) == text or stream.rewritten
