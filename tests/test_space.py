"""What a user can learn of a Space, and what learning it costs."""

import pytest

from qwen25 import Client, SpaceUnavailableError
from qwen25.testing import FakeSpace, Reply


@pytest.fixture
def space():
    with FakeSpace(["Hello"], protocol="sse_v2", layout="tuples") as space:
        yield space


@pytest.fixture
def client(space):
    with Client(space.url) as client:
        yield client


def asked(space):
    return [request.path for request in space.requests]


def test_the_address_is_known_without_a_request(client, space):
    assert client.space.url == space.url
    assert client.space.id is None
    assert repr(client.space) == f"Space(url={space.url!r}, id=None)"
    assert asked(space) == []


def test_the_public_space_has_an_id_and_a_host_of_its_own():
    assert Client("Qwen/Qwen2.5").space.id == "Qwen/Qwen2.5"
    assert Client("Qwen/Qwen2.5").space.url == "https://qwen-qwen2-5.hf.space"


def test_what_runs_there_is_read_at_the_first_look_and_then_kept(client, space):
    assert client.space.protocol == "sse_v2"
    assert client.space.endpoint == "model_chat"
    assert client.space.version == space.wiring()["version"]
    assert asked(space) == ["/config"]


def test_a_look_after_an_answer_asks_nothing(client, space):
    client.complete("Hi")
    before = asked(space)
    assert client.space.version
    assert asked(space) == before


def test_a_look_at_a_space_that_is_down_says_so():
    with FakeSpace(config=Reply(503, "<h1>Building</h1>")) as space:
        with Client(space.url, max_retries=0) as client:
            with pytest.raises(SpaceUnavailableError):
                client.space.version
