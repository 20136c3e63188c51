"""What `transport/urllib3_hooks` rests on, line by line, with whatever urllib3 is installed.

tox runs these with urllib3 1.26.5, the last 1.26, 2.0, 2.2 and the newest.
"""

from __future__ import annotations

import functools
import http.client
import logging
import threading
import types

import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter
from servers import server, socks_proxy
from timing import GRACE, quickest
from urllib3.connection import HTTPConnection

import qwen25
from qwen25 import Client
from qwen25.testing import Delay, FakeSpace, Gate, Hang, Heartbeat, Repeat
from qwen25.transport import urllib3_hooks
from qwen25.transport.urllib3_hooks import LimitedAdapter, Watch, limit_session

TOTAL = 0.6


@pytest.fixture(autouse=True)
def told_once():
    """Each test is the first in which a part is found missing."""
    urllib3_hooks.warn_once.cache_clear()
    yield
    urllib3_hooks.warn_once.cache_clear()


def warnings_of(caplog):
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


class TestTheContract:
    def test_an_adapter_makes_its_managers_in_methods(self):
        for name in ("init_poolmanager", "proxy_manager_for", "send"):
            assert callable(getattr(HTTPAdapter, name))

    @pytest.mark.parametrize("proxy", [None, "http://127.0.0.1:9", "https://127.0.0.1:9"])
    def test_the_classes_of_pools_and_connections_are_those_of_the_adapter(self, proxy):
        adapter = LimitedAdapter()
        manager = adapter.poolmanager if proxy is None else adapter.proxy_manager_for(proxy)
        for scheme in ("http", "https"):
            pool = manager.connection_from_host("space.example", scheme=scheme)
            connection = pool.ConnectionCls("space.example")
            assert connection.watch is adapter.watch
            assert isinstance(connection, urllib3_hooks._LimitedConnection)
            assert isinstance(connection, urllib3_hooks._Connecting)

    def test_a_socks_proxy_has_classes_of_its_own(self):
        pytest.importorskip("socks")
        manager = LimitedAdapter().proxy_manager_for("socks5h://127.0.0.1:9")
        pool = manager.connection_from_host("space.example", scheme="http")
        made = pool._new_conn()
        assert isinstance(made, urllib3_hooks._Connecting)
        assert made._socks_options["proxy_host"] == "127.0.0.1"

    def test_a_response_is_made_by_the_connection_and_holds_that_of_http_client(self):
        with FakeSpace() as space, requests.Session() as session:
            limit_session(session)
            with session.get(f"{space.url}/config", stream=True) as response:
                fp = urllib3_hooks.file_of(response)
                assert isinstance(fp, urllib3_hooks.LimitedResponse)
                assert fp.is_limited
                assert urllib3_hooks.socket_of(response) is not None

    def test_a_connection_has_what_connecting_needs(self):
        connection = HTTPConnection("space.example", 80, timeout=3)
        for name in ("host", "port", "timeout", "sock", "socket_options", "source_address"):
            assert hasattr(connection, name)
        assert connection._dns_host == "space.example"
        for name in ("connect", "send", "response_class", "_new_conn", "_tunnel"):
            assert hasattr(HTTPConnection, name)
        assert urllib3.util.connection.allowed_gai_family() is not None

    def test_http_client_reads_the_head_in_a_method(self):
        assert callable(http.client.HTTPResponse.begin)

    def test_nothing_is_missing_here(self, caplog):
        assert urllib3_hooks.parts_are_there()
        assert not warnings_of(caplog)


def hide_pool_classes(monkeypatch):
    made = urllib3.PoolManager.__init__

    def make(self, *args, **kwargs):
        made(self, *args, **kwargs)
        self.hidden = vars(self).pop("pool_classes_by_scheme")

    monkeypatch.setattr(urllib3.PoolManager, "__init__", make)
    monkeypatch.setattr(
        urllib3.PoolManager,
        "_new_pool",
        lambda self, scheme, host, port, request_context=None: self.hidden[scheme](host, port),
    )


def hide_new_conn(monkeypatch):
    hidden = HTTPConnection._new_conn

    def connect(self):
        self.sock = hidden(self)

    monkeypatch.setattr(HTTPConnection, "connect", connect)
    monkeypatch.delattr(HTTPConnection, "_new_conn")


def hide_tunnel(monkeypatch):
    for each in (HTTPConnection, http.client.HTTPConnection):
        if "_tunnel" in vars(each):
            monkeypatch.delattr(each, "_tunnel")


def hide_response_class(monkeypatch):
    monkeypatch.delattr(http.client.HTTPConnection, "response_class")

    def getresponse(self):
        vars(self)["response_class"] = http.client.HTTPResponse
        return kept(self)

    kept = http.client.HTTPConnection.getresponse
    monkeypatch.setattr(http.client.HTTPConnection, "getresponse", getresponse)


def hide_family(monkeypatch):
    hidden = urllib3.util.connection.allowed_gai_family
    create = urllib3.util.connection.create_connection

    def create_connection(*args, **kwargs):
        urllib3.util.connection.allowed_gai_family = hidden
        try:
            return create(*args, **kwargs)
        finally:
            del urllib3.util.connection.allowed_gai_family

    monkeypatch.setattr(urllib3.util.connection, "create_connection", create_connection)
    monkeypatch.delattr(urllib3.util.connection, "allowed_gai_family")


def replace_raw(monkeypatch, make):
    """Let `make` replace each response of urllib3 in one of requests."""
    send = HTTPAdapter.send

    def sending(self, *args, **kwargs):
        response = send(self, *args, **kwargs)
        response.raw = make(response.raw)
        return response

    monkeypatch.setattr(HTTPAdapter, "send", sending)


class Without:
    """Another object, but for one of its attributes."""

    def __init__(self, hidden, other):
        self._hidden = hidden
        self._other = other

    @property
    def __class__(self):
        return self._other.__class__

    def __getattr__(self, name):
        if name == self._hidden:
            raise AttributeError(name)
        return getattr(self._other, name)


def hide_fp(monkeypatch):
    replace_raw(monkeypatch, functools.partial(Without, "_fp"))


def hide_detach(monkeypatch):
    made = http.client.HTTPResponse.__init__

    def make(self, *args, **kwargs):
        made(self, *args, **kwargs)
        self.fp = Without("detach", self.fp)

    monkeypatch.setattr(http.client.HTTPResponse, "__init__", make)


def hide_connection_class(monkeypatch):
    new_connection = urllib3.HTTPConnectionPool._new_conn

    def make(self):
        self.ConnectionCls = HTTPConnection
        try:
            return new_connection(self)
        finally:
            del self.ConnectionCls

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "_new_conn", make)
    monkeypatch.delattr(urllib3.HTTPConnectionPool, "ConnectionCls")


def hide_method(monkeypatch, name):
    """A connection has it, but its class does not say so."""
    hidden, made = getattr(HTTPConnection, name), HTTPConnection.__init__

    def make(self, *args, **kwargs):
        setattr(self, name, types.MethodType(hidden, self))
        made(self, *args, **kwargs)

    monkeypatch.setattr(HTTPConnection, "__init__", make)
    for each in (HTTPConnection, http.client.HTTPConnection):
        if name in vars(each):
            monkeypatch.delattr(each, name)


def hide_connect(monkeypatch):
    hide_method(monkeypatch, "connect")


def hide_send(monkeypatch):
    hide_method(monkeypatch, "send")


HIDDEN = [hide_new_conn, hide_tunnel, hide_response_class, hide_family, hide_fp, hide_detach]
HIDDEN += [hide_pool_classes, hide_connection_class, hide_connect, hide_send]


@pytest.mark.parametrize("hide", HIDDEN)
class TestAPartThatIsMissing:
    def test_it_is_told_once_and_answers_come_and_come_live(self, hide, monkeypatch, caplog):
        hide(monkeypatch)
        gate = Gate()
        with FakeSpace(["Hello", gate, " world"]) as space:
            with Client(space.url, timeout=20) as client:
                for _ in range(2):
                    gate.clear()
                    stream = client.stream("Hi")
                    assert next(stream) == "Hello"
                    gate.set()
                    assert "".join(stream) == " world"
        assert len(warnings_of(caplog)) == 1

    def test_the_total_is_kept_where_bytes_come(self, hide, monkeypatch):
        hide(monkeypatch)

        def run():
            with pytest.raises(qwen25.TimedOutError):
                client.complete("Hi", timeout=TOTAL)

        beats = ["Hel", Repeat([Heartbeat(), Delay(0.03)])]
        with FakeSpace(beats) as space, Client(space.url) as client:
            assert client.models
            assert quickest(run, TOTAL + GRACE) < TOTAL + GRACE

    def test_a_silence_is_a_timeout(self, hide, monkeypatch):
        hide(monkeypatch)
        with FakeSpace(["Hello", Hang()]) as space, Client(space.url) as client:
            with pytest.raises(qwen25.TimedOutError) as caught:
                client.complete("Hi", timeout=qwen25.Timeout(idle=0.5))
        assert caught.value.phase == "idle"


class TestASocketThatIsNotShown:
    """`connection.sock` of a response tells the socket that a session of the user's own uses."""

    def test_nothing_is_lost_with_a_session_of_ours(self, monkeypatch, caplog):
        replace_raw(monkeypatch, functools.partial(Without, "connection"))
        with FakeSpace(["Hello", Hang()]) as space, Client(space.url, timeout=20) as client:
            stream = client.stream("Hi")
            assert next(stream) == "Hello"
            closing = threading.Timer(0.1, stream.close)
            closing.start()
            try:
                assert list(stream) == []
            finally:
                closing.join()
        assert not warnings_of(caplog)

    def test_with_a_session_of_the_users_own_each_read_has_its_limit(self, monkeypatch):
        replace_raw(monkeypatch, functools.partial(Without, "connection"))
        with FakeSpace(["Hello", Hang()]) as space, requests.Session() as session:
            with Client(space.url, session=session) as client:
                with pytest.raises(qwen25.TimedOutError) as caught:
                    client.complete("Hi", timeout=qwen25.Timeout(idle=0.5))
        assert caught.value.phase == "idle"


def test_without_the_options_of_a_socks_proxy_its_class_connects(monkeypatch, caplog):
    connection_class = pytest.importorskip("urllib3.contrib.socks").SOCKSConnection
    made, new_socket = connection_class.__init__, connection_class._new_conn

    def make(self, *args, **kwargs):
        made(self, *args, **kwargs)
        self.hidden = vars(self).pop("_socks_options")

    def make_socket(self):
        self._socks_options = self.hidden
        return new_socket(self)

    monkeypatch.setattr(connection_class, "__init__", make)
    monkeypatch.setattr(connection_class, "_new_conn", make_socket)
    with FakeSpace() as space, server(socks_proxy) as port:
        with Client(space.url, proxy=f"socks5h://127.0.0.1:{port}") as client:
            assert client.complete("Hi") == "Hello world"
    [warning] = warnings_of(caplog)
    assert "_socks_options" in warning


def test_without_the_name_to_look_up_the_host_is_looked_up(monkeypatch):
    monkeypatch.delattr(HTTPConnection, "_dns_host", raising=False)
    seen = []
    monkeypatch.setattr(
        urllib3_hooks, "_first_connected", lambda connection, host, port: seen.append((host, port))
    )

    class Connection:
        host, port = "space.example", 80

    urllib3_hooks._open_socket(Connection())
    assert seen == [("space.example", 80)]


def test_a_class_of_connections_that_is_a_stand_in_is_left_alone():
    class Recorder:
        pass

    assert urllib3_hooks._limited_connection(Recorder, Watch()) is Recorder


def test_a_response_that_is_a_stand_in_is_read_without_blaming_urllib3(monkeypatch, caplog):
    """As that of vcrpy before its version 9, which has no connection to release."""

    class Recorded:
        def __init__(self, raw):
            self._body = raw.read()
            raw.release_conn()

        def read(self, size):
            data, self._body = self._body[:size], self._body[size:]
            return data

        def close(self):
            pass

    replace_raw(monkeypatch, Recorded)
    caplog.set_level("DEBUG", "qwen25")
    with FakeSpace(["Hello"]) as space, Client(space.url, timeout=20) as client:
        assert client.complete("Hi") == "Hello"
    assert warnings_of(caplog) == []
    assert "Recorded is not a response of urllib3" in caplog.text
