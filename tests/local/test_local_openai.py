"""The openai package, through the door, answered by a real model."""

from __future__ import annotations

import asyncio

import pytest

from qwen25 import Client

openai = pytest.importorskip("openai")
if not hasattr(openai, "OpenAI"):
    pytest.skip("openai is older than 1.0", allow_module_level=True)

QUESTION = {
    "model": "72B",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
}
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def base_url(space):
    from qwen25.openai import serve

    with Client(space.url) as client, serve(client) as server:
        yield server.base_url


def test_openai_is_told_the_capital_of_france(base_url):
    with openai.OpenAI(base_url=base_url, api_key="none") as client:
        whole = client.chat.completions.create(**QUESTION)
        stream = client.chat.completions.create(**QUESTION, stream=True)
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
    assert "Paris" in whole.choices[0].message.content
    assert "Paris" in "".join(pieces)
    assert sum(map(bool, pieces)) > 1


def test_openai_on_asyncio_is_told_the_capital_of_france(base_url):
    async def main():
        async with openai.AsyncOpenAI(base_url=base_url, api_key="none") as client:
            whole = await client.chat.completions.create(**QUESTION)
            stream = await client.chat.completions.create(**QUESTION, stream=True)
            pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
        return whole.choices[0].message.content, "".join(pieces)

    for text in asyncio.run(main()):
        assert "Paris" in text
