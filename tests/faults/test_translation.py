"""Every exception of the libraries below becomes one of ours."""

import errno
import http.client
import inspect
import io
import socket
import ssl
import zlib

import pytest
import requests
import urllib3

from qwen25 import Timeout, errors
from qwen25.timeouts import Clock, Deadline
from qwen25.transport import sockets
from qwen25.transport.exceptions import translate


def exceptions_of(module):
    package = module.__name__.split(".")[0]
    return [
        kind
        for name, kind in vars(module).items()
        if inspect.isclass(kind)
        and kind.__module__.startswith(package)
        and issubclass(kind, Exception)
        and not issubclass(kind, Warning)
        and not name.startswith("_")
    ]


KINDS = exceptions_of(requests.exceptions) + exceptions_of(urllib3.exceptions)
KINDS += exceptions_of(http.client) + [OSError, ConnectionResetError, socket.gaierror]
#: Raised only where Python's ssl has no MemoryBIO, which is nowhere since 3.5.
KINDS.remove(urllib3.exceptions.ProxySchemeUnsupported)
KINDS += [socket.timeout, ssl.SSLError, ssl.SSLCertVerificationError, zlib.error]
#: What constructors want; each takes one of these.
ARGUMENTS = [("why",), (None, "why"), (b"why",), (1, 2), (None, "http://x", "why")]
ARGUMENTS += [("a", "b", 0), (urllib3.HTTPResponse(io.BytesIO()), b"1")]


def make(kind):
    """An instance, whatever its constructor wants."""
    for arguments in ARGUMENTS:
        try:
            error = kind(*arguments)
            str(error)
        except (TypeError, AttributeError, ValueError):
            continue
        return error
    raise AssertionError(f"no arguments for {kind}")


@pytest.mark.parametrize("kind", sorted(set(KINDS), key=lambda kind: kind.__qualname__))
def test_an_exception_is_translated(kind):
    """By the one table, with a message and a next step."""
    deadline = Deadline(Timeout(), Clock())
    error = translate(make(kind), deadline, "host.example")
    assert isinstance(error, errors.QwenError)
    assert error.args[0].strip()
    assert error.hint


@pytest.mark.parametrize(
    ("kind", "meaning"),
    [
        (requests.ConnectTimeout, errors.TimedOutError),
        (requests.ReadTimeout, errors.TimedOutError),
        (socket.timeout, errors.TimedOutError),
        (urllib3.exceptions.ReadTimeoutError, errors.TimedOutError),
        (requests.exceptions.SSLError, errors.ConnectionFailedError),
        (requests.exceptions.ProxyError, errors.ConnectionFailedError),
        (requests.ConnectionError, errors.ConnectionFailedError),
        (urllib3.exceptions.NewConnectionError, errors.ConnectionFailedError),
        (urllib3.exceptions.ProtocolError, errors.ConnectionFailedError),
        (http.client.IncompleteRead, errors.ConnectionFailedError),
        (ConnectionResetError, errors.ConnectionFailedError),
        (requests.exceptions.InvalidURL, errors.InvalidRequestError),
        (requests.exceptions.InvalidHeader, errors.InvalidRequestError),
        (urllib3.exceptions.LocationParseError, errors.InvalidRequestError),
        (requests.exceptions.ContentDecodingError, errors.ProtocolError),
        (requests.TooManyRedirects, errors.ProtocolError),
        (zlib.error, errors.ProtocolError),
    ],
)
def test_it_becomes_the_error_of_its_kind(kind, meaning):
    deadline = Deadline(Timeout(), Clock())
    assert type(translate(make(kind), deadline, "host.example")) is meaning


@pytest.mark.parametrize("kind", [http.client.IncompleteRead, ConnectionResetError, OSError])
def test_in_mid_stream_a_lost_connection_is_an_interrupted_stream(kind):
    deadline = Deadline(Timeout(), Clock())
    error = translate(make(kind), deadline, "host.example", errors.StreamInterruptedError)
    assert type(error) is errors.StreamInterruptedError


@pytest.mark.parametrize("limits", [Timeout(), Timeout(connect=None, idle=None, total=None)])
def test_a_connection_that_the_system_gives_up_is_a_failed_one(limits):
    """Linux does so after two minutes, whatever our limits are."""
    given_up = TimeoutError(errno.ETIMEDOUT, "Connection timed out")
    error = translate(given_up, Deadline(limits, Clock()), "space.example")
    assert type(error) is errors.ConnectionFailedError
    broken = translate(
        given_up, Deadline(limits, Clock()), "space.example", errors.StreamInterruptedError
    )
    assert type(broken) is errors.StreamInterruptedError


def test_the_limit_on_connecting_is_for_all_addresses_of_a_host_together(monkeypatch):
    now = [0.0]

    class Deaf:
        def __init__(self, *kind):
            self.timeout = None

        def settimeout(self, seconds):
            self.timeout = seconds

        def connect(self, address):
            now[0] += self.timeout / 2
            raise OSError("nobody there")

        def close(self):
            pass

    address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))
    monkeypatch.setattr(sockets.time, "monotonic", lambda: now[0])
    with pytest.raises(OSError):
        sockets.first_connected([address] * 50, 4.0, None, make=Deaf, connect=Deaf.connect)
    assert now[0] <= 4.0
