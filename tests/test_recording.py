"""`record` and `replay`: what real answers are kept as, and what they give again."""

import asyncio
import json
import subprocess
import sys

import pytest
from recordings import BROKEN_OFF, FOLDER, HISTORY, HISTORY_TEXT, PROMPTS, SPACES, TEXTS
from walks import PATHS, walks_of

from qwen25 import (
    Client,
    GenerationError,
    InvalidRequestError,
    Note,
    StreamInterruptedError,
)
from qwen25.aio import AsyncClient
from qwen25.testing import (
    Drop,
    Fail,
    FakeSpace,
    Heartbeat,
    Message,
    NotRecordedError,
    Raw,
    record,
    replay,
)

#: Recorded apps that have no chat.
CHATLESS = ("image_only", "buttons_only", "rendered")
#: On these the API gives what Python prints of a message, so the client walks the page's steps.
BY_API = [FOLDER / "shapes" / each / "chat_interface_messages.json" for each in ("4.44.1", "5.0.2")]

SECRETS = {"token": "hf_secret", "headers": {"X-Key": "sesame"}}


def echo(question):
    return [f"{question.prompt}, ", Heartbeat(), f"after {len(question.history)}"]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "answers.json"


@pytest.fixture
def url(file):
    """The address of a Space that has answered a few questions, and is gone."""
    with FakeSpace(echo) as space, record(file), Client(space.url, **SECRETS) as client:
        client.complete("One")
        talk = client.conversation(system="Be kind")
        talk.send("Two")
        talk.send("Three")
    return space.url


def test_recorded_answers_need_no_space(url, file):
    with replay(file), Client(url) as client:
        assert list(client.stream("One")) == ["One, ", "after 0"]
        talk = client.conversation(system="Be kind")
        assert talk.send("Two") == "Two, after 0"
        assert talk.send("Three") == "Three, after 2"


def test_a_recording_of_one_space_answers_for_every_space(url, file):
    with replay(file), Client() as client:
        assert client.complete("One") == "One, after 0"
        assert "7B" in client.models


def test_a_recording_has_no_secrets(file):
    options = {**SECRETS, "auth": ("me", "hunter2")}
    with FakeSpace(echo, auth=("me", "hunter2")) as space, record(file):
        with Client(space.url, **options) as client:
            client.complete("One")
    text = file.read_text()
    for secret in ("hf_secret", "sesame", "hunter2"):
        assert secret not in text
    with replay(file), Client(space.url, **options) as client:
        assert client.complete("One") == "One, after 0"


def test_a_recording_is_the_same_each_time(url, file, tmp_path):
    other = tmp_path / "other.json"
    with FakeSpace(echo) as space, record(other), Client(space.url) as client:
        talk = client.conversation(system="Be kind")
        talk.send("Two")
        client.complete("One")
        talk.send("Three")
    # The port alone differs.
    assert other.read_text().replace(space.url, url) == file.read_text()


def test_times_that_were_measured_are_not_kept(file, tmp_path):
    """Two recordings of one answer differ in nothing."""
    other = tmp_path / "other.json"
    for path, seconds in ((file, 0.25), (other, 1.5)):
        times = {"rank_eta": seconds, "avg_event_process_time": seconds, "queue_eta": seconds}
        output = {"data": ["", [["Hi", "Hello"]], ""], "duration": seconds}
        ends = {"success": True, "cache_duration": seconds, "avg_time": seconds}
        script = [
            Message({"msg": "estimation", "rank": 1, "queue_size": 2, **times}),
            Message({"msg": "process_starts", "eta": seconds}),
            Message({"msg": "process_completed", "output": output, **ends}),
        ]
        with FakeSpace(script) as space, record(path), Client(space.url) as client:
            assert client.complete("Hi") == "Hello"
        path.write_text(path.read_text().replace(space.url, "URL"))
    assert file.read_text() == other.read_text()
    assert '{"msg": "estimation", "rank": 1, "queue_size": 2}' in file.read_text()


def test_a_recording_has_a_message_a_line(url, file):
    lines = file.read_text().splitlines()
    messages = [json.loads(line.strip().rstrip(",")) for line in lines if '{"msg": ' in line]
    assert [message["msg"] for message in messages].count("process_completed") == 3
    assert "heartbeat" not in file.read_text()


def test_what_was_not_recorded_is_an_error_that_says_how_to(url, file):
    with pytest.raises(NotRecordedError, match=r"record\('.*answers.json'\)") as caught:
        with replay(file), Client(url) as client:
            client.complete("Four")
    assert "'Four'" in str(caught.value)


def test_an_error_that_the_code_has_caught_comes_at_the_end(url, file):
    with pytest.raises(NotRecordedError):
        with replay(file), Client(url) as client:
            answers = list(client.map(["One", "Four"]))
            assert [answer.error is None for answer in answers] == [True, False]


def test_a_missing_file_says_how_to_record_it(file):
    with pytest.raises(NotRecordedError, match="There is no .*answers.json.*Record it"):
        with replay(file):
            pass


def test_a_file_that_is_too_large_is_refused(file, monkeypatch):
    monkeypatch.setattr("qwen25.testing.recording._MOST_BYTES", 2 << 20)
    content = b'{"form": 1, "spaces": {}}'
    file.write_bytes(content + b" " * ((2 << 20) - len(content)))
    with replay(file):
        pass
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(InvalidRequestError, match="it has more than 2 MiB"), replay(file):
        pass


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"form": 2}', '{"form": 1, "spaces": []}'])
def test_a_file_of_another_kind_is_refused(file, text):
    file.write_text(text)
    with pytest.raises(InvalidRequestError, match="is not a recording"):
        with replay(file):
            pass


def test_the_same_question_is_answered_in_order_and_then_as_last(file):
    with FakeSpace(["last"], first=[["first"]]) as space, record(file):
        with Client(space.url) as client:
            assert [client.complete("Hi") for _ in range(2)] == ["first", "last"]
    with replay(file), Client(space.url) as client:
        assert [client.complete("Hi") for _ in range(3)] == ["first", "last", "last"]


def test_a_failed_answer_fails_again(file):
    with FakeSpace(["Hello", Fail("Out of memory")]) as space:
        for recording in (record(file), replay(file)):
            with recording, Client(space.url) as client, pytest.raises(GenerationError) as caught:
                client.complete("Hi")
            assert (caught.value.partial, caught.value.detail) == ("Hello", "Out of memory")


def test_a_broken_answer_breaks_again(file):
    with FakeSpace(["Hello", Drop()]) as space:
        for recording in (record(file), replay(file)):
            with recording, Client(space.url) as client:
                with pytest.raises(StreamInterruptedError) as caught:
                    list(client.stream("Hi"))
            assert caught.value.partial == "Hello"


def test_an_answer_that_was_left_early_is_left_early_again(file):
    with FakeSpace(["Hello", " world"]) as space:
        for recording in (record(file), replay(file)):
            with recording, Client(space.url) as client, client.stream("Hi") as stream:
                assert next(stream) == "Hello"


def test_a_block_that_raises_leaves_the_file_as_it_was(url, file):
    before = file.read_text()
    with pytest.raises(ZeroDivisionError), FakeSpace(echo) as space, record(file):
        with Client(space.url) as client:
            client.complete("Four")
        raise ZeroDivisionError
    assert file.read_text() == before


def test_a_client_that_was_used_before_is_recorded_whole(file):
    with FakeSpace(echo) as space, Client(space.url) as client:
        client.complete("One")
        with record(file):
            client.complete("Two")
    with replay(file), Client() as client:
        assert client.complete("Two") == "Two, after 0"


def test_after_the_block_the_network_is_used_again(url, file):
    with replay(file):
        pass
    with FakeSpace(["Hello"]) as space, Client(space.url) as client:
        assert client.complete("One") == "Hello"


def test_several_spaces_are_told_apart_by_their_names(file):
    with FakeSpace(["one"]) as first, FakeSpace(["two"]) as second, record(file):
        for space in (first, second):
            with Client(space.url) as client:
                client.complete("Hi")
    with replay(file):
        for space, text in ((second, "two"), (first, "one")):
            with Client(space.url) as client:
                assert client.complete("Hi") == text
    with pytest.raises(NotRecordedError, match="no answers of Qwen/Qwen2.5"), replay(file):
        Client().complete("Hi")


def test_answers_are_replayed_in_an_event_loop(url, file):
    async def ask():
        async with AsyncClient(url) as client:
            return await client.complete("One")

    with replay(file):
        assert asyncio.run(ask()) == "One, after 0"


def test_half_a_character_can_be_written_to_a_file(file):
    note = rb'data: {"msg": "log", "level": "info", "log": "a\ud83d", "event_id": "1"}'
    with FakeSpace([Raw(note + b"\n\n"), "Hello"]) as space:
        for recording in (record(file), replay(file)):
            notes = []
            with recording, Client(space.url) as client:
                client.complete("Hi", on_event=notes.append)
            assert [each.text[0] for each in notes if isinstance(each, Note)] == ["a"]
    assert file.read_bytes().decode("utf-8")


MARKED = """
import pytest
from qwen25 import complete

@pytest.mark.qwen25_replay
def test_hello():
    assert complete("Hi") == "Hello"

@pytest.mark.qwen25_replay("named.json")
@pytest.mark.parametrize("prompt", ["Hi"])
def test_named(prompt):
    assert complete(prompt) == "Hello"
"""


@pytest.mark.parametrize("plugin", ["entry point", "-p"])
def test_a_marked_test_is_recorded_and_then_replayed(plugin, tmp_path, monkeypatch):
    if plugin == "-p":
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        monkeypatch.setenv("PYTEST_ADDOPTS", "-p qwen25.pytest_plugin")

    def pytest_run(*options):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "."],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=60,
        )
        return done.returncode, done.stdout

    (tmp_path / "test_marked.py").write_text(MARKED)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    code, output = pytest_run()
    assert code == 1 and "pytest --qwen25-record" in output
    with FakeSpace(["Hello"]) as space:
        monkeypatch.setenv("QWEN25_SPACE", space.url)
        code, output = pytest_run("--qwen25-record")
        assert code == 0, output
    code, output = pytest_run()
    assert code == 0, output
    assert (tmp_path / "named.json").exists()
    assert (tmp_path / "recordings" / "test_marked" / "test_hello.json").exists()


@pytest.mark.parametrize("space", SPACES)
def test_the_answers_of_real_servers_are_replayed_to_a_client(space):
    """The recordings of this project are in the same form, of every layout."""
    with replay(FOLDER / f"{space}.json"), Client(model="7B", system="Answer briefly.") as client:
        for name, text in TEXTS.items():
            assert client.complete(PROMPTS[name]) == text
        history = client.complete(PROMPTS["history"], history=HISTORY)
        assert history == HISTORY_TEXT
        with pytest.raises(GenerationError) as caught:
            client.complete(PROMPTS["break"])
    assert caught.value.partial == BROKEN_OFF


@pytest.mark.parametrize(
    "path",
    [path for path in PATHS if path.stem not in CHATLESS and path not in BY_API],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_what_a_page_was_answered_is_replayed_to_a_client(path):
    """The client sends the values of the page, and reads the text that the page shows."""
    first = walks_of(path)["first"]
    with replay(path), Client(max_retries=0) as client:
        assert client.complete(first["query"]) == first["text"]
