"""What happens before the answer: TLS, proxies, long prompts, and connections that break."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import traceback
from collections import deque

import pytest
import requests
from clocks import QuickClock
from servers import CERTIFICATE, PATIENT, front, relay, server, tls
from timing import GRACE, quickest

import qwen25
from qwen25 import Client, Timeout
from qwen25.client.cancellation import CancelScope
from qwen25.testing import Drop, FakeSpace, Hang, Reply
from qwen25.timeouts import Clock
from qwen25.transport.connection import SessionPool


def proxy(wrap):
    """A server that connects its clients to where they want."""

    def handle(connection, over):
        with wrap(connection) as client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(65536)
            host, _, port = head.split()[1].decode().rpartition(":")
            with socket.create_connection((host, int(port))) as inner:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                relay(client, inner)

    return server(handle)


@pytest.mark.parametrize("wrap", [contextlib.nullcontext, tls], ids=["http proxy", "https proxy"])
class TestTunnels:
    """To an https Space through a proxy; through an https proxy it is TLS inside TLS."""

    @contextlib.contextmanager
    def client(self, wrap, space, **options):
        scheme = "https" if wrap is tls else "http"
        with front(int(space.url.rpartition(":")[2])) as port, proxy(wrap) as way:
            with Client(
                f"https://localhost:{port}",
                proxy=f"{scheme}://localhost:{way}",
                verify=CERTIFICATE,
                **options,
            ) as client:
                yield client

    def test_the_answer_comes(self, wrap):
        with FakeSpace() as space, self.client(wrap, space) as client:
            assert client.complete("Hi") == "Hello world"

    def test_leaving_is_seen_by_the_space(self, wrap):
        with FakeSpace(["Hello", Hang()]) as space, self.client(wrap, space) as client:
            for piece in client.stream("Hi"):
                assert piece == "Hello"
                break
            space.wait_for(lambda: space.left == 1)

    def test_a_silence_is_a_timeout(self, wrap):
        with FakeSpace(["Hello", Hang()]) as space, self.client(wrap, space) as client:
            with pytest.raises(qwen25.TimedOutError) as caught:
                client.complete("Hi", timeout=Timeout(idle=2))
            assert (caught.value.phase, caught.value.partial) == ("idle", "Hello")


def silent_after(seconds, reply=b""):
    """A server that says one thing, after so many seconds, and nothing more."""

    def handle(connection, over):
        connection.recv(65536)
        if not over.wait(seconds):
            connection.sendall(reply)
            over.wait()

    return server(handle)


def silent_in_tls(seconds):
    """A server whose handshake takes so many seconds, and that is silent afterwards."""

    def handle(connection, over):
        if not over.wait(seconds):
            with tls(connection):
                over.wait()

    return server(handle)


def never_answered(url, **options):
    """How long it took until nothing came, with a second for all of it."""

    def run():
        with Client(url, timeout=1, max_retries=0, **options) as client:
            with pytest.raises(qwen25.TimedOutError) as caught:
                client.complete("Hi")
        assert caught.value.phase == "total"

    return quickest(run, 1 + GRACE)


def test_a_slow_handshake_is_a_part_of_the_total():
    with silent_in_tls(0.7) as port:
        took = never_answered(f"https://localhost:{port}", verify=CERTIFICATE)
    assert took < 1 + GRACE


def test_a_slow_tunnel_is_a_part_of_the_total():
    with silent_after(0.7, b"HTTP/1.1 200 OK\r\n\r\n") as port:
        took = never_answered("https://space.example", proxy=f"http://127.0.0.1:{port}")
    assert took < 1 + GRACE


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["proxy", "handshake"])
def test_a_tunnel_that_is_not_opened_is_a_connection_that_took_too_long(reply):
    with silent_after(0, reply) as port:
        with Client("https://space.example", proxy=f"http://127.0.0.1:{port}") as client:
            client._clock = QuickClock()
            with pytest.raises(qwen25.TimedOutError, match="0.4 seconds") as caught:
                client.complete("Hi", timeout=Timeout(connect=0.4))
    assert caught.value.phase == "connect"
    assert len(client._clock.slept) == 2  # so it is tried again


@pytest.mark.parametrize("place", ["config", "join"])
def test_a_connection_that_breaks_in_an_answer_before_the_stream_is_tried_again(place):
    with FakeSpace(["Hello"]) as space, Client(space.url) as client:
        client._clock = QuickClock()
        whole = json.dumps(space.wiring()) if place == "config" else '{"event_id": "0123456789"}'
        headers = {"content-length": str(len(whole)), "connection": "close"}
        half = Reply(200, whole[: len(whole) // 2].encode(), headers)
        setattr(space, place, deque([half]))
        assert client.complete("Hi") == "Hello"
        assert len(client._clock.slept) == 1
        setattr(space, place, half)
        with Client(space.url, max_retries=0) as other:
            with pytest.raises(qwen25.ConnectionFailedError, match="in the middle"):
                other.complete("Hi")


def reads_no_prompt(prompted, kept):
    """A server that tells its wiring, and reads no more of a prompt than its beginning.

    Args:
        prompted: Set when a prompt has begun to come.
        kept: Whether the prompt comes on the connection on which the wiring was told.
    """
    with FakeSpace() as space:
        config = json.dumps(space.wiring()).encode()
    head = b"HTTP/1.1 200 OK\r\nConnection: %s\r\nContent-Length: %d\r\n\r\n"
    wiring = head % (b"keep-alive" if kept else b"close", len(config)) + config

    def handle(connection, over):
        data = connection.recv(65536)
        if data.startswith(b"GET"):
            connection.sendall(wiring)
            data = connection.recv(1)
        if data:
            prompted.set()
            over.wait()

    return server(handle)


def test_sending_has_the_time_of_a_silence_and_not_that_of_connecting():
    """A long prompt may take its time."""
    with reads_no_prompt(threading.Event(), kept=False) as port:
        limits = Timeout(connect=2, idle=3)
        with Client(f"http://127.0.0.1:{port}", max_retries=0) as client:
            with pytest.raises(qwen25.TimedOutError, match="3 seconds") as caught:
                client.complete("x" * 30_000_000, timeout=limits)
    assert caught.value.phase == "idle"


def test_a_long_prompt_on_an_open_connection_can_be_cancelled():
    sending = threading.Event()
    with reads_no_prompt(sending, kept=True) as port:
        with Client(f"http://127.0.0.1:{port}", max_retries=0) as client:
            assert client.models
            scope = CancelScope()

            def ask():
                with scope.enter(), contextlib.suppress(qwen25.QwenError):
                    client.complete("x" * 30_000_000)

            asking = threading.Thread(target=ask)
            asking.start()
            assert sending.wait(PATIENT)
            scope.cancel()
            asking.join(PATIENT)
            assert not asking.is_alive()


def test_closing_from_another_thread_wakes_one_that_waits_for_the_next_try():
    waiting = threading.Event()

    class Telling(Clock):
        def wait(self, event, seconds):
            waiting.set()
            super().wait(event, 300)

    with FakeSpace([Drop()]) as space:
        with Client(space.url) as client:
            client._clock = Telling()
            stream = client.stream("Hi")
            pieces = []
            reader = threading.Thread(target=lambda: pieces.extend(stream))
            reader.start()
            assert waiting.wait(PATIENT)
            stream.close()
            reader.join(PATIENT)
            assert not reader.is_alive() and not pieces


def test_a_client_that_is_closed_while_it_makes_its_first_request_leaves_nothing(monkeypatch):
    with FakeSpace() as space, Client(space.url) as client:
        made = SessionPool.__init__

        def closed_meanwhile(self, *args, **kwargs):
            client.close()
            made(self, *args, **kwargs)

        monkeypatch.setattr(SessionPool, "__init__", closed_meanwhile)
        with pytest.raises(qwen25.InvalidRequestError, match="closed"):
            client.complete("Hi")
        assert not space.connections


class TestProxiesOfTheEnvironment:
    @pytest.mark.parametrize(
        "address",
        [
            "socks://me:s3cret@127.0.0.1:9",
            "http://me:s3cret@127.0.0.1:99999",
            "http://me:s3cret@[::1",
            "ftp://me:s3cret@127.0.0.1:9",
        ],
    )
    def test_one_that_can_be_none_is_told_without_its_password(self, address, monkeypatch):
        for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("ALL_PROXY", address)
        with Client("http://space.example") as client:
            with pytest.raises(qwen25.InvalidRequestError, match="proxy") as caught:
                client.complete("Hi")
        told = traceback.format_exception(type(caught.value), caught.value, caught.tb)
        assert "s3cret" not in "".join(told)


class TestASessionOfTheUsersOwn:
    def authorizations(self, **options):
        with FakeSpace() as space, requests.Session() as session:
            session.auth = ("me", "secret")
            Client(space.url, session=session, **options).complete("Hi")
            return {request.headers.get("authorization") for request in space.requests}

    def test_its_auth_is_used(self, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", "hf_of_the_environment")
        assert self.authorizations() == {"Basic bWU6c2VjcmV0"}

    def test_a_token_counts_for_more(self):
        assert self.authorizations(token="hf_mine") == {"Bearer hf_mine"}
