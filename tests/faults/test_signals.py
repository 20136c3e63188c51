"""What the user's own code raises inside a request comes out at once, as it is."""

from __future__ import annotations

import contextlib
import gc
import importlib
import signal
import socket
import ssl

import pytest
import requests
from servers import may_leave_a_socket_of_tls, server

import qwen25
from qwen25 import Client
from qwen25.testing import FakeSpace, Hang

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs signal.setitimer"),
    pytest.mark.timeout(method="thread"),  # the other method has the same signal
]

KINDS = [
    TimeoutError,
    OSError,
    ConnectionError,
    ConnectionResetError,
    socket.timeout,
    ssl.SSLError,
    requests.ConnectionError,
    requests.Timeout,
]


@pytest.fixture(scope="module", autouse=True)
def imports():
    """What is imported late: pytest, which rewrites it, swallows what a handler raises there."""
    with contextlib.suppress(ImportError):  # without PySocks
        importlib.import_module("urllib3.contrib.socks")
    with FakeSpace() as space, Client(space.url) as client:
        client.complete("Hi")


@contextlib.contextmanager
def alarm(error):
    """A limit as older code has it: a handler that raises in the middle of whatever happens."""

    def handler(number, frame):
        raise error

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def full_backlog():
    """A listener that lets nobody in."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(address)
            yield f"http://localhost:{address[1]}", {}


@contextlib.contextmanager
def silent_handshake():
    with server(lambda connection, over: over.wait()) as port:
        yield f"https://localhost:{port}", {}


@contextlib.contextmanager
def silent_proxy():
    pytest.importorskip("socks")
    with server(lambda connection, over: over.wait()) as port:
        yield "http://space.example", {"proxy": f"socks5h://localhost:{port}"}


@contextlib.contextmanager
def silent_tunnel():
    with server(lambda connection, over: over.wait()) as port:
        yield "https://space.example", {"proxy": f"http://localhost:{port}"}


@contextlib.contextmanager
def silent_config():
    with FakeSpace(config=Hang()) as space:
        yield space.url, {}


@contextlib.contextmanager
def silent_stream():
    with FakeSpace(["Hello", Hang()]) as space:
        yield space.url, {}


@contextlib.contextmanager
def own_session():
    with FakeSpace(["Hello", Hang()]) as space, requests.Session() as session:
        yield space.url, {"session": session}


PLACES = [full_backlog, silent_handshake, silent_proxy, silent_tunnel]
PLACES += [silent_config, silent_stream, own_session]


@may_leave_a_socket_of_tls
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_signal_handler_raises_comes_out_as_it_is(kind, place):
    error = kind("mine")
    with place() as (url, options), Client(url, timeout=20, **options) as client:
        with pytest.raises(kind) as caught, alarm(error):
            client.complete("Hi")
    assert caught.value is error
    del caught, error
    gc.collect()  # here, and not in the midst of another test


@pytest.mark.parametrize("place", [silent_config, silent_stream])
@pytest.mark.parametrize(
    "kind", [qwen25.QueueFullError, qwen25.StreamInterruptedError, qwen25.SpaceUnavailableError]
)
def test_an_error_of_ours_that_a_signal_handler_raises_is_not_tried_again(kind, place):
    error = kind("mine")
    with place() as (url, options), Client(url, timeout=2, **options) as client:
        with pytest.raises(kind) as caught, alarm(error):
            client.complete("Hi")
    assert caught.value is error


@pytest.mark.parametrize("kind", [TimeoutError, OSError, requests.ConnectionError])
def test_the_clients_next_call_is_not_hurt(kind):
    with FakeSpace(first=[["Hello", Hang()]]) as space, Client(space.url) as client:
        with pytest.raises(kind), alarm(kind("mine")):
            client.complete("Hi")
        assert client.complete("Hi") == "Hello world"


def test_an_error_that_is_being_handled_is_not_taken_for_a_new_one():
    """The second call fails for a reason of its own."""
    with socket.socket() as deaf, silent_stream() as (url, _):
        deaf.bind(("127.0.0.1", 0))
        other = Client(f"http://127.0.0.1:{deaf.getsockname()[1]}", max_retries=0)
        with Client(url) as client:
            try:
                with alarm(TimeoutError("mine")):
                    client.complete("Hi")
            except TimeoutError:
                with pytest.raises(qwen25.ConnectionFailedError):
                    other.complete("Hi")


@pytest.mark.parametrize("kind", [ConnectionError, OSError, ValueError])
def test_what_a_sessions_own_auth_raises_comes_out_as_it_is(kind):
    error = kind("mine")

    def auth(request):
        raise error

    with FakeSpace() as space, requests.Session() as session:
        session.auth = auth
        with pytest.raises(kind) as caught:
            Client(space.url, session=session).complete("Hi")
    assert caught.value is error


def test_errors_of_the_network_are_ours_while_a_handler_is_installed():
    with FakeSpace(config=Hang()) as space, alarm(TimeoutError("mine")):
        signal.setitimer(signal.ITIMER_REAL, 0)
        with pytest.raises(qwen25.TimedOutError):
            Client(space.url, timeout=0.3, max_retries=0).complete("Hi")
