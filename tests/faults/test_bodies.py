"""The bytes of a response: compressed, framed in odd ways, too many, or too slow."""

from __future__ import annotations

import gzip
import json
import socket
import tracemalloc
import zlib

import pytest
import requests
from servers import server
from timing import GRACE, quickest

import qwen25
from qwen25 import Client
from qwen25.testing import FakeSpace, Reply
from qwen25.transport import body

TOTAL = 0.6

HEARTBEAT = b'data: {"msg":"heartbeat"}\n\n'
COMMENT = b":\n"
EVENT_STREAM = "Content-Type: text/event-stream\r\n"


def done(text):
    output = {"data": ["", [["Hi", text]], ""]}
    return {"msg": "process_completed", "success": True, "output": output}


def scripted(*, data=b"", head="", before="", config=None):
    """The port of a server that answers byte by byte what it is told, and closes after each."""
    with FakeSpace() as space:
        wiring = json.dumps(space.wiring()).encode()

    def handle(connection, over):
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        whole = before.encode() + b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
        if b"/queue/data" in request:
            whole += head.encode() + b"\r\n" + data
        elif b"/queue/join" in request:
            whole += b'\r\n{"event_id": "e1"}'
        else:
            whole += b"\r\n" + (wiring if config is None else config)
        connection.sendall(whole)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):  # what is not read would make its end a reset
            pass

    return server(handle)


def bomb(unit, size, wbits=31):
    """A few kilobytes that unpack to so many bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    many = unit * (2**20 // len(unit))
    packed = b"".join(packer.compress(many) for _ in range(size // len(many) + 1))
    return packed + packer.flush()


PACKED = f"{EVENT_STREAM}Content-Encoding: gzip\r\n"


@pytest.mark.parametrize("unit", [HEARTBEAT, COMMENT, b"x"], ids=ascii)
def test_a_stream_that_inflates_is_refused_or_ends_in_time(unit):
    packed = bomb(unit, 2**28)
    with scripted(data=packed, head=PACKED) as port:

        def run():
            with Client(f"http://127.0.0.1:{port}", timeout=TOTAL, max_retries=0) as client:
                with pytest.raises((qwen25.ProtocolError, qwen25.TimedOutError)):
                    client.complete("Hi")

        assert quickest(run, TOTAL + GRACE) < TOTAL + GRACE


def test_a_stream_that_inflates_takes_no_memory(monkeypatch):
    monkeypatch.setattr(body, "_FREE_BYTES", 2**20)
    monkeypatch.setattr(body, "_MOST_RATIO", 10)
    with scripted(data=bomb(HEARTBEAT, 2**25), head=PACKED) as port:
        with Client(f"http://127.0.0.1:{port}", timeout=60, max_retries=0) as client:
            assert client.models
            tracemalloc.start()
            try:
                with pytest.raises(qwen25.ProtocolError, match="compress"):
                    client.complete("Hi")
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("wbits", [31, 15], ids=["gzip", "deflate"])
def test_a_compressed_answer_is_read(wbits):
    event = b"data: " + json.dumps(done("Hello" * 99_999)).encode() + b"\n\n"
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    name = "gzip" if wbits == 31 else "deflate"
    head = f"{EVENT_STREAM}Content-Encoding: {name}\r\n"
    with scripted(data=packer.compress(event) + packer.flush(), head=head) as port:
        with Client(f"http://127.0.0.1:{port}", max_retries=0) as client:
            assert client.complete("Hi") == "Hello" * 99_999


def test_what_follows_a_compressed_answer_costs_nothing():
    event = b"data: " + json.dumps(done("Hello")).encode() + b"\n\n"
    with scripted(data=gzip.compress(HEARTBEAT) + event * 9, head=PACKED) as port:
        with Client(f"http://127.0.0.1:{port}", max_retries=0) as client:
            with pytest.raises(qwen25.StreamInterruptedError):
                client.complete("Hi")


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("where", ["config", "join", "login", "a refusal"])
def test_a_body_that_is_too_large_is_not_read_to_its_end(where, packed):
    large = b"[" + b"1," * body.BODY_LIMIT
    headers = {"content-type": "application/json"}
    if packed:
        large = bomb(b"1,", 2 * body.BODY_LIMIT)
        headers["content-encoding"] = "gzip"
    answer = Reply(500 if where == "a refusal" else 200, large, headers)
    place = "join" if where == "a refusal" else where
    with FakeSpace(**{place: answer}) as space:
        auth = ("me", "pw") if where == "login" else None
        with Client(space.url, auth=auth, max_retries=0) as client:
            wanted = qwen25.SpaceUnavailableError if where == "a refusal" else qwen25.ProtocolError
            with pytest.raises(wanted):
                client.complete("Hi")


@pytest.mark.parametrize("own_session", [False, True])
def test_a_length_beside_chunks_does_not_cut_the_answer_short(own_session):
    event = b"data: " + json.dumps(done("Hello world")).encode() + b"\n\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (event[:20], event[20:]))
    head = f"{EVENT_STREAM}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
    with scripted(data=chunks + b"0\r\n\r\n", head=head) as port, requests.Session() as session:
        options = {"session": session} if own_session else {}
        with Client(f"http://127.0.0.1:{port}", max_retries=0, **options) as client:
            assert client.complete("Hi") == "Hello world"


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_an_interim_response_is_passed_over(status):
    event = b"data: " + json.dumps(done("Hello world")).encode() + b"\n\n"
    interim = f"HTTP/1.1 {status} Wait\r\nLink: </x>; rel=preload\r\n\r\n" * 3
    with scripted(data=event, head=EVENT_STREAM, before=interim) as port:
        with Client(f"http://127.0.0.1:{port}", max_retries=0) as client:
            assert client.complete("Hi") == "Hello world"


@pytest.mark.parametrize("status", [100, 103])
def test_interim_responses_without_an_end_end_in_time(status):
    interim = b"HTTP/1.1 %d Wait\r\n\r\n" % status * 99

    def handle(connection, over):
        connection.recv(65536)
        while not over.is_set():
            connection.sendall(interim)

    def run():
        with Client(f"http://127.0.0.1:{port}", timeout=TOTAL, max_retries=0) as client:
            # The http.client of newer Pythons counts those of 100.
            with pytest.raises((qwen25.TimedOutError, qwen25.ConnectionFailedError)):
                client.complete("Hi")

    with server(handle) as port:
        assert quickest(run, TOTAL + GRACE) < TOTAL + GRACE


BAD_CHUNKS = [b"-5\r\nabc", b"-1\r\n", b"x\r\n", b"F" * 30 + b"\r\nabc", b"1" * 70_000, b""]
CHUNKED = "Transfer-Encoding: chunked\r\n"


def one_chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.mark.parametrize("bad", BAD_CHUNKS, ids=lambda bad: ascii(bad[:9]))
def test_a_chunk_of_no_possible_size_is_an_error_of_ours(bad):
    def refuse(connection, over):
        connection.recv(65536)
        connection.sendall(f"HTTP/1.1 200 OK\r\n{CHUNKED}\r\n".encode() + bad)
        connection.shutdown(socket.SHUT_WR)

    errors = (qwen25.ProtocolError, qwen25.ConnectionFailedError)
    with server(refuse) as port, pytest.raises(errors):
        Client(f"http://127.0.0.1:{port}", max_retries=0, timeout=5).complete("Hi")
    head = EVENT_STREAM + CHUNKED
    with scripted(data=one_chunk(HEARTBEAT) + bad, head=head) as port, pytest.raises(errors):
        Client(f"http://127.0.0.1:{port}", max_retries=0, timeout=5).complete("Hi")


@pytest.mark.parametrize("bad", BAD_CHUNKS, ids=lambda bad: ascii(bad[:9]))
def test_a_chunk_of_no_possible_size_after_the_answer_does_not_hurt_it(bad):
    event = b"data: " + json.dumps(done("Hello world")).encode() + b"\n\n"
    with scripted(data=one_chunk(event) + bad, head=EVENT_STREAM + CHUNKED) as port:
        with Client(f"http://127.0.0.1:{port}", max_retries=0) as client:
            assert client.complete("Hi") == "Hello world"


def test_a_change_of_the_protocol_is_no_answer():
    def handle(connection, over):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
        over.wait()

    with server(handle) as port:
        with Client(f"http://127.0.0.1:{port}", timeout=5, max_retries=0) as client:
            with pytest.raises(qwen25.ProtocolError, match="101"):
                client.complete("Hi")


@pytest.mark.parametrize("more, answered", [(0, True), (1, False)])
def test_a_body_may_be_as_large_as_its_limit(monkeypatch, more, answered):
    monkeypatch.setattr("qwen25.transport.body.BODY_LIMIT", 1 << 20)
    with FakeSpace() as space, Client(space.url, max_retries=0) as client:
        wiring = json.dumps(space.wiring()).encode()
        space.config = Reply(200, wiring + b" " * ((1 << 20) + more - len(wiring)))
        if answered:
            assert client.complete("Hi") == "Hello world"
        else:
            with pytest.raises(qwen25.ProtocolError, match="more than 1 MiB"):
                client.complete("Hi")
