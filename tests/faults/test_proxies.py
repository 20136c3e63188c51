"""Proxies that are slow, silent, or trickle: the limits hold, and closing wakes what waits."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading

import pytest
from servers import (
    CERTIFICATE,
    CONNECTED,
    PATIENT,
    front,
    greet,
    may_leave_a_socket_of_tls,
    server,
    socks_proxy,
    tls,
    wanted,
)
from timing import GRACE, quickest

import qwen25
from qwen25 import Client, Timeout
from qwen25.aio import AsyncClient
from qwen25.client.cancellation import CancelScope
from qwen25.testing import FakeSpace

pytest.importorskip("socks")

TOTAL = 0.6


def trickle(connection, over, data=b"", then=b"\x00", every=0.05):
    """Send a byte now and then, without an end."""
    for byte in data:
        connection.sendall(bytes([byte]))
        if over.wait(every):
            return
    while not over.wait(every):
        connection.sendall(then)


def silent(connection, over):
    over.wait()


def silent_after_the_greeting(connection, over):
    greet(connection)
    connection.sendall(b"\x05\x00")
    over.wait()


def silent_once_connected(connection, over):
    greet(connection)
    connection.sendall(b"\x05\x00")
    wanted(connection)
    connection.sendall(CONNECTED)
    over.wait()


def trickled_greeting(connection, over):
    greet(connection)
    trickle(connection, over, b"\x05\x00\x05\x00\x00\x03\xff")


def trickled_reply(connection, over):
    """Of a name as long as it can be."""
    greet(connection)
    connection.sendall(b"\x05\x00")
    wanted(connection)
    trickle(connection, over, b"\x05\x00\x00\x03\xff")


def trickled_reply_of_socks_4(connection, over):
    trickle(connection, over, b"\x00\x5a", every=0.2)


def trickled_head(connection, over):
    """What an http proxy says to CONNECT."""
    trickle(connection, over, b"HTTP/1.1 200 OK\r\n", b"X: x\r\n")


def trickled_handshake(connection, over):
    """A record of TLS that is long."""
    trickle(connection, over, b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")


def trickled_handshake_in_a_tunnel(connection, over):
    with tls(connection) as client:
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        trickle(client, over, b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")


SLOW = [
    pytest.param("socks5", "http", silent, id="socks, silent"),
    pytest.param("socks5h", "http", silent_after_the_greeting, id="socks, half silent"),
    pytest.param("socks5h", "https", silent_once_connected, id="socks, silent handshake"),
    pytest.param("socks5h", "http", trickled_greeting, id="socks, a trickled greeting"),
    pytest.param("socks5h", "http", trickled_reply, id="socks, a trickled reply"),
    pytest.param("socks4a", "http", trickled_reply_of_socks_4, id="socks 4, a trickle"),
    pytest.param("http", "https", silent, id="http, silent"),
    pytest.param("http", "http", silent, id="http, silent, no tunnel"),
    pytest.param("http", "https", trickled_head, id="http, a trickled head"),
    pytest.param("https", "https", silent, id="https, silent"),
    pytest.param("https", "https", trickled_handshake, id="https, a trickled handshake"),
    pytest.param("https", "https", trickled_handshake_in_a_tunnel, id="https, a trickle inside"),
]


def through(scheme, port, target="http", **options):
    options.setdefault("max_retries", 0)
    proxy = f"{scheme}://localhost:{port}"
    return Client(f"{target}://127.0.0.1:9", proxy=proxy, verify=CERTIFICATE, **options)


@pytest.mark.parametrize(("scheme", "target", "handle"), SLOW)
@pytest.mark.parametrize("limit", ["connect", "total"])
def test_the_limits_hold_through_a_proxy(scheme, target, handle, limit):
    if limit == "connect" and (scheme, target) == ("http", "http"):
        pytest.skip("without a tunnel the proxy is the server")

    def run():
        with through(scheme, port, target, timeout=Timeout(**{limit: TOTAL})) as client:
            with pytest.raises(qwen25.TimedOutError) as caught:
                client.complete("Hi")
        assert caught.value.phase == limit

    with server(handle) as port:
        assert quickest(run, TOTAL + GRACE) < TOTAL + GRACE


@may_leave_a_socket_of_tls
@pytest.mark.parametrize(("scheme", "target", "handle"), SLOW)
def test_closing_wakes_a_thread_that_waits_for_a_proxy(scheme, target, handle):
    reached = threading.Event()

    def telling(connection, over):
        reached.set()
        handle(connection, over)

    def ask():
        with contextlib.suppress(qwen25.QwenError), scope.enter():
            client.complete("Hi")

    scope = CancelScope()
    with server(telling) as port, through(scheme, port, target, timeout=60) as client:
        asking = threading.Thread(target=ask)
        asking.start()
        assert reached.wait(PATIENT)
        scope.cancel()
        asking.join(PATIENT)
        assert not asking.is_alive()


@may_leave_a_socket_of_tls
@pytest.mark.parametrize(("scheme", "target", "handle"), SLOW)
def test_cancelling_a_task_ends_its_thread_that_waits_for_a_proxy(scheme, target, handle):
    reached = threading.Event()

    def telling(connection, over):
        reached.set()
        handle(connection, over)

    async def ask():
        proxy, url = f"{scheme}://localhost:{port}", f"{target}://127.0.0.1:9"
        async with AsyncClient(url, proxy=proxy, verify=CERTIFICATE, timeout=600) as client:
            task = asyncio.ensure_future(client.complete("Hi"))
            loop = asyncio.get_running_loop()
            assert await loop.run_in_executor(None, reached.wait, PATIENT)
            waiting = [each for each in threading.enumerate() if each.name == "qwen25-aio"]
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            for thread in waiting:
                await loop.run_in_executor(None, thread.join, PATIENT)
            return waiting

    with server(telling) as port:
        waiting = asyncio.run(ask())
    assert len(waiting) == 1
    assert not waiting[0].is_alive()
    gc.collect()  # here, and not in the midst of another test


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_an_answer_comes_through_a_socks_proxy(scheme):
    with FakeSpace() as space, server(socks_proxy) as port:
        with Client(space.url, proxy=f"{scheme}://127.0.0.1:{port}") as client:
            assert client.complete("Hi") == "Hello world"
            assert client.complete("Hi") == "Hello world"
            assert space.connections == 1


def test_an_answer_comes_over_tls_through_a_socks_proxy():
    with FakeSpace() as space, front(int(space.url.rpartition(":")[2])) as port:
        with server(socks_proxy) as way:
            with Client(
                f"https://localhost:{port}", proxy=f"socks5h://localhost:{way}", verify=CERTIFICATE
            ) as client:
                assert client.complete("Hi") == "Hello world"


def test_a_socks_proxy_that_refuses_is_a_failed_connection():
    def refuse(connection, over):
        greet(connection)
        connection.sendall(b"\x05\xff")

    with server(refuse) as port, through("socks5h", port) as client:
        with pytest.raises(qwen25.ConnectionFailedError, match="rejected"):
            client.complete("Hi")
