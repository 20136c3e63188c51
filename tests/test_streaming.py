"""A stream in the hands of its user."""

import threading

import pytest
import requests

import qwen25
from qwen25 import Client, GenerationError, InvalidRequestError, Note, Text
from qwen25.testing import Fail, FakeSpace, Hang, Repeat, Replace

SCRIPT = ["Hello", " big", " world"]


@pytest.fixture
def space():
    with FakeSpace(SCRIPT) as space:
        yield space


@pytest.fixture
def client(space):
    with Client(space.url) as client:
        yield client


def test_text_grows_with_the_pieces(client):
    stream = client.stream("Hi")
    assert stream.text == ""
    assert next(stream) == "Hello"
    assert stream.text == "Hello"
    assert list(stream) == [" big", " world"]
    assert stream.text == "Hello big world"


def test_the_request_is_in_the_queue_when_stream_returns(client, space):
    with client.stream("Hi") as stream:
        assert space.requests[-2].path.endswith("/queue/join")
        assert stream.event_id
        assert len(stream.session_hash) == 10


def test_events_and_pieces_are_one_answer(client):
    stream = client.stream("Hi")
    texts = [event for event in stream.events() if isinstance(event, Text)]
    assert texts == [Text("Hello"), Text(" big"), Text(" world")]


def test_next_after_the_end_stops_and_stops_again(client):
    stream = client.stream("Hi")
    assert list(stream) == SCRIPT
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(stream)
    assert list(stream) == []


def test_result_reads_to_the_end_from_anywhere(client):
    stream = client.stream("Hi")
    next(stream)
    assert stream.result() == "Hello big world"
    assert stream.result() == "Hello big world"


def test_the_result_of_a_stream_that_was_left_is_an_error(client):
    stream = client.stream("Hi")
    for _ in stream:
        break
    assert stream.text == "Hello"
    with pytest.raises(InvalidRequestError, match="closed before its end"):
        stream.result()


def test_a_rewrite_is_said_and_the_text_is_right():
    with FakeSpace(["The answer is 41", Replace("The answer is 42")]) as space:
        with Client(space.url) as client, client.stream("Hi") as stream:
            assert list(stream) == ["The answer is 41", "2"]
            assert stream.rewritten
            assert stream.text == "The answer is 42"


def test_an_empty_answer_has_no_pieces():
    with FakeSpace([]) as space, Client(space.url) as client:
        assert list(client.stream("Hi")) == []
        assert client.complete("Hi") == ""


def test_an_error_in_mid_answer_keeps_what_came():
    with FakeSpace(["Hello", Fail("too long")]) as space, Client(space.url) as client:
        pieces = []
        with pytest.raises(GenerationError) as caught:
            for piece in client.stream("Hi"):
                pieces.append(piece)
    assert pieces == ["Hello"]
    assert caught.value.partial == "Hello"
    assert caught.value.detail == "too long"


@pytest.mark.parametrize("leave", ["break", "raise", "with", "close", "del"])
def test_leaving_closes_the_connection(leave):
    """The server sees it at once, though it would have hung for ever."""
    with FakeSpace(["Hello", Hang()]) as space, Client(space.url) as client:
        stream = client.stream("Hi")
        if leave == "break":
            for _ in stream:
                break
        elif leave == "raise":
            with pytest.raises(ZeroDivisionError):
                for _ in stream:
                    1 / 0
        elif leave == "with":
            with stream:
                next(stream)
        elif leave == "close":
            next(stream)
            stream.close()
            stream.close()
        else:
            next(stream)
            del stream
        space.wait_for(lambda: space.left == 1)


def test_a_client_is_usable_after_leaving(client):
    for _ in client.stream("Hi"):
        break
    assert client.complete("Hi") == "Hello big world"


def test_its_repr_tells_how_far_it_is(client):
    stream = client.stream("Hi")
    assert "open" in repr(stream)
    stream.result()
    assert "complete" in repr(stream)
    assert "15 characters" in repr(stream)


def reading_until(stream, pieces):
    """A thread that reads; what it raised is put into the list, and the event is set by then."""
    came, raised = threading.Event(), []

    def read():
        try:
            for count, _ in enumerate(stream, start=1):
                if count == pieces:
                    came.set()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    return thread, came, raised


@pytest.mark.parametrize("pieces", [1, 7, 50])
def test_a_stream_that_another_thread_closes_ends_quietly_at_any_moment(pieces):
    with FakeSpace([Repeat(["piece"])]) as space, Client(space.url) as client:
        for number in range(15):
            stream = client.stream("Hi")
            thread, came, raised = reading_until(stream, pieces)
            assert came.wait(20)
            stream.close()
            thread.join(20)
            assert not thread.is_alive()
            assert raised == []
            space.wait_for(lambda: space.left == number + 1)  # noqa: B023


@pytest.mark.parametrize("own", [True, False])
def test_closing_ends_the_wait_for_the_first_word(own):
    """Also on a session of the user's own, whose sockets are known only when one has answered."""
    script = [Hang()] if own else ["Hello", Hang()]
    session = None if own else requests.Session()
    with FakeSpace(script) as space, Client(space.url, session=session) as client:
        stream = client.stream("Hi")
        thread, came, raised = reading_until(stream, 1)
        space.wait_for(lambda: any(r.path.endswith("/data") for r in space.requests))
        assert own or came.wait(20)
        stream.close()
        thread.join(20)
        assert not thread.is_alive()
        assert raised == []
    if session is not None:
        session.close()


def left_in_a_with_block(client):
    with client.stream("Hi"):
        pass


@pytest.mark.parametrize(
    "leave",
    [
        pytest.param(lambda client: client.stream("Hi").close(), id="close"),
        pytest.param(left_in_a_with_block, id="with"),
        pytest.param(lambda client: client.stream("Hi") and None, id="garbage"),
    ],
)
def test_a_stream_that_is_left_before_its_first_piece_tells_the_space(leave):
    with FakeSpace(["Hello", Hang()]) as space, Client(space.url) as client:
        leave(client)
        space.wait_for(lambda: space.left == 1)


@pytest.mark.parametrize("ask", ["complete", "stream"])
def test_what_a_callback_raises_comes_out_at_once(ask):
    """Also an error that would be tried again if the Space had caused it."""
    mine = qwen25.QueueFullError("mine")

    def on_event(event):
        raise mine

    with FakeSpace() as space, Client(space.url) as client:
        with pytest.raises(qwen25.QueueFullError) as caught:
            "".join(getattr(client, ask)("Hi", on_event=on_event))
        assert caught.value is mine
        assert len([request for request in space.requests if "join" in request.path]) == 1


def test_an_event_may_close_the_stream_that_tells_it():
    with FakeSpace(["Hello", Note("info", "enough"), "never"]) as space:
        with Client(space.url) as client:
            stream = client.stream("Hi", on_event=lambda event: closing(event))

            def closing(event):
                if isinstance(event, Note):
                    stream.close()

            assert "never" not in list(stream)
