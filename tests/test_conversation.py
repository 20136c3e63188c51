"""Turns that were finished."""

import json
import os

import pytest

from qwen25 import Client, Conversation, GenerationError, InvalidRequestError
from qwen25.testing import Fail, FakeSpace

SYSTEM = {"role": "system", "content": "Be brief."}
FIRST = [{"role": "user", "content": "One"}, {"role": "assistant", "content": "1: One"}]
SECOND = [{"role": "user", "content": "Two"}, {"role": "assistant", "content": "2: Two"}]


def echo(request):
    """Says which turn this is, and repeats the prompt."""
    if request.prompt == "fail":
        return ["half an ans", Fail("no")]
    return [f"{len(request.history) // 2 + 1}: ", request.prompt]


@pytest.fixture
def space():
    with FakeSpace(echo, layout="tuples") as space:
        yield space


@pytest.fixture
def client(space):
    with Client(space.url) as client:
        yield client


def test_turns_are_sent_as_history(client):
    conversation = client.conversation()
    assert conversation.send("One") == "1: One"
    assert conversation.send("Two") == "2: Two"
    assert conversation.messages == FIRST + SECOND


def test_a_streamed_turn_enters_when_it_is_complete(client):
    conversation = client.conversation()
    stream = conversation.stream("One")
    assert conversation.messages == []
    assert "".join(stream) == "1: One"
    assert conversation.messages == FIRST
    assert list(stream) == []
    assert conversation.messages == FIRST


@pytest.mark.parametrize("ask", ["send", "stream", "leave"])
def test_a_failed_or_abandoned_turn_leaves_it_as_it_was(client, ask):
    conversation = client.conversation(messages=FIRST)
    if ask == "leave":
        for _ in conversation.stream("Two"):
            break
    else:
        with pytest.raises(GenerationError):
            list(getattr(conversation, ask)("fail"))
    assert conversation.messages == FIRST
    assert conversation.send("Two") == "2: Two"


def test_system_and_model_hold_for_every_turn(client, space):
    conversation = client.conversation(system="Be brief.", model="7B")
    conversation.send("One")
    conversation.send("Two")
    joins = [request.json for request in space.requests if request.path.endswith("join")]
    assert [join["data"][2:] for join in joins] == [["Be brief.", "7B"]] * 2


def test_a_system_message_among_the_first_is_the_system_prompt(client):
    conversation = client.conversation(messages=[SYSTEM, *FIRST])
    assert conversation.system == "Be brief."
    assert conversation.messages == FIRST


def test_undo_takes_back_a_turn(client):
    conversation = client.conversation(messages=FIRST + SECOND)
    conversation.undo()
    assert conversation.messages == FIRST
    conversation.undo()
    conversation.undo()
    assert conversation.messages == []


def test_clear_keeps_the_system_prompt(client):
    conversation = client.conversation(system="Be brief.", messages=FIRST)
    conversation.clear()
    assert (conversation.messages, conversation.system) == ([], "Be brief.")


def test_a_saved_conversation_goes_on(client, tmp_path):
    path = tmp_path / "talk.json"
    first = client.conversation(system="Sei höflich.", model="7B", messages=FIRST)
    first.save(path)
    first.save(path)
    assert os.listdir(tmp_path) == ["talk.json"]
    second = Conversation.load(path, client)
    assert (second.system, second.model, second.messages) == ("Sei höflich.", "7B", FIRST)
    assert second.send("Two") == "2: Two"


def test_a_file_that_cannot_be_written_leaves_the_old_one(client, tmp_path, monkeypatch):
    path = tmp_path / "talk.json"
    conversation = client.conversation(messages=FIRST)
    conversation.save(path)
    before = path.read_text(encoding="utf-8")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        client.conversation().save(path)
    assert path.read_text(encoding="utf-8") == before
    assert os.listdir(tmp_path) == ["talk.json"]


def saved(**changes):
    return json.dumps({"system": None, "model": None, "messages": [], **changes})


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("[]", id="a list"),
        pytest.param('"system model messages"', id="a string"),
        pytest.param("{}", id="without all"),
        pytest.param('{"messages": 7}', id="without some"),
        pytest.param("\ufeff?", id="no JSON"),
        pytest.param(saved(system=5), id="system is a number"),
        pytest.param(saved(model=5), id="model is a number"),
        pytest.param(saved(messages=None), id="messages is null"),
        pytest.param(saved(messages={}), id="messages is an object"),
        pytest.param(saved(messages="Hi"), id="messages is a string"),
        pytest.param(saved(messages=[7]), id="a number is no message"),
        pytest.param(saved(messages=[{"role": "robot", "content": "x"}]), id="unknown role"),
        pytest.param(saved(messages=[{"role": [], "content": "x"}]), id="a list is no role"),
        pytest.param(saved(messages=[{"role": "user", "content": None}]), id="no content"),
        pytest.param("[" * 200_000, id="nested too deeply"),
        pytest.param('{"messages": ' * 200_000, id="objects nested too deeply"),
    ],
)
def test_another_file_is_refused(client, tmp_path, content):
    path = tmp_path / "other.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidRequestError, match="other.json is not a saved conversation"):
        Conversation.load(path, client)


def test_a_file_in_another_encoding_is_refused(client, tmp_path):
    path = tmp_path / "other.json"
    path.write_bytes(saved().encode("utf-16"))
    with pytest.raises(InvalidRequestError, match="not a saved conversation"):
        Conversation.load(path, client)


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(client, tmp_path, monkeypatch):
    monkeypatch.setattr("qwen25.client.conversation._MOST_BYTES", 1 << 20)
    path = tmp_path / "other.json"
    with open(path, "wb") as file:
        file.truncate(1 << 40)  # more than any memory; it takes no room on the disk
    with pytest.raises(InvalidRequestError, match="more than 1 MiB"):
        Conversation.load(path, client)


@pytest.mark.parametrize("path", [0, True, None, "", "a\0b"], ids=repr)
def test_what_is_no_path_is_refused(client, path):
    for use in (client.conversation().save, lambda path: Conversation.load(path, client)):
        with pytest.raises(InvalidRequestError, match="not the path of a file"):
            use(path)


@pytest.mark.skipif(os.name != "posix", reason="permissions and links as POSIX has them")
def test_save_keeps_permissions_and_links(client, tmp_path):
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.touch()
    real.chmod(0o600)
    link.symlink_to(real)
    client.conversation(messages=FIRST).save(link)
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert Conversation.load(real, client).messages == FIRST


def test_malformed_messages_are_refused(client):
    with pytest.raises(InvalidRequestError):
        client.conversation(messages=[{"role": "robot", "content": "x"}])


def test_a_list_of_messages_is_no_turn():
    with FakeSpace() as space, Client(space.url) as client:
        conversation = client.conversation()
        for say in (conversation.send, conversation.stream):
            with pytest.raises(InvalidRequestError, match="one text at a time"):
                say([{"role": "user", "content": "Hi"}])
        assert conversation.messages == []
        assert list(space.requests) == []


def test_half_a_character_survives_the_file(tmp_path):
    with Client("http://127.0.0.1:9") as client:
        conversation = client.conversation()
        conversation.messages.append({"role": "user", "content": "half \ud83e"})
        conversation.save(tmp_path / "talk.json")
        assert Conversation.load(tmp_path / "talk.json", client).messages == conversation.messages
