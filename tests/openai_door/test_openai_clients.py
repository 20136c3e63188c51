"""The openai package, new and old, against a scripted Space; it is skipped where it is missing.
`make matrix` has environments with each.
"""

from __future__ import annotations

import asyncio

import pytest
from doors import PATIENCE

from qwen25.testing import Fail, FakeSpace, Gate, Message, Repeat

HELLO = [{"role": "user", "content": "Hi"}]
#: All of these bring warnings of their own.
pytestmark = pytest.mark.filterwarnings("ignore")


# The openai package, since 1.0


@pytest.fixture
def openai():
    module = pytest.importorskip("openai")
    if not hasattr(module, "OpenAI"):
        pytest.skip(f"openai {module.VERSION} has another interface")
    return module


@pytest.fixture
def client(openai, opened):
    with openai.OpenAI(base_url=opened.base_url, api_key="none", timeout=PATIENCE) as client:
        yield client


def test_openai_gets_a_whole_answer(client):
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert answer.choices[0].message.content == "Hello world"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens > 0
    assert answer.model == "7B"


def test_openai_gets_a_stream(client):
    stream = client.chat.completions.create(
        model="72B", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    said = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(said) == "Hello world"
    assert chunks[-1].usage.total_tokens > 0


def test_openai_gets_several_answers_and_completions(client):
    answer = client.chat.completions.create(model="72B", messages=HELLO, n=2, temperature=0.1)
    assert [choice.message.content for choice in answer.choices] == ["Hello world"] * 2
    answer = client.completions.create(model="72B", prompt="Hi")
    assert answer.choices[0].text == "Hello world"


def test_openai_s_stop_stops(client, space):
    space.answer = ["One. ST", "OP", Repeat(["more", Gate()])]
    stream = client.chat.completions.create(model="72B", messages=HELLO, stop="STOP", stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "One. "
    space.wait_for(lambda: space.left == 1)


def test_openai_that_leaves_a_stream_stops_the_space(client, space):
    space.answer = [Repeat(["more ", Gate()])]
    with client.chat.completions.create(model="72B", messages=HELLO, stream=True) as stream:
        for chunk in stream:
            if chunk.choices[0].delta.content:
                break
    space.wait_for(lambda: space.left == 1)


def test_openai_hands_out_thoughts(openai, door):
    thought, answer = {"metadata": {"title": "Thinking"}, "content": "Hm."}, {"content": "Yes"}
    turns = [{"role": "assistant", **each} for each in (thought, answer)]
    shown = [{"role": "user", "content": "Hi"}, *turns]
    message = {"msg": "process_completed", "success": True, "output": {"data": ["", shown, ""]}}
    with FakeSpace(Message(message), layout="messages") as space:
        url = door(space).base_url
        with openai.OpenAI(base_url=url, api_key="none", timeout=PATIENCE) as client:
            options = {"model": "72B", "messages": HELLO}
            said = client.chat.completions.create(**options).choices[0].message
            stream = client.chat.completions.create(**options, stream=True)
            deltas = [chunk.choices[0].delta for chunk in stream]
    assert (said.content, said.reasoning_content) == ("Yes", "Hm.")
    assert "".join(getattr(each, "reasoning_content", "") for each in deltas) == "Hm."


def test_openai_lists_models(client):
    assert "72B" in [model.id for model in client.models.list()]
    assert client.models.retrieve("gpt-4o-mini").id == "gpt-4o-mini"


def test_openai_raises_its_errors(openai, client, space):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-4", messages=HELLO)
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="72B", messages=HELLO, tools=[{"type": "function"}])
    assert "does not support tools" in str(caught.value)
    space.answer = Fail("Out of memory")
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="72B", messages=HELLO)
    assert "Out of memory" in str(caught.value)
    joins = [each for each in space.requests if each.path.endswith("/queue/join")]
    assert len(joins) == 1  # what has failed was not asked for again


def test_openai_learns_of_a_failure_in_the_middle(openai, client, space):
    space.answer = ["Hello", Fail("Out of memory")]
    stream = client.chat.completions.create(model="72B", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError) as caught:
        list(stream)
    assert "Out of memory" in str(caught.value)


def test_openai_sends_the_key(openai, door, space):
    opened = door(space, key="s3cret")
    for key in ("s3cret", "wrong"):
        with openai.OpenAI(base_url=opened.base_url, api_key=key, max_retries=0) as client:
            if key == "s3cret":
                assert client.models.list().data
            else:
                with pytest.raises(openai.AuthenticationError):
                    client.models.list()


def test_openai_on_asyncio_gets_answers(openai, opened, space):
    async def main():
        async with openai.AsyncOpenAI(base_url=opened.base_url, api_key="none") as client:
            whole = await client.chat.completions.create(model="72B", messages=HELLO)
            stream = await client.chat.completions.create(model="72B", messages=HELLO, stream=True)
            pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
            space.answer = [Gate()]
            task = asyncio.ensure_future(
                client.chat.completions.create(model="72B", messages=HELLO)
            )
            while not space.open_streams:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait([task])
            return whole.choices[0].message.content, "".join(pieces)

    assert asyncio.run(main()) == ("Hello world", "Hello world")
    space.wait_for(lambda: space.left == 1)


def test_openai_parses_json(openai, client, space):
    pydantic = pytest.importorskip("pydantic")
    pytest.importorskip("jsonschema")

    class City(pydantic.BaseModel):
        name: str

    parse = getattr(client.chat.completions, "parse", None) or client.beta.chat.completions.parse
    space.answer = 'Here: {"name": "Paris"}'
    answer = parse(model="72B", messages=HELLO, response_format=City)
    assert answer.choices[0].message.parsed == City(name="Paris")


# The openai package before 1.0


@pytest.fixture
def old_openai(opened, monkeypatch):
    module = pytest.importorskip("openai")
    if not hasattr(module, "ChatCompletion") or hasattr(module, "OpenAI"):
        pytest.skip("openai is newer than 0.28")
    monkeypatch.setattr(module, "api_base", opened.base_url)
    monkeypatch.setattr(module, "api_key", "none")
    return module


def test_old_openai_gets_a_whole_answer(old_openai):
    answer = old_openai.ChatCompletion.create(model="gpt-4o-mini", messages=HELLO)
    assert answer.choices[0].message.content == "Hello world"
    assert answer["usage"]["total_tokens"] > 0


def test_old_openai_gets_a_stream(old_openai):
    stream = old_openai.ChatCompletion.create(model="72B", messages=HELLO, stream=True)
    said = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in stream)
    assert said == "Hello world"


def test_old_openai_raises_its_errors(old_openai, space):
    with pytest.raises(old_openai.error.InvalidRequestError):
        old_openai.ChatCompletion.create(model="gpt-4", messages=HELLO)
    space.answer = Fail("Out of memory")
    with pytest.raises(old_openai.error.ServiceUnavailableError):
        old_openai.ChatCompletion.create(model="72B", messages=HELLO)
    space.answer = ["Hello", Fail("Out of memory")]
    with pytest.raises(old_openai.error.OpenAIError):
        list(old_openai.ChatCompletion.create(model="72B", messages=HELLO, stream=True))


def test_old_openai_s_stop_stops(old_openai, space):
    space.answer = ["One. ST", "OP", Repeat(["more", Gate()])]
    answer = old_openai.Completion.create(model="72B", prompt="Hi", stop=["STOP"])
    assert answer.choices[0].text == "One. "
    space.wait_for(lambda: space.left == 1)
