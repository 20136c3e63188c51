"""Whatever a server says, only the server that was given is asked: looked at on the wire."""

import json
import socket

import pytest
import requests
import responses
from recordings import config
from servers import server

import qwen25
from qwen25 import Client
from qwen25.testing import FakeSpace, Reply
from qwen25.timeouts import Clock, Deadline
from qwen25.transport.address import Address
from qwen25.transport.auth import SecureCookies
from qwen25.transport.connection import SessionPool


@pytest.mark.parametrize("key", ["api_prefix", "root"])
@pytest.mark.parametrize("trick", ["{url}/x", "//{host}", "@{host}/x", "\\\\{host}", ".{host}"])
def test_a_configuration_does_not_lead_to_another_server(key, trick, monkeypatch):
    """Neither the prompt, nor headers, nor a token go there."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with FakeSpace() as other, FakeSpace() as space:
        value = trick.format(url=other.url, host=other.url[len("http://") :])
        space.config = Reply(200, {**space.wiring(), key: value})
        with Client(space.url, headers={"X-Key": "k"}, max_retries=0) as client:
            if key == "root":
                client.complete("Hi")  # which does not count
            else:
                with pytest.raises(qwen25.ProtocolError):
                    client.complete("Hi")
                assert [request.path for request in space.requests] == ["/config"]
        assert other.requests == []


@pytest.mark.parametrize("prefix", ["https://evil.hf.space", "https://huggingface.co/x"])
def test_a_configuration_does_not_lead_the_environments_token_away(prefix, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with responses.RequestsMock() as web:
        web.get(
            "http://space.example/config",
            json={**config("gradio-5.50.0-tuples"), "api_prefix": prefix},
        )
        with pytest.raises(qwen25.ProtocolError):
            Client("http://space.example", max_retries=0).complete("Hi")
        assert len(web.calls) == 1


def test_a_session_that_was_given_is_held_to_the_server_too():
    with FakeSpace() as other, FakeSpace() as space, requests.Session() as session:
        space.config = Reply(307, headers={"Location": f"{other.url}/config"})
        with pytest.raises(qwen25.ProtocolError):
            Client(space.url, session=session).complete("Hi")
        assert other.requests == []


def test_a_connection_asks_no_other_server():
    """The last line of defence, were all else to fail."""
    options = dict(token=None, proxy=None, headers=None, verify=True, session=None)
    with FakeSpace() as other, FakeSpace() as space:
        connection = SessionPool(Address(space.url, None), **options).acquire()
        with pytest.raises(qwen25.ProtocolError):
            deadline = Deadline(qwen25.Timeout(), Clock())
            connection.fetch("GET", f"{other.url}/config", deadline)
        assert other.requests == []


def test_a_logins_cookie_that_came_over_https_does_not_go_over_http():
    jar = SecureCookies()
    with responses.RequestsMock() as web:
        for scheme in ("https", "http"):
            web.get(f"{scheme}://a.example/", headers={"Set-Cookie": f"{scheme}=1; Path=/"})
        with requests.Session() as session:
            session.cookies = jar
            session.get("https://a.example/")
            session.get("http://a.example/")
            session.get("http://a.example/")
            session.get("https://a.example/")
            seen = [call.request.headers.get("Cookie", "") for call in web.calls]
    assert seen[:3] == ["", "", "http=1"]
    assert sorted(seen[3].split("; ")) == ["http=1", "https=1"]


@pytest.mark.parametrize("where", ["config", "join", "data"])
@pytest.mark.parametrize(
    "location", ["\\\\{}/x", "/\\{}/x", "//{}/x", "http://space.example@{}/x", "http://me@{own}/x"]
)
def test_a_redirect_with_a_trick_is_told_and_not_followed(where, location):
    with FakeSpace() as other, FakeSpace() as space:
        hosts = [each.url[len("http://") :] for each in (other, space)]
        target = location.format(hosts[0], own=hosts[1])
        setattr(space, where, Reply(307, headers={"Location": target}))
        with Client(space.url, max_retries=0) as client:
            with pytest.raises(qwen25.ProtocolError):
                client.complete("Hi")
        assert other.requests == []
        paths = [request.path for request in space.requests]
        assert "/x" not in paths


MOVED = Reply(307, headers={"Location": "/config?moved"})


@pytest.mark.parametrize("moves, answered", [(3, True), (4, False)])
def test_a_configuration_may_move_three_times(moves, answered):
    with FakeSpace(config=moves * [MOVED]) as space, Client(space.url, max_retries=0) as client:
        if answered:
            assert client.complete("Hi") == "Hello world"
        else:
            with pytest.raises(qwen25.ProtocolError, match="in a circle"):
                client.complete("Hi")
            assert len(space.requests) == 4


def test_a_query_that_ends_like_the_configurations_path_moves_nothing():
    moved = Reply(307, headers={"Location": "/config?next=/config"})
    with FakeSpace(config=[moved]) as space, Client(space.url, max_retries=0) as client:
        assert client.complete("Hi") == "Hello world"
        assert client.space.url == space.url


@pytest.mark.parametrize("options", [{}, {"token": "hf_mine", "headers": {"X-Key": "k"}}])
def test_a_host_and_a_path_that_are_not_ascii_are_asked(options):
    """Through a proxy, which sees what is asked."""
    asked = []
    with FakeSpace() as space:
        wiring = json.dumps(space.wiring()).encode()
    done = {"msg": "process_completed", "success": True}
    done["output"] = {"data": ["", [["Hi", "Hello"]], ""]}
    answers = {
        b"/queue/join": b'\r\n{"event_id": "e1"}',
        b"/queue/data": b"Content-Type: text/event-stream\r\n\r\ndata: %s\n\n"
        % json.dumps(done).encode(),
        b"/config": b"\r\n" + wiring,
    }

    def handle(connection, over):
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        asked.append(head)
        target = head.split()[1]
        answer = next(each for path, each in answers.items() if path in target)
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + answer)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    url = "http://\u4f8b\u3048.example/\u65e5\u672c"
    with server(handle) as port:
        with Client(url, proxy=f"http://127.0.0.1:{port}", max_retries=0, **options) as client:
            assert client.complete("Hi") == "Hello"
    root = b"http://xn--r8jz45g.example/%E6%97%A5%E6%9C%AC"
    assert [head.split()[1].partition(b"?")[0][len(root) :] for head in asked] == [
        b"/config",
        b"/queue/join",
        b"/queue/data",
    ]
    assert all(head.split()[1].startswith(root) for head in asked)
    assert all((b"hf_mine" in head) == bool(options) for head in asked)
