"""`OpenAI` in process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from qwen25 import Client, GenerationError, InvalidRequestError, UnknownModelError
from qwen25.openai import OpenAI
from qwen25.testing import Fail, FakeSpace, Gate, Repeat

HELLO = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def space():
    with FakeSpace(["Hello", " world"]) as space:
        yield space


@pytest.fixture
def openai(space):
    with Client(space.url) as client:
        yield OpenAI(client, aliases={"gpt-4o-mini": "7B"})


def test_an_answer_has_attributes_and_items(openai):
    answer = openai.chat.completions.create(model="72B", messages=HELLO)
    assert answer.choices[0].message.content == "Hello world"
    assert answer["choices"][0]["message"]["content"] == "Hello world"
    assert answer.usage.total_tokens == answer["usage"]["total_tokens"] > 0
    assert (
        answer.model_dump()
        == json.loads(json.dumps(answer))
        == json.loads(answer.model_dump_json())
    )
    with pytest.raises(AttributeError):
        answer.nothing


def test_a_stream_is_an_iterator_of_chunks(openai):
    stream = openai.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True)
    chunks = list(stream)
    assert "".join(each.choices[0].delta.get("content", "") for each in chunks) == "Hello world"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[0]["model"] == "7B"


@pytest.mark.parametrize("way", ["break", "close", "with"])
def test_leaving_a_stream_stops_the_space(openai, space, way):
    space.answer = [Repeat(["more ", Gate()])]
    stream = openai.chat.completions.create(model="72B", messages=HELLO, stream=True)
    if way == "break":
        for _ in stream:
            break
    elif way == "close":
        next(stream)
        next(stream)
        stream.close()
    else:
        with stream:
            next(stream)
    space.wait_for(lambda: space.left == 1 or space.open_streams == 0)


def test_a_message_of_an_answer_can_be_sent_back(openai, space):
    asked = []
    space.answer = lambda question: asked.append(question.history) or "Yes"
    message = openai.chat.completions.create(model="72B", messages=HELLO).choices[0].message
    openai.chat.completions.create(model="72B", messages=[*HELLO, message, *HELLO])
    assert asked[1] == [*HELLO, {"role": "assistant", "content": "Yes"}]


def test_a_completion_has_text(openai):
    answer = openai.completions.create(model="72B", prompt="Hi", n=2)
    assert [choice.text for choice in answer.choices] == ["Hello world"] * 2


def test_models_are_listed(openai):
    listed = openai.models.list()
    assert [each.id for each in listed] == [each["id"] for each in listed.data]
    assert openai.models.retrieve("gpt-4o-mini").id == "gpt-4o-mini"
    with pytest.raises(UnknownModelError):
        openai.models.retrieve("gpt-4")


def test_errors_are_those_of_this_library(openai, space):
    with pytest.raises(InvalidRequestError):
        openai.chat.completions.create(model="72B", messages=HELLO, tools=[{}])
    with pytest.raises(UnknownModelError):
        openai.chat.completions.create(model="gpt-4", messages=HELLO)
    space.answer = Fail("Out of memory")
    with pytest.raises(GenerationError):
        openai.chat.completions.create(model="72B", messages=HELLO)


def test_json_is_asked_for(openai, space):
    space.answer = 'Sure: {"a": 1}'
    answer = openai.chat.completions.create(
        model="72B", messages=HELLO, response_format={"type": "json_object"}
    )
    assert json.loads(answer.choices[0].message.content) == {"a": 1}


def test_closing_closes_what_it_has_made(space, monkeypatch):
    monkeypatch.setenv("QWEN25_SPACE", space.url)
    with OpenAI() as openai:
        assert openai.models.list().data
    with pytest.raises(InvalidRequestError):
        openai.models.list()
    with Client() as client:
        OpenAI(client).close()
        assert client.models


def test_a_client_of_another_kind_is_refused():
    with pytest.raises(InvalidRequestError):
        OpenAI("https://api.example")


def test_it_needs_no_extra():
    code = (
        "import sys; sys.modules.update(starlette=None, uvicorn=None)\n"
        "import qwen25.openai as door\n"
        "door.OpenAI\n"
        "for use in (lambda: door.create_app, lambda: door.serve().__enter__()):\n"
        "    try: use()\n"
        "    except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, timeout=60)
    assert done.stdout.count(b"qwen25[api]") == 2
