"""The plugin for `llm`, run by the real command and through its Python interface."""

import asyncio
import json
import os
import subprocess
import sys

import pytest

from qwen25.testing import Fail, FakeSpace, Gate, Replace

llm = pytest.importorskip("llm")

#: Seconds after which a test gives up; the command imports much.
PATIENCE = 60

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@pytest.fixture
def space():
    with FakeSpace(["Hello", " world"]) as space:
        yield space


@pytest.fixture
def run(space, tmp_path):
    """Run `llm`, as a user would, with an empty folder of its own."""

    def run(*arguments, input="", **changes):
        environment = {**os.environ, "QWEN25_SPACE": space.url, "LLM_USER_PATH": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-m", "llm", *arguments],
            input=input,
            env={**environment, **changes},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=PATIENCE,
        )

    return run


def joined(space):
    """What was asked: the data of each request that joined the queue."""
    return [request.json["data"] for request in space.requests if request.method == "POST"]


def turns(history):
    """The texts of a history of pairs, however a text is written there."""
    texts = [text for pair in history for text in pair]
    return [text["text"] if isinstance(text, dict) else text for text in texts]


@pytest.mark.parametrize("options", [[], ["--no-stream"], ["--async"]], ids=["", "whole", "async"])
def test_the_command_prints_the_answer(run, space, options):
    done = run("-m", "qwen25", *options, "-s", "Be kind", "Hi")
    assert (done.returncode, done.stdout) == (0, "Hello world\n"), done.stderr
    (asked,) = joined(space)
    assert asked[0] == "Hi"
    assert asked[2:] == ["Be kind", "72B"]


def test_a_size_is_part_of_the_name_of_the_model(run, space):
    assert run("-m", "qwen25/7B", "Hi").stdout == "Hello world\n"
    assert joined(space)[0][3] == "7B"
    listed = run("models").stdout
    assert "qwen25/Coder-1.5B" in listed


def test_a_conversation_is_continued_as_messages(run, space):
    run("-m", "qwen25", "-s", "Be kind", "My name is Ada")
    done = run("-c", "What is my name?")
    assert done.stdout == "Hello world\n", done.stderr
    first, second = joined(space)
    assert second[0] == "What is my name?"
    assert turns(second[1]) == ["My name is Ada", "Hello world"]
    assert second[2] == "Be kind"


def test_a_chat_sends_its_earlier_turns(run, space):
    done = run("chat", "-m", "qwen25", "-s", "Be kind", input="One\nTwo\nThree\nquit\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Hello world") == 3
    asked = joined(space)
    assert [each[0] for each in asked] == ["One", "Two", "Three"]
    assert turns(asked[2][1]) == ["One", "Hello world", "Two", "Hello world"]
    assert [each[2] for each in asked] == ["Be kind"] * 3


def test_answers_are_in_the_log(run):
    run("-m", "qwen25", "Hi")
    (entry,) = json.loads(run("logs", "--json").stdout)
    assert (entry["model"], entry["prompt"], entry["response"]) == ("qwen25", "Hi", "Hello world")


def test_the_space_is_an_option(run, space):
    nowhere = "http://127.0.0.1:9"
    done = run("-m", "qwen25", "-o", "space", space.url, "Hi", QWEN25_SPACE=nowhere)
    assert done.stdout == "Hello world\n", done.stderr


def test_the_timeout_is_an_option(run, space):
    space.answer = ["Hello", Gate(), " world"]
    done = run("-m", "qwen25", "-o", "timeout", "2", "Hi")
    assert done.stdout.startswith("Hello")
    assert "2 s" in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize("command", [["prompt"], ["prompt", "--async"], ["chat"]])
def test_a_failure_is_one_line_and_the_partial_text_is_kept(run, space, command):
    space.answer = ["Hello", Fail("Out of memory")]
    chat = command == ["chat"]
    done = run(*command, "-m", "qwen25", *([] if chat else ["Hi"]), input="Hi\n" if chat else "")
    assert done.returncode == 1
    assert "Hello" in done.stdout
    assert done.stderr.startswith("Error: ")
    assert "Out of memory" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_error_has_the_partial_text_and_its_cause(space):
    from qwen25 import GenerationError
    from qwen25.llm_plugin import AnswerFailed

    space.answer = ["Hello", Fail("Out of memory")]
    with pytest.raises(llm.ModelError, match="Out of memory") as caught:
        llm.get_model("qwen25").prompt("Hi", space=space.url, stream=False).text()
    assert isinstance(caught.value, AnswerFailed)
    assert caught.value.partial == "Hello"
    assert isinstance(caught.value.__cause__, GenerationError)


def test_a_wrong_timeout_is_one_line(run):
    done = run("-m", "qwen25", "-o", "timeout", "-1", "Hi")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


def test_text_that_was_rewritten_follows_whole(space):
    space.answer = ["Hello", " wolrd", Replace("Hello world")]
    text = llm.get_model("qwen25").prompt("Hi", space=space.url).text()
    assert text.endswith("The Space has rewritten its answer:\n\nHello world")


@pytest.mark.parametrize("options", [[], ["--async"]], ids=["", "async"])
def test_an_answer_fits_its_schema(run, space, options):
    pytest.importorskip("jsonschema")
    space.first = ['{"nom": 1}']
    space.answer = 'Here: ```json\n{"name": "Paris"}\n```'
    done = run("-m", "qwen25", *options, "--schema", json.dumps(SCHEMA), "A city")
    assert json.loads(done.stdout) == {"name": "Paris"}, done.stderr
    assert len(joined(space)) == 2


def test_an_answer_that_does_not_fit_its_schema_is_an_error(run, space):
    pytest.importorskip("jsonschema")
    space.answer = "No JSON today"
    done = run("-m", "qwen25", "--schema", json.dumps(SCHEMA), "A city")
    assert done.returncode == 1
    assert "there is no JSON in it" in done.stderr


def test_an_asynchronous_conversation_is_sent_as_messages(space):
    async def ask():
        conversation = llm.get_async_model("qwen25").conversation()
        first = await conversation.prompt("One", space=space.url).text()
        return first, await conversation.prompt("Two", space=space.url).text()

    assert asyncio.run(ask()) == ("Hello world", "Hello world")
    assert turns(joined(space)[1][1]) == ["One", "Hello world"]


def test_messages_of_newer_versions_are_sent_as_they_are(space):
    pytest.importorskip("llm.parts")
    messages = [llm.user("One"), llm.assistant("1"), llm.user("Two")]
    response = llm.get_model("qwen25").prompt(messages=messages, space=space.url)
    assert response.text() == "Hello world"
    (asked,) = joined(space)
    assert asked[0] == "Two"
    assert turns(asked[1]) == ["One", "1"]


def test_what_is_not_text_is_refused(space):
    parts = pytest.importorskip("llm.parts")
    picture = parts.AttachmentPart(attachment=llm.Attachment(content=b"", type="image/png"))
    messages = [parts.Message(role="user", parts=[picture])]
    with pytest.raises(llm.ModelError, match="AttachmentPart"):
        llm.get_model("qwen25").prompt(messages=messages, space=space.url).text()
    assert not joined(space)
