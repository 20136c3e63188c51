"""The client, against a loopback Space, and its requests to the letter against a mock."""

import copy
import json
import pickle
import re

import pytest
import requests
import responses
from recordings import HISTORY, config, stream_bytes

import qwen25
from qwen25 import (
    Client,
    InvalidRequestError,
    Timeout,
    UnknownModelError,
)
from qwen25.testing import FakeSpace

URL = "https://qwen-qwen2-5.hf.space"


@pytest.fixture
def public_space():
    """The public Space, as recorded."""
    with responses.RequestsMock() as mock:
        mock.get(f"{URL}/config", json=config("gradio-4.44.1-modelscope"))
        mock.post(f"{URL}/queue/join", json={"event_id": "e1"})
        mock.get(
            f"{URL}/queue/data",
            body=stream_bytes("gradio-4.44.1-modelscope", "answer"),
            content_type="text/event-stream; charset=utf-8",
        )
        yield mock


@pytest.fixture
def space():
    with FakeSpace(["Hello", " world"]) as space:
        yield space


@pytest.fixture
def client(space):
    with Client(space.url) as client:
        yield client


class TestRequests:
    """What is sent, to the letter."""

    def test_the_join_carries_prompt_history_system_and_size(self, public_space):
        client = Client(model="7B", system="Be brief.")
        client.complete("And now?", history=HISTORY)
        body = json.loads(public_space.calls[1].request.body)
        session_hash = body.pop("session_hash")
        assert body == {
            "data": ["And now?", [["hi", "there"]], "Be brief.", "7B"],
            "event_data": None,
            "fn_index": 3,
            "trigger_id": 25,
        }
        assert re.fullmatch("[0-9a-f]{10}", session_hash)
        assert f"session_hash={session_hash}" in public_space.calls[2].request.url

    def test_every_request_has_honest_headers(self, public_space):
        Client(headers={"X-Mine": "1"}).complete("Hi")
        for call in public_space.calls:
            headers = call.request.headers
            assert headers["User-Agent"] == f"qwen25/{qwen25.__version__}"
            assert headers["Referer"] == f"{URL}/?__theme=system"
            assert headers["Accept-Encoding"] == "identity"
            assert headers["X-Mine"] == "1"
            assert "Authorization" not in headers
        assert public_space.calls[1].request.headers["Accept"] == "application/json"
        assert public_space.calls[2].request.headers["Accept"] == "text/event-stream"

    def test_the_arguments_of_a_call_win_over_the_clients(self, public_space):
        client = Client(model="7B", system="Be brief.")
        client.complete("Hi", model="qwen2.5-coder-7b-instruct", system="")
        body = json.loads(public_space.calls[1].request.body)
        assert body["data"][2:] == ["", "Coder-7B"]

    def test_a_system_message_wins_over_the_clients(self, public_space):
        messages = [{"role": "system", "content": "Rhyme."}, {"role": "user", "content": "Hi"}]
        Client(system="Be brief.").complete(messages)
        assert json.loads(public_space.calls[1].request.body)["data"][2] == "Rhyme."


def test_complete_gives_the_whole_text(client):
    assert client.complete("Hi") == "Hello world"


def test_stream_gives_the_pieces(client):
    assert list(client.stream("Hi")) == ["Hello", " world"]


@pytest.mark.parametrize("layout", ["modelscope", "tuples", "messages", "parts"])
def test_every_layout_is_read_with_and_without_a_history(layout):
    with FakeSpace(["Hello", " world"], layout=layout) as space, Client(space.url) as client:
        assert client.complete("Hi") == "Hello world"
        assert list(client.stream("Hi", history=HISTORY)) == ["Hello", " world"]


def test_making_a_client_makes_no_request(space):
    Client(space.url)
    assert list(space.requests) == []


def test_the_wiring_is_read_once(client, space):
    for _ in range(3):
        client.complete("Hi")
    assert [request.path for request in space.requests].count("/config") == 1


def test_one_connection_serves_any_number_of_answers(client, space):
    for _ in range(5):
        client.complete("Hi")
        list(client.stream("Hi"))
    assert space.connections == 1


def test_an_unknown_model_is_refused_before_the_queue(client, space):
    with pytest.raises(UnknownModelError, match="7B"):
        client.stream("Hi", model="9000B")
    assert not any("join" in request.path for request in space.requests)


def test_a_bad_prompt_is_refused_without_a_request(client, space):
    for ask in (client.complete, client.stream):
        with pytest.raises(InvalidRequestError):
            ask("")
    assert list(space.requests) == []


def test_models_are_read_from_the_space(client):
    assert client.models[:2] == ["72B", "32B"]


def test_a_closed_client_says_so(client):
    client.complete("Hi")
    client.close()
    client.close()
    for ask in (client.complete, client.stream):
        with pytest.raises(InvalidRequestError, match="closed"):
            ask("Hi")


def test_a_session_of_the_users_own_is_used_and_stays_open(space):
    with requests.Session() as session:
        session.headers["X-Session"] = "mine"
        with Client(space.url, session=session) as client:
            assert client.complete("Hi") == "Hello world"
        assert session.get(f"{space.url}/config", timeout=5).ok
    assert all(request.headers["X-Session"] == "mine" for request in space.requests)


@pytest.mark.parametrize("copied", [copy.copy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_asks_by_connections_of_its_own(space, client, copied):
    client.complete("Hi")
    with copied(client) as other:
        assert other.complete("Hi") == "Hello world"
        assert repr(other) == repr(client)
    assert space.connections == 2
    assert client.complete("Hi") == "Hello world"


def test_a_copy_keeps_every_argument():
    arguments = {
        "model": "7B",
        "system": "Be brief.",
        "token": "hf_secret",
        "auth": ("name", "hunter2"),
        "proxy": "http://user:pass@127.0.0.1:1",
        "headers": {"X-Mine": "1"},
        "timeout": Timeout(idle=5),
        "max_retries": 7,
        "verify": False,
        "session": None,
        "endpoint": "chat",
        "inputs": {"Temperature": 0.2},
        "flatten": True,
    }
    other = pickle.loads(pickle.dumps(Client("a/b", **arguments)))
    _, (kind, (space,), remade) = other.__reduce__()
    remade.update(token=space.token, auth=space.auth)
    assert (kind, space.space, remade) == (Client, "a/b", arguments)


def test_nothing_secret_is_in_its_repr():
    client = Client(
        "a/b", token="hf_secret", auth=("n", "hunter2"), proxy="http://user:passw@host:1"
    )
    for secret in ("hf_secret", "hunter2", "passw"):
        assert secret not in repr(client) + repr(client.space)


@pytest.mark.parametrize(
    "arguments",
    [
        {"space": "localhost:7860"},
        {"model": ""},
        {"model": None},
        {"model": 7},
        {"proxy": "localhost:8080"},
        {"proxy": "ftp://user:hunter2@host"},
        {"proxy": "http://user:hunter2@host:port"},
        {"proxy": 8080},
        {"timeout": 0},
        {"timeout": "5"},
        {"token": True},
        {"auth": "name:hunter2"},
        {"auth": ("name",)},
        {"max_retries": -1},
        {"max_retries": 1.5},
        {"max_retries": True},
    ],
    ids=repr,
)
def test_an_argument_that_cannot_be_meant_is_refused_at_once(arguments):
    with pytest.raises(InvalidRequestError) as caught:
        Client(**arguments)
    assert "hunter2" not in str(caught.value)


def test_the_module_asks_with_one_default_client(space, monkeypatch):
    monkeypatch.setenv("QWEN25_SPACE", space.url)
    monkeypatch.setattr("qwen25.client.client._default", None)
    assert qwen25.complete("Hi") == "Hello world"
    with qwen25.stream("Hi", model="7B") as pieces:
        assert list(pieces) == ["Hello", " world"]
    assert space.connections == 1
    qwen25.client.client._default.close()
