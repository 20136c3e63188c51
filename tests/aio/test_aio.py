"""The asynchronous client says what the blocking one says, and leaves when it is told to."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import pickle
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from clocks import QuickClock
from fault_rows import CAUSES, DEADLINE, ROWS

import qwen25
import qwen25.aio.bridge
from qwen25 import Client, Note, Queued, Started, Text
from qwen25.aio import AsyncClient
from qwen25.client.map import MapRun
from qwen25.testing import Drop, Fail, FakeSpace, Gate, Hang, Repeat, Replace, Reply


def run(main):
    """`asyncio.run`, which no test can hang in."""
    return asyncio.run(asyncio.wait_for(main, 30))


async def in_thread(function, *args):
    """Wait for something that can only be waited for in a thread; the loop goes on."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *args)


async def wait_for(space, predicate):
    await in_thread(space.wait_for, predicate, 5)


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "qwen25-aio"]


def assert_gone(some):
    """No thread outlives the wish to leave."""
    until = time.monotonic() + DEADLINE
    for thread in some:
        thread.join(max(until - time.monotonic(), 0))
        assert not thread.is_alive()


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert_gone(threads())


async def listed(pieces):
    return [piece async for piece in pieces]


# What is said


def test_complete_says_what_the_blocking_client_says():
    async def main(url):
        async with AsyncClient(url) as client:
            return await client.complete("Hi", system="Be brief.", model="7B", history=[])

    with FakeSpace(lambda asked: [f"{asked.size} {asked.system}"]) as space:
        assert run(main(space.url)) == "7B Be brief."


def test_pieces_come_one_by_one_and_in_order():
    pieces = [f"{number} " for number in range(3000)]

    async def main(url):
        async with AsyncClient(url) as client:
            return await listed(client.stream("Hi"))

    with FakeSpace(pieces) as space:
        assert run(main(space.url)) == pieces


def test_a_piece_is_handed_out_while_the_answer_is_still_written():
    gate = Gate()

    async def main(url):
        async with AsyncClient(url) as client, client.stream("Hi") as stream:
            assert await stream.__anext__() == "one"
            assert stream.text == "one"
            gate.set()
            assert await listed(stream) == [" two"]
            assert stream.text == "one two"

    with FakeSpace(["one", gate, " two"]) as space:
        run(main(space.url))


def test_events_come_as_in_the_blocking_stream():
    script = [Queued(1, 2, 3.0), Started(1.5), "one", Note("info", "careful"), " two"]

    async def main(url):
        async with AsyncClient(url) as client:
            return await listed(client.stream("Hi").events())

    with FakeSpace(script) as space:
        with Client(space.url) as client:
            expected = list(client.stream("Hi").events())
        assert run(main(space.url)) == expected
    assert Text(" two") in expected


def test_a_stream_knows_its_names_once_it_is_open():
    async def main(url):
        async with AsyncClient(url) as client:
            stream = client.stream("Hi")
            assert (stream.event_id, stream.session_hash, stream.text) == ("", "", "")
            async with stream:
                assert len(stream.session_hash) == 10
                assert stream.event_id in repr(stream)
                assert not stream.rewritten

    with FakeSpace() as space:
        run(main(space.url))


def test_the_text_is_what_was_handed_out_however_far_the_thread_has_read():
    async def main(url):
        async with AsyncClient(url) as client:
            stream = client.stream("Hi")
            said = ""
            async for piece in stream:
                said += piece
                assert stream.text == said
            return stream.text

    with FakeSpace(["a", "b", "c"] * 200) as space:
        assert run(main(space.url)) == "abc" * 200


def test_the_text_is_right_after_it_was_rewritten():
    async def main(url):
        async with AsyncClient(url) as client:
            stream = client.stream("Hi")
            texts = []
            async for _ in stream:
                texts.append((stream.text, stream.rewritten))
            return texts, stream.text

    with FakeSpace(["Bad", Replace("Good"), " end"]) as space:
        texts, text = run(main(space.url))
    assert [text for text, _ in texts] == ["Bad", "Good", "Good end"]
    assert texts[-1] == ("Good end", True)
    assert text == "Good end"


def test_the_text_is_at_the_end_what_the_server_said_last():
    """Also when it took text back, and so had no further piece to hand out."""

    async def main(url):
        async with AsyncClient(url) as client:
            stream = client.stream("Hi")
            return await listed(stream), stream.text, stream.rewritten

    with FakeSpace(["Hello world", Replace("Hello")]) as space:
        assert run(main(space.url)) == (["Hello world"], "Hello", True)


def test_on_event_is_called_by_the_loop_before_what_comes_later():
    heard = []

    async def main(url):
        here = threading.get_ident()

        def on_event(event):
            assert threading.get_ident() == here
            asyncio.get_running_loop()
            heard.append(event)

        async with AsyncClient(url) as client:
            async for piece in client.stream("Hi", on_event=on_event):
                heard.append(piece)
            await client.complete("Hi", on_event=on_event)

    with FakeSpace([Queued(1, 2), "one", Note("info", "careful"), " two"]) as space:
        run(main(space.url))
    one = [Queued(1, 2), Started(), "one", Note("info", "careful"), " two"]
    assert heard == one + [event for event in one if not isinstance(event, str)]


def test_what_on_event_raises_reaches_the_caller_and_closes_the_stream():
    def on_event(event):
        raise LookupError("no such thing")

    async def main(space):
        async with AsyncClient(space.url) as client:
            with pytest.raises(LookupError):
                await client.complete("Hi", on_event=on_event)
            await wait_for(space, lambda: not space.open_streams)

    with FakeSpace(["one", Hang()]) as space:
        run(main(space))


def test_a_conversation_keeps_the_turns_that_were_finished():
    async def main(url):
        async with AsyncClient(url) as client:
            talk = client.conversation(system="Be brief.")
            assert await talk.send("one") == "0 Be brief."
            assert await listed(talk.stream("two")) == ["2 Be brief."]
            stream = talk.stream("three")
            async for _ in stream:
                break
            await stream.aclose()
            before = list(talk.messages)
            with pytest.raises(qwen25.InvalidRequestError):
                await talk.send("")
            assert talk.messages == before
            talk.undo()
            return talk.messages, before

    with FakeSpace(lambda asked: [f"{len(asked.history)} {asked.system}"]) as space:
        kept, before = run(main(space.url))
    assert kept == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "0 Be brief."},
    ]
    said = [message["content"] for message in before]
    assert said == ["one", "0 Be brief.", "two", "2 Be brief."]


def test_a_turn_that_was_abandoned_is_not_kept_though_the_thread_had_read_it_all():
    async def main(space):
        async with AsyncClient(space.url) as client:
            talk = client.conversation()
            stream = talk.stream("one")
            async for _ in stream:
                await in_thread(assert_gone, threads())
                break
            await stream.aclose()
            return talk.messages

    with FakeSpace(["one", " two"]) as space:
        assert run(main(space)) == []


def test_a_map_keeps_the_order_and_goes_on_after_a_failure():
    def answer(asked):
        return [Fail("no")] if asked.prompt == "2" else [asked.prompt]

    async def main(url):
        async with AsyncClient(url, max_retries=0) as client:
            return await listed(client.map(map(str, range(5)), workers=2))

    with FakeSpace(answer) as space:
        answers = run(main(space.url))
    assert [answer.text for answer in answers] == ["0", "1", None, "3", "4"]
    assert type(answers[2].error) is qwen25.GenerationError


def test_a_map_that_is_left_asks_no_more():
    async def main(space):
        async with AsyncClient(space.url) as client:
            answers = client.map(map(str, itertools.count()), workers=2)
            async for _ in answers:
                break
            running = threads()
            await answers.aclose()
            await in_thread(assert_gone, running)
            await wait_for(space, lambda: not space.open_streams)

    with FakeSpace() as space:
        run(main(space))
        assert len([request for request in space.requests if request.method == "POST"]) < 30


def test_cancelling_a_map_closes_all_its_connections():
    async def main(space):
        async with AsyncClient(space.url) as client:
            task = asyncio.ensure_future(listed(client.map(["1", "2", "3"], workers=3)))
            await wait_for(space, lambda: space.open_streams == 3)
            running = threads()
            await cancelled(task)
            await in_thread(assert_gone, running)
            await wait_for(space, lambda: not space.open_connections)

    with FakeSpace(["one", Hang()]) as space:
        run(main(space))


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"space": "no address"}, id="space"),
        pytest.param({"timeout": 0}, id="timeout"),
        pytest.param({"proxy": "nothing"}, id="proxy"),
    ],
)
def test_arguments_are_checked_when_the_client_is_made(arguments):
    with pytest.raises(qwen25.InvalidRequestError):
        AsyncClient(**arguments)


@pytest.mark.parametrize("prompt", ["", [], [{"role": "nobody", "content": "Hi"}]])
def test_a_wrong_prompt_is_refused_where_the_answer_is_awaited(prompt):
    async def main(url):
        async with AsyncClient(url) as client:
            with pytest.raises(qwen25.InvalidRequestError):
                await client.complete(prompt)
            with pytest.raises(qwen25.InvalidRequestError):
                async with client.stream(prompt):
                    pass
            with pytest.raises(qwen25.InvalidRequestError):
                await listed(client.stream(prompt))

    with FakeSpace() as space:
        run(main(space.url))
        assert not space.requests


def test_a_closed_client_says_so():
    async def main(url):
        client = AsyncClient(url)
        await client.aclose()
        await client.aclose()
        with pytest.raises(qwen25.InvalidRequestError, match="closed"):
            await client.complete("Hi")

    with FakeSpace() as space:
        run(main(space.url))


def test_a_stream_closed_before_it_was_open_says_so():
    async def main(url):
        async with AsyncClient(url) as client:
            stream = client.stream("Hi")
            await stream.aclose()
            with pytest.raises(qwen25.InvalidRequestError, match="closed"):
                async with stream:
                    pass

    with FakeSpace() as space:
        run(main(space.url))
        assert not space.requests


def test_one_client_serves_one_loop_after_the_other():
    with FakeSpace() as space:
        client = AsyncClient(space.url)
        for _ in range(3):
            assert run(client.complete("Hi")) == "Hello world"
        run(client.aclose())
        assert space.connections == 1


def test_an_answer_is_awaited_in_a_loop_that_runs_already_as_in_a_notebook():
    """A notebook's cell is a coroutine in a loop that nobody ends."""
    loop = asyncio.new_event_loop()

    async def cell(client):
        return [await client.complete("Hi"), *[piece async for piece in client.stream("Hi")]]

    with FakeSpace() as space:
        client = AsyncClient(space.url)
        running = threading.Thread(target=loop.run_forever)
        running.start()
        for _ in range(2):
            done = asyncio.run_coroutine_threadsafe(cell(client), loop)
            assert done.result(10) == ["Hello world", "Hello", " world"]
        asyncio.run_coroutine_threadsafe(client.aclose(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        running.join(5)
        loop.close()


def test_importing_the_package_imports_no_asyncio():
    code = "import sys, qwen25; print([name in sys.modules for name in ('asyncio', 'qwen25.aio')])"
    out = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout
    assert out.decode().strip() == "[False, False]"


def test_importing_the_shim_imports_no_requests():
    """Its users start as fast as those of the blocking client."""
    code = "import sys, qwen25.aio; print('requests' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout
    assert out.decode().strip() == "False"


# What goes wrong


async def by_complete(client, pieces):
    await client.complete("Hi")


async def by_stream(client, pieces):
    async for piece in client.stream("Hi"):
        pieces.append(piece)


async def by_events(client, pieces):
    async with client.stream("Hi") as stream:
        async for event in stream.events():
            if isinstance(event, Text):
                pieces.append(event.piece)


async def by_next(client, pieces):
    stream = client.stream("Hi")
    while True:
        try:
            pieces.append(await stream.__anext__())
        except StopAsyncIteration:
            return


WAYS = [by_complete, by_stream, by_events, by_next]


async def fails(client, way):
    pieces = []
    try:
        await way(client, pieces)
    except qwen25.QwenError as error:
        return error, pieces
    raise AssertionError("no error came")


#: The bridge knows no Space: the first row of each error class stands for all.
ONE_OF_EACH = list({row.error: row for row in reversed(ROWS)}.values())


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ONE_OF_EACH])
def test_a_fault_ends_in_its_error(row):
    """The table of the blocking client, asked for in every way at once."""

    async def main(url):
        async with AsyncClient(url, timeout=row.timeout) as client:
            client._client._clock = QuickClock()
            return await asyncio.gather(*[fails(client, way) for way in WAYS])

    begin = time.monotonic()
    with FakeSpace(row.answer, **row.faults) as space:
        outcomes = run(main(space.url))
    assert time.monotonic() - begin < DEADLINE
    for way, (error, pieces) in zip(WAYS, outcomes):
        assert type(error) is row.error
        assert row.says in str(error)
        assert error.partial == row.partial
        assert "".join(pieces) == ("" if way is by_complete else row.partial)
        for name, value in row.facts.items():
            assert getattr(error, name) == value
        cause = error.__cause__
        assert (type(cause).__name__ if cause else None) in CAUSES.get(row.cause, (row.cause,))
        assert type(pickle.loads(pickle.dumps(error))) is row.error


@pytest.mark.parametrize("way", WAYS)
def test_a_refused_connection_is_its_error(way):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # taken, so that nobody else listens there
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        error, pieces = run(fails(AsyncClient(url, max_retries=0), way))
    assert type(error) is qwen25.ConnectionFailedError
    assert pieces == []


def test_complete_asks_again_when_the_stream_breaks():
    async def main(url):
        async with AsyncClient(url) as client:
            client._client._clock = QuickClock()
            return await client.complete("Hi")

    with FakeSpace(first=[["Hel", Drop()]]) as space:
        assert run(main(space.url)) == "Hello world"


# Leaving


def set_soon(event):
    assert event.wait(5)


@contextmanager
def full_backlog():
    """The address of a listener that lets nobody in."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for filler in fillers:
                filler.close()


def came(space, path):
    return lambda: any(request.path.endswith(path) for request in space.requests)


@contextmanager
def connecting(monkeypatch):
    """A connection is being made."""
    begun = threading.Event()
    uses = qwen25.transport.connection.Connection.uses

    def tell(line, sock):
        uses(line, sock)
        begun.set()

    monkeypatch.setattr(qwen25.transport.connection.Connection, "uses", tell)
    with full_backlog() as url:
        yield url, lambda: set_soon(begun), lambda: None


@contextmanager
def shaking_hands(monkeypatch):
    """The greeting of TLS was sent, and is not answered."""
    greeted, left = threading.Event(), threading.Event()

    def listen():
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(20)
            connection.recv(65536)
            greeted.set()
            connection.recv(65536)
            left.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=listen)
        server.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        yield url, lambda: set_soon(greeted), lambda: set_soon(left)
        server.join(20)


@contextmanager
def reached(space, predicate):
    def closed():
        space.wait_for(lambda: not space.open_connections)

    with space:
        yield space.url, lambda: space.wait_for(predicate), closed


def looking(monkeypatch):
    """The Space is asked for its wiring."""
    space = FakeSpace(config=Hang())
    return reached(space, came(space, "/config"))


def joining(monkeypatch):
    """The request is being put into the queue."""
    space = FakeSpace(join=Hang())
    return reached(space, came(space, "/join"))


@contextmanager
def retrying(monkeypatch):
    """The Space was too busy, and has named a time to come again."""
    sleeping = threading.Event()

    class Handler(logging.Handler):
        def emit(self, record):
            if record.getMessage().startswith("trying again in 50"):
                sleeping.set()

    log, level, handler = logging.getLogger("qwen25"), logging.getLogger("qwen25").level, Handler()
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        space = FakeSpace(join=Reply(429, b"", {"Retry-After": "50"}))
        with reached(space, lambda: True) as (url, _, closed):
            yield url, lambda: set_soon(sleeping), closed
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def opening(monkeypatch):
    """The stream was asked for, and its head has not come."""
    space = FakeSpace(data=Hang())
    return reached(space, came(space, "/data"))


@contextmanager
def queued(monkeypatch):
    """Another request is answered first."""
    with FakeSpace(["mine", Hang()], limit=1) as space, Client(space.url) as other:
        first = other.stream("Hi")
        next(first)
        with first:
            yield (
                space.url,
                lambda: space.wait_for(lambda: space.open_streams == 2),
                lambda: space.wait_for(lambda: space.open_streams == 1),
            )


def streaming(monkeypatch):
    """Text has come, and more is waited for."""
    space = FakeSpace(["one", Hang()])
    return reached(space, lambda: space.open_streams)


STAGES = [connecting, shaking_hands, looking, joining, retrying, opening, queued, streaming]


@contextmanager
def at(stage, monkeypatch):
    context = stage(monkeypatch)
    with context as found:
        yield found


async def cancelled(task):
    """Cancel it; the task must not wait for anything."""
    begin = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - begin < DEADLINE


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_cancelling_the_task_closes_the_connection_and_ends_the_thread(stage, way, monkeypatch):
    async def main(url, wait, closed):
        async with AsyncClient(url) as client:
            task = asyncio.ensure_future(way(client, []))
            await in_thread(wait)
            running = threads()
            assert running
            await cancelled(task)
            await in_thread(assert_gone, running)
            await in_thread(closed)

    with at(stage, monkeypatch) as found:
        run(main(*found))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stream_is_closed_by_another_task(stage, monkeypatch):
    """Who waits for it gets what has come, or is told that it was closed before it was open."""

    async def main(url, wait, closed):
        async with AsyncClient(url) as client:
            stream = client.stream("Hi")
            task = asyncio.ensure_future(listed(stream))
            await in_thread(wait)
            running = threads()
            await stream.aclose()
            assert_gone(running)
            await in_thread(closed)
            await asyncio.wait([task])
            if task.exception() is None:
                assert task.result() in ([], ["one"])
            else:
                assert isinstance(task.exception(), qwen25.InvalidRequestError)

    with at(stage, monkeypatch) as found:
        run(main(*found))


@pytest.mark.parametrize("stage", STAGES)
def test_closing_the_client_ends_what_it_still_asks(stage, monkeypatch):
    async def main(url, wait, closed):
        client = AsyncClient(url)
        task = asyncio.ensure_future(client.complete("Hi"))
        await in_thread(wait)
        running = threads()
        await client.aclose()
        assert_gone(running)
        await in_thread(closed)
        with pytest.raises(qwen25.InvalidRequestError, match="closed"):
            await task

    with at(stage, monkeypatch) as found:
        run(main(*found))


@pytest.mark.parametrize("stage", STAGES)
def test_the_end_of_the_loop_closes_the_connection(stage, monkeypatch):
    async def main(url, wait):
        client = AsyncClient(url)
        stream = client.stream("Hi")
        task = asyncio.ensure_future(listed(stream))
        await in_thread(wait)
        return client, stream, task  # kept, so that it is not their end that closes

    with at(stage, monkeypatch) as (url, wait, closed):
        kept = run(main(url, wait))
        assert_gone(threads())
        closed()
        assert kept[2].cancelled()


async def first_piece(stream):
    async for piece in stream:
        return piece


def test_breaking_the_loop_closes_the_connection_though_the_stream_is_kept():
    async def main(space):
        client = AsyncClient(space.url)
        stream = client.stream("Hi")
        async for _ in stream:
            running = threads()
            break
        await wait_for(space, lambda: space.left == 1)
        assert_gone(running)
        assert stream.text == "one"
        assert await listed(stream) == []

    with FakeSpace(["one", Hang()]) as space:
        run(main(space))


def test_an_error_in_the_body_of_the_loop_closes_the_connection():
    async def main(space):
        client = AsyncClient(space.url)
        with pytest.raises(ZeroDivisionError):
            async for _ in client.stream("Hi"):
                1 / 0
        await wait_for(space, lambda: space.left == 1)

    with FakeSpace(["one", Hang()]) as space:
        run(main(space))


def test_leaving_the_block_closes_the_connection():
    async def main(space):
        client = AsyncClient(space.url)
        async with client.stream("Hi") as stream:
            assert await stream.__anext__() == "one"
            running = threads()
        assert_gone(running)
        await wait_for(space, lambda: space.left == 1)

    with FakeSpace(["one", Hang()]) as space:
        run(main(space))


def test_a_stream_that_is_forgotten_closes_the_connection():
    async def main(space):
        client = AsyncClient(space.url)
        stream = client.stream("Hi")
        assert await stream.__anext__() == "one"
        running = threads()
        del stream
        await in_thread(assert_gone, running)
        await wait_for(space, lambda: space.left == 1)

    with FakeSpace(["one", Hang()]) as space:
        gc.collect()
        gc.disable()  # counting the references has to be enough
        try:
            run(main(space))
        finally:
            gc.enable()


def test_a_loop_that_is_closed_without_a_word_leaves_nothing_behind():
    """Neither are its tasks cancelled nor its generators closed, and the stream is kept."""

    async def main(url):
        stream = AsyncClient(url).stream("Hi")
        return stream, await stream.__anext__()

    with FakeSpace([Repeat(["one"])]) as space:
        loop = asyncio.new_event_loop()
        stream, piece = loop.run_until_complete(main(space.url))
        assert piece == "one"
        running = threads()
        loop.close()
        assert_gone(running)
        space.wait_for(lambda: space.left == 1)


def test_the_next_piece_after_the_loop_was_closed_ends_the_thread():
    """However much room there is for more."""

    async def main(url):
        stream = AsyncClient(url).stream("Hi")
        return stream, await stream.__anext__()

    gate = Gate()
    with FakeSpace(["one", gate, "two", Hang()]) as space:
        loop = asyncio.new_event_loop()
        stream, piece = loop.run_until_complete(main(space.url))
        running = threads()
        loop.close()
        gate.set()
        assert_gone(running)
        space.wait_for(lambda: space.left == 1)


def test_a_stream_that_is_forgotten_after_its_loop_closes_the_connection():
    """The server is silent, so that nothing wakes the thread but the end of the stream."""

    async def main(url):
        stream = AsyncClient(url).stream("Hi")
        return stream, await stream.__anext__()

    with FakeSpace(["one", Hang()]) as space:
        loop = asyncio.new_event_loop()
        stream, _ = loop.run_until_complete(main(space.url))
        running = threads()
        loop.close()
        del stream
        assert_gone(running)
        space.wait_for(lambda: space.left == 1)


def test_a_stream_that_nobody_iterates_asks_nothing():
    async def main(url):
        AsyncClient(url).stream("Hi")

    with FakeSpace() as space:
        run(main(space.url))
        assert not space.requests


def test_a_timeout_of_asyncio_closes_the_connection():
    async def main(space):
        client = AsyncClient(space.url)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.complete("Hi"), 2)
        await wait_for(space, lambda: space.left == 1)

    with FakeSpace(["one", Hang()]) as space:
        run(main(space))


def test_the_client_is_usable_after_a_task_was_cancelled():
    async def main(space):
        async with AsyncClient(space.url) as client:
            for _ in range(5):
                space.answer = ["one", Hang()]
                task = asyncio.ensure_future(first_two(client.stream("Hi")))
                left = space.left
                await wait_for(space, lambda: space.open_streams)
                await cancelled(task)
                await wait_for(space, lambda: space.left == left + 1)
                space.answer = ["fine"]
                assert await client.complete("Hi") == "fine"
                await wait_for(space, lambda: not space.open_streams)

    async def first_two(stream):
        async for _ in stream:
            pass

    with FakeSpace() as space:
        run(main(space))


def test_a_finished_answer_keeps_its_connection():
    async def main(url):
        async with AsyncClient(url) as client:
            for _ in range(5):
                await client.complete("Hi")
                await listed(client.stream("Hi"))

    with FakeSpace() as space:
        run(main(space.url))
        assert space.connections == 1
        space.wait_for(lambda: not space.open_connections)


# How much, and how many


def test_two_hundred_streams_run_at_once():
    """Every one of them has begun before the first may end."""
    gate = Gate()

    async def main(space):
        async with AsyncClient(space.url) as client:
            tasks = [
                asyncio.ensure_future(listed(client.stream(str(number)))) for number in range(200)
            ]
            await in_thread(space.wait_for, lambda: space.open_streams == 200, 20)
            gate.set()
            return await asyncio.gather(*tasks)

    with FakeSpace(lambda asked: ["one", gate, asked.prompt]) as space:
        assert run(main(space)) == [["one", str(number)] for number in range(200)]


def test_a_slow_consumer_holds_the_reader():
    """What is read ahead is bounded, and all of it comes."""

    async def main(url):
        async with AsyncClient(url) as client:
            stream = client.stream("Hi")
            most = count = 0
            async for _ in stream:
                count += 1
                if count % 100 == 0:
                    await asyncio.sleep(0)
                most = max(most, len(stream._bridge._queue))
            return most, count

    with FakeSpace(["piece"] * 5000, framing="length") as space:
        most, count = run(main(space.url))
    assert count == 5000
    assert 0 < most <= qwen25.aio.bridge.AHEAD


def test_a_held_reader_leaves_at_once():
    async def main(space):
        async with AsyncClient(space.url) as client:
            stream = client.stream("Hi")
            await stream.__anext__()
            (thread,) = threads()
            full = lambda: len(stream._bridge._queue) == qwen25.aio.bridge.AHEAD  # noqa: E731
            while not full():
                await asyncio.sleep(0.001)
            await stream.aclose()
            assert_gone([thread])

    with FakeSpace([Repeat(["piece"])]) as space:
        run(main(space))


class CountingLoop(asyncio.SelectorEventLoop):
    woken = 0

    def call_soon_threadsafe(self, *args, **kwargs):
        self.woken += 1
        return super().call_soon_threadsafe(*args, **kwargs)


def test_the_loop_is_not_woken_for_each_piece():
    async def main(url):
        async with AsyncClient(url) as client:
            await client.complete("Hi")
            loop = asyncio.get_running_loop()
            before = loop.woken
            assert len(await listed(client.stream("Hi"))) == 10_000
            return loop.woken - before

    loop = CountingLoop()
    with FakeSpace(["piece"] * 10_000, framing="length") as space:
        try:
            woken = loop.run_until_complete(asyncio.wait_for(main(space.url), 30))
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
    assert woken < 1000


def test_a_body_that_works_and_never_waits_leaves_turns_to_others():
    """All pieces are there already, so that the stream itself has nothing to wait for."""
    turns = 0

    async def count():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def main(url):
        nonlocal turns
        async with AsyncClient(url) as client:
            counting = asyncio.ensure_future(count())
            stream = client.stream("Hi")
            assert await stream.__anext__() == "piece"
            await in_thread(assert_gone, threads())  # all has been read
            turns = 0
            async for _ in stream:
                until = time.thread_time() + 0.002
                while time.thread_time() < until:
                    pass
            counting.cancel()

    with FakeSpace(["piece"] * 200, framing="length") as space:
        run(main(space.url))
    assert turns > 20


def test_no_turn_of_the_loop_takes_long_during_a_long_stream():
    """Fifty milliseconds, in time of the processor: by the clock on the wall, other programs count.

    The server is a process of its own, as it is in life: its threads would hold ours up.
    """

    async def watch():
        longest, before = 0.0, time.process_time()
        while True:
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                return longest
            now = time.process_time()
            longest, before = max(longest, now - before), now

    async def main(url):
        async with AsyncClient(url) as client:
            await client.complete("Hi")
            watching = asyncio.ensure_future(watch())
            count = 0
            async for _ in client.stream("Hi"):  # a body that never waits
                count += 1
            watching.cancel()
            assert count == 10_000
            return await watching

    code = (
        "import sys\n"
        "from qwen25.testing import FakeSpace\n"
        "with FakeSpace(['piece'] * 10_000) as space:\n"
        "    print(space.url, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert run(main(server.stdout.readline().decode().strip())) < 0.05
        server.stdin.close()


def test_streams_in_several_loops_share_one_client():
    with FakeSpace(lambda asked: [asked.prompt]) as space:
        client = AsyncClient(space.url)
        with ThreadPoolExecutor(8) as pool:
            asked = [str(number) for number in range(40)]
            got = list(pool.map(lambda prompt: run(client.complete(prompt)), asked))
        run(client.aclose())
    assert got == asked


def test_a_map_that_waits_for_a_busy_space_is_ended_too(monkeypatch):
    """It waits for no connection then, but for the time that the Space has named."""
    waiting = threading.Event()
    wait_limit = MapRun._wait_limit

    def tell(run):
        if not run._in_flight:
            waiting.set()
        return wait_limit(run)

    monkeypatch.setattr(MapRun, "_wait_limit", tell)

    async def main(space):
        async with AsyncClient(space.url) as client:
            task = asyncio.ensure_future(listed(client.map(["one", "two"])))
            await in_thread(set_soon, waiting)
            running = threads()
            assert running
            await cancelled(task)
            await in_thread(assert_gone, running)

    with FakeSpace(join=Reply(429, b"", {"Retry-After": "50"})) as space:
        run(main(space))
