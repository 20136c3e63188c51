"""What a move to the next Space may not do, and when a Space that sleeps is waited for."""

import pytest
from clocks import FakeClock, QuickClock
from hub import mocked_hub

from qwen25 import (
    Client,
    InvalidRequestError,
    NoSpaceAnsweredError,
    StreamInterruptedError,
    Thought,
)
from qwen25.client.spaces import first_that_tells
from qwen25.testing import Drop, FakeSpace, Message, Reply

FULL = Reply(503, b'{"detail": "Queue is full. Max size is 2 and size is 2."}')


def client_of(*spaces, **options):
    client = Client([getattr(space, "url", space) for space in spaces], **options)
    client._clock = QuickClock()
    return client


def joins(space):
    return [request.json for request in space.requests if request.path.endswith("/queue/join")]


# A thought is the beginning of an answer

ANSWERED = [
    {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
    {
        "role": "assistant",
        "metadata": {"title": "Thinking"},
        "content": [{"type": "text", "text": "Let me see."}],
    },
]
THINKING = Message(
    {"msg": "process_generating", "success": True, "output": {"data": ["", ANSWERED, ""]}}
)


def test_no_other_space_is_asked_after_a_thought():
    with FakeSpace([THINKING, Drop()], layout="parts") as first, FakeSpace() as second:
        with client_of(first, second) as client:
            events = []
            with pytest.raises(StreamInterruptedError):
                events.extend(client.stream("Hi", on_event=events.append))
        assert not second.requests
        assert len(joins(first)) == 1
    assert events[-1] == Thought("Thinking", "Let me see.")


def test_complete_asks_the_same_space_again_after_a_thought():
    with FakeSpace(["whole"], first=[[THINKING, Drop()]], layout="parts") as first:
        with FakeSpace() as second, client_of(first, second) as client:
            assert client.complete("Hi") == "whole"
            assert not second.requests


# A conversation in a session


def test_a_session_that_may_have_the_turn_does_not_get_it_twice_after_no_space_answered():
    """Its error says what to do; a cleared conversation begins in a new session."""
    asked = []

    def answer(question):
        asked.append(question)
        return [Drop()] if question.prompt == "Two" else [question.prompt.lower()]

    with FakeSpace(answer, shape="one_step_state") as first, FakeSpace(join=FULL) as second:
        with client_of(first, second, max_retries=0) as client:
            talk = client.conversation()
            talk.send("One")
            with pytest.raises(NoSpaceAnsweredError):
                talk.send("Two")
            with pytest.raises(InvalidRequestError, match="a turn that failed"):
                talk.send("Three")
            talk.clear()
            assert talk.send("Four") == "four"
    assert [question.prompt for question in asked] == ["One", "Two", "Four"]
    sessions = [question.session_hash for question in asked]
    assert sessions[0] == sessions[1] != sessions[2]


def test_a_session_that_cannot_have_the_turn_goes_on_after_no_space_answered():
    """The app keeps the turns in its session alone, so another one would not know them."""
    with FakeSpace(shape="state_only", join=[None, FULL, None]) as first:
        with FakeSpace(join=FULL) as second, client_of(first, second, max_retries=0) as client:
            talk = client.conversation()
            talk.send("One")
            with pytest.raises(NoSpaceAnsweredError):
                talk.send("Two")
            talk.send("Three")
    assert len({join["session_hash"] for join in joins(first)}) == 1


def test_a_session_is_never_continued_in_a_further_round():
    """The first Space is asked again after the second: by then its session may have the turn."""
    with FakeSpace(first=[["one"], [Drop()]], shape="state_only") as first:
        with FakeSpace(join=FULL) as second, client_of(first, second) as client:
            talk = client.conversation()
            talk.send("One")
            with pytest.raises(InvalidRequestError):  # a new session has no place for the history
                talk.send("Two")
    assert len(joins(first)) == 2


# The models of several Spaces


@pytest.fixture
def hub():
    with mocked_hub() as hub:
        yield hub


@pytest.fixture
def client(hub):
    with Client(["a/one", "b/two"]) as client:
        client._clock = FakeClock()
        yield client


def test_models_do_not_wait_for_a_space_that_sleeps_while_another_is_up(hub, client):
    hub.stages.update({"a/one": ["SLEEPING"], "b/two": ["RUNNING"]})
    assert "7B" in client.models
    assert client._clock.slept == []


def test_models_wait_for_a_space_that_sleeps_when_no_other_is_up(hub, client):
    hub.stages.update({"a/one": ["SLEEPING", "SLEEPING", "RUNNING"], "b/two": ["PAUSED"]})
    assert "7B" in client.models
    assert client._clock.slept == [5]


def test_a_model_is_chosen_in_a_chat_without_waiting_for_a_space_that_sleeps(hub, client):
    hub.stages.update({"a/one": ["SLEEPING"], "b/two": ["RUNNING"]})
    assert first_that_tells(client.spaces, lambda space: space.size("7b")) == "7B"
    assert client._clock.slept == []


def test_the_models_of_one_space_that_sleeps_are_waited_for(hub):
    hub.stages["a/one"] = ["SLEEPING", "RUNNING"]
    with Client("a/one") as client:
        client._clock = FakeClock()
        assert "7B" in client.models
        assert client._clock.slept == [5]
