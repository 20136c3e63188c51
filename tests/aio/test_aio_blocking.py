"""What `AsyncClient` does with functions and generators over the blocking client."""

from __future__ import annotations

import asyncio

import pytest

from qwen25 import Client, UnknownModelError
from qwen25.aio import AsyncClient
from qwen25.testing import FakeSpace, Gate, Repeat


def test_one_asks_with_a_client_that_is_there():
    async def main():
        async with AsyncClient.of(blocking) as client:
            return await client.complete("Hi")

    with FakeSpace() as space:
        blocking = Client(space.url)
        assert asyncio.run(main()) == "Hello world"
        with pytest.raises(ValueError):
            blocking.complete("Hi")  # it was closed too


def test_a_function_runs_in_a_thread_and_its_error_comes_back():
    async def main():
        async with AsyncClient(space.url) as client:
            assert "72B" in await client.run(lambda blocking: blocking.models)
            with pytest.raises(UnknownModelError):
                await client.run(lambda blocking: blocking.space.size("gpt-4"))

    with FakeSpace() as space:
        asyncio.run(main())


def test_cancelling_a_function_cancels_what_it_asks():
    async def main():
        async with AsyncClient(space.url) as client:
            task = asyncio.ensure_future(client.run(lambda blocking: blocking.complete("Hi")))
            while not space.open_streams:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait([task])

    with FakeSpace([Gate()]) as space:
        asyncio.run(main())
        space.wait_for(lambda: space.left == 1)


def test_leaving_a_generator_closes_what_it_reads():
    closed = []

    def pieces(blocking):
        try:
            with blocking.stream("Hi") as stream:
                yield from stream
        finally:
            closed.append(True)

    async def main():
        async with AsyncClient(space.url) as client:
            items = client.iterate(pieces)
            assert await items.__anext__() == "more "
            await items.aclose()

    with FakeSpace([Repeat(["more ", Gate()])]) as space:
        asyncio.run(main())
        space.wait_for(lambda: space.left == 1 and closed)


def test_json_is_awaited():
    async def main():
        async with AsyncClient(space.url) as client:
            return await client.json("Hi")

    with FakeSpace('Here: {"a": 1}') as space:
        assert asyncio.run(main()) == {"a": 1}
