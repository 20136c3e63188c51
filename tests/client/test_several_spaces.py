"""One of several Spaces answers: the first that can."""

import pickle
import socket
import threading
import time
from contextlib import ExitStack

import pytest
from clocks import FakeClock, QuickClock
from hub import mocked_hub
from recordings import TEXTS

import qwen25
from qwen25 import Client, Note, SpaceOptions, Timeout
from qwen25.aio import AsyncClient
from qwen25.client.cancellation import CancelScope
from qwen25.testing import (
    Delay,
    Drop,
    Fail,
    FakeSpace,
    Gate,
    Hang,
    Heartbeat,
    Repeat,
    Reply,
)


@pytest.fixture
def nobody():
    """An address at which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def hub():
    with mocked_hub() as hub:
        yield hub


def client_of(*spaces, **options):
    client = Client([getattr(space, "url", space) for space in spaces], **options)
    client._clock = QuickClock()
    return client


FULL = Reply(503, b'{"detail": "Queue is full. Max size is 2 and size is 2."}')

FAILURES = [
    pytest.param({"join": FULL}, id="its queue is full"),
    pytest.param({"join": Reply(429, b"")}, id="it wants fewer requests"),
    pytest.param({"config": Reply(404, b"")}, id="it is not there"),
    pytest.param({"config": Reply(500, b"")}, id="it is broken"),
    pytest.param({"config": Reply(200, b"<html>")}, id="it is being built"),
    pytest.param({"answer": [Drop()]}, id="it breaks off before the first text"),
]


@pytest.mark.parametrize("faults", FAILURES)
@pytest.mark.parametrize("ask", ["complete", "stream"])
def test_the_next_space_answers_when(faults, ask):
    with FakeSpace(**faults) as first, FakeSpace(["second"]) as second:
        with client_of(first, second) as client:
            events = []
            answer = getattr(client, ask)("Hi", on_event=events.append)
            assert "".join(answer) == "second"
            assert client._clock.slept == []
            (note,) = [event for event in events if isinstance(event, Note)]
            assert first.url in note.text and note.text.endswith(f"Asking {second.url}.")


def test_the_next_space_answers_when_nobody_listens_at_the_first(nobody):
    with FakeSpace(["second"]) as second, client_of(nobody, second) as client:
        assert client.complete("Hi") == "second"


def test_the_next_space_answers_when_the_first_lacks_the_model():
    with FakeSpace(["first"], sizes=["7B"]) as first, FakeSpace(["second"]) as second:
        with client_of(first, second, model="72B") as client:
            with client.stream("Hi") as stream:
                assert stream.result() == "second"
                assert stream.space == second.url
            assert client.complete("Hi", model="7B") == "first"


def test_the_next_space_answers_when_the_first_is_silent():
    """It has its part of the time, and no more."""
    with FakeSpace([Hang()]) as first, FakeSpace(["second"]) as second:
        with Client([first.url, second.url], timeout=Timeout(idle=30, total=4)) as client:
            assert client.complete("Hi") == "second"


@pytest.mark.parametrize(
    ("script", "error"),
    [(Fail("no"), qwen25.GenerationError), (["Hel", Drop()], qwen25.StreamInterruptedError)],
    ids=["the answer failed", "text has come"],
)
def test_no_other_space_is_asked_when(script, error):
    with FakeSpace(script) as first, FakeSpace(["second"]) as second:
        with client_of(first, second) as client:
            with pytest.raises(error):
                "".join(client.stream("Hi"))
        assert not second.requests


def test_complete_is_asked_again_at_the_same_space_after_text_has_come():
    with FakeSpace(["whole"], first=[["Hel", Drop()]]) as first, FakeSpace(["second"]) as second:
        with client_of(first, second) as client:
            assert client.complete("Hi") == "whole"
        assert not second.requests


def test_an_invalid_request_asks_no_space():
    with FakeSpace() as first, FakeSpace() as second, client_of(first, second) as client:
        with pytest.raises(qwen25.InvalidRequestError):
            client.complete("")
        assert not first.requests and not second.requests


def test_when_none_answers_one_error_names_the_reason_of_each(nobody):
    with FakeSpace(config=Reply(404, b"")) as first, client_of(first, nobody) as client:
        with pytest.raises(qwen25.NoSpaceAnsweredError) as caught:
            client.complete("Hi")
    error = caught.value
    assert [type(each) for each in error.errors] == [
        qwen25.SpaceNotFoundError,
        qwen25.ConnectionFailedError,
    ]
    assert first.url in str(error) and nobody in str(error)
    copy = pickle.loads(pickle.dumps(error))
    assert [str(each) for each in copy.errors] == [str(each) for each in error.errors]


@pytest.mark.parametrize("max_retries", [0, 1])
def test_the_reason_of_each_space_is_its_own(max_retries):
    full = [Reply(503, {"detail": f"Queue is full in Space {name}."}) for name in "AB"]
    with FakeSpace(join=full[0]) as first, FakeSpace(join=full[1]) as second:
        with client_of(first, second, max_retries=max_retries) as client:
            with pytest.raises(qwen25.NoSpaceAnsweredError) as caught:
                client.complete("Hi")
    for error, name in zip(caught.value.errors, "AB"):
        assert f"Space {name}" in str(error)


def test_spaces_that_may_yet_answer_are_asked_in_further_rounds():
    with FakeSpace(join=[FULL, FULL, None]) as first, FakeSpace(join=FULL) as second:
        with client_of(first, second) as client:
            assert client.complete("Hi") == "Hello world"
        assert [len([r for r in s.requests if "join" in r.path]) for s in (first, second)] == [3, 2]


def test_a_space_that_failed_is_left_alone_and_then_preferred_again():
    with FakeSpace(["first"], join=[FULL, None]) as first, FakeSpace(["second"]) as second:
        with client_of(first, second) as client:
            now = 1000.0
            client._clock.now = lambda: now
            assert client.complete("Hi") == "second"
            assert client.complete("Hi") == "second"
            assert [space.state[:4] for space in client.spaces] == ["left", "answ"]
            now += 31
            assert client.complete("Hi") == "first"
            assert [space.state for space in client.spaces] == ["answers", "answers"]


def test_with_one_space_its_own_error_comes_out():
    with FakeSpace(join=FULL) as space, client_of(space, max_retries=1) as client:
        with pytest.raises(qwen25.QueueFullError):
            client.complete("Hi")
        assert len(client._clock.slept) == 1


def test_a_token_goes_to_its_own_space_alone():
    with FakeSpace(join=FULL) as first, FakeSpace() as second:
        spaces = [SpaceOptions(first.url, token="hf_mine"), second.url]
        with Client(spaces) as client:
            assert client.complete("Hi") == "Hello world"
        assert all(r.headers.get("authorization") == "Bearer hf_mine" for r in first.requests)
        assert not any("authorization" in request.headers for request in second.requests)


@pytest.mark.parametrize("secret", [{"token": "hf_x"}, {"auth": ("name", "password")}])
def test_a_secret_for_several_spaces_at_once_is_refused(secret):
    with pytest.raises(qwen25.InvalidRequestError, match="SpaceOptions"):
        Client(["a/b", "c/d"], **secret)


def test_a_token_beside_one_of_options_is_refused():
    """It would not be clear which of the two is meant."""
    with pytest.raises(qwen25.InvalidRequestError, match="SpaceOptions"):
        Client(SpaceOptions("a/b", token="hf_x"), token="hf_y")


def test_a_copy_asks_the_same_spaces():
    client = pickle.loads(pickle.dumps(Client(["a/b", SpaceOptions("c/d", token="hf_x")])))
    assert [space.name for space in client.spaces] == ["a/b", "c/d"]
    assert client._spaces[1].token == "hf_x"


def test_a_conversation_stays_with_its_space_and_takes_its_history_along():
    with FakeSpace(["first"], join=[FULL, None, None]) as first:
        with FakeSpace(["second"], join=[None, None, FULL]) as second:
            with client_of(first, second) as client:
                conversation = client.conversation()
                now = 1000.0
                client._clock.now = lambda: now
                assert conversation.send("One") == "second"
                now += 31  # the first one is preferred again, but this talk is with the second
                assert conversation.send("Two") == "second"
                assert conversation.send("Three") == "first"
                sent = [r.json for r in first.requests if "join" in r.path][-1]["data"][1]
                assert sent == [["One", "second"], ["Two", "second"]]


def test_the_asynchronous_client_has_them_too():
    import asyncio

    async def main(*urls):
        async with AsyncClient(list(urls)) as client:
            async with client.stream("Hi") as stream:
                return [piece async for piece in stream], stream.space

    with FakeSpace(join=FULL) as first, FakeSpace(["second"]) as second:
        assert asyncio.run(main(first.url, second.url)) == (["second"], second.url)


def test_closing_while_it_moves_leaves_no_connection():
    with FakeSpace(join=FULL) as first, FakeSpace([Hang()]) as second:
        with client_of(first, second) as client:
            stream = client.stream("Hi")
            stream.close()
            second.wait_for(lambda: second.left == 1)


def test_each_space_has_the_whole_limit_of_the_queue():
    """The time in the queue of the first does not count for the second."""
    with FakeSpace([Repeat([Heartbeat(), Delay(0.05)])]) as busy:
        with FakeSpace(["second"]) as second:
            with Client([busy.url, second.url], timeout=Timeout(queue=1.5)) as client:
                assert client.complete("Hi") == "second"


def test_one_that_wants_to_be_left_alone_for_long_does_not_keep_the_others_from_a_further_round():
    long = Reply(429, b"", {"Retry-After": "3600"})
    with FakeSpace(join=long) as first, FakeSpace(["second"], join=[FULL, None]) as second:
        with client_of(first, second, timeout=600) as client:
            assert client.complete("Hi") == "second"
        assert len([r for r in first.requests if "join" in r.path]) == 1


def test_complete_moves_when_the_space_that_broke_off_is_full_afterwards():
    with FakeSpace(first=[["Hel", Drop()]], join=[None, FULL]) as first:
        with FakeSpace(["second"]) as second, client_of(first, second) as client:
            assert client.complete("Hi") == "second"


def test_when_the_time_is_over_the_error_names_the_reason_of_each(hub):
    hub.stages.update({"a/one": ["SLEEPING"], "b/two": ["SLEEPING"]})
    with Client(["a/one", "b/two"], timeout=60) as client:
        client._clock = FakeClock()
        with pytest.raises(qwen25.NoSpaceAnsweredError) as caught:
            client.complete("Hi")
        assert client._clock.time <= 1060
    assert [type(error) for error in caught.value.errors] == [qwen25.TimedOutError] * 2


# On Hugging Face


class TestOnHuggingFace:
    """Hugging Face is a mock, and so are the Spaces that are given by id."""

    @pytest.fixture
    def client(self):
        with Client(["a/one", "b/two"]) as client:
            client._clock = FakeClock()
            yield client

    def test_one_that_sleeps_is_not_waited_for_while_another_is_up(self, hub, client):
        hub.stages.update({"a/one": ["SLEEPING"], "b/two": ["RUNNING"]})
        notes = []
        with client.stream("Hi", on_event=notes.append) as stream:
            assert stream.result() == TEXTS["answer"]
            assert stream.space == "b/two"
        assert client._clock.slept == []
        said = "a/one: The Space a/one does not answer; Hugging Face gives its stage as SLEEPING."
        assert notes[0] == Note("info", f"{said} Asking b/two.")
        assert client.spaces[0].state.startswith("left alone for 30 s: The Space a/one does not")

    def test_the_second_is_not_waited_for_in_the_first_round_either(self, hub, client):
        hub.stages.update({"a/one": ["PAUSED"], "b/two": ["BUILDING", "BUILDING", "RUNNING"]})
        with client.stream("Hi") as stream:
            assert stream.result() == TEXTS["answer"]
            assert stream.space == "b/two"
        assert client._clock.slept == [5]

    def test_when_both_sleep_the_first_is_waited_for(self, hub, client):
        hub.stages.update({"a/one": ["SLEEPING", "APP_STARTING", "RUNNING"], "b/two": ["SLEEPING"]})
        notes = []
        with client.stream("Hi", on_event=notes.append) as stream:
            assert stream.result() == TEXTS["answer"]
            assert stream.space == "a/one"
        assert client._clock.slept == [5]
        assert notes[2].text == "The Space is APP_STARTING; waiting for it to start."

    def test_when_the_first_does_not_wake_up_the_second_is_waited_for(self, hub, client):
        hub.stages.update({"a/one": ["SLEEPING"], "b/two": ["SLEEPING", "APP_STARTING", "RUNNING"]})
        with client.stream("Hi") as stream:
            assert stream.result() == TEXTS["answer"]
            assert stream.space == "b/two"
        assert sum(client._clock.slept) == 180 + 5

    def test_one_that_is_gone_is_passed_over(self, hub, client):
        hub.stages["b/two"] = ["RUNNING"]
        with client.stream("Hi") as stream:
            assert stream.result() == TEXTS["answer"]
            assert stream.space == "b/two"

    def test_when_no_space_exists_each_is_named(self, hub, client):
        with pytest.raises(qwen25.NoSpaceAnsweredError) as caught:
            client.complete("Hi")
        assert [type(each) for each in caught.value.errors] == [qwen25.SpaceNotFoundError] * 2
        assert client._clock.slept == []

    def test_a_token_is_shown_to_its_own_space_and_not_to_hugging_face(self, hub):
        hub.stages.update({"a/one": ["SLEEPING"], "b/two": ["RUNNING"]})
        with Client([SpaceOptions("a/one", token="hf_mine"), "b/two"]) as client:
            client.complete("Hi")
        assert hub.seen_by("a-one.hf.space") == {"Bearer hf_mine"}
        assert hub.seen_by("b-two.hf.space") == {None}


# Many prompts


def test_a_map_uses_all_spaces_at_once():
    """Each Space answers one at a time; all of them work at the same time."""
    gates = [Gate() for _ in range(3)]
    with ExitStack() as stack:
        spaces = [stack.enter_context(FakeSpace([gate, "ok"], limit=1)) for gate in gates]
        client = stack.enter_context(client_of(*spaces))
        answers = client.map(["Hi"] * 3, workers=3)
        asking = threading.Thread(target=lambda: results.extend(answers))
        results = []
        asking.start()
        for space in spaces:
            space.wait_for(lambda: space.open_streams == 1)  # noqa: B023
        for gate in gates:
            gate.set()
        asking.join(30)
    assert sorted(answer.space for answer in results) == sorted(space.url for space in spaces)


def test_a_space_that_dies_gives_its_prompts_back(nobody):
    with FakeSpace(lambda asked: [asked.prompt]) as space, client_of(nobody, space) as client:
        answers = list(client.map([str(n) for n in range(40)], workers=4))
    assert [answer.text for answer in answers] == [str(n) for n in range(40)]
    assert {answer.space for answer in answers} == {space.url}


def test_a_full_space_and_one_that_dies_lose_no_prompt_and_answer_none_twice():
    with FakeSpace(lambda asked: [Delay(0.01), asked.prompt], limit=1, queue_size=1) as full:
        with FakeSpace(lambda asked: [asked.prompt], join=[None] * 5 + [Reply(500, b"")]) as dying:
            with client_of(full, dying) as client:
                answers = list(client.map([str(n) for n in range(60)], workers=6, ordered=False))
    assert sorted(int(answer.text) for answer in answers) == list(range(60))


def test_a_prompt_that_no_space_answers_is_an_answer_with_all_reasons(nobody):
    with FakeSpace(config=Reply(404, b"")) as gone, client_of(gone, nobody) as client:
        (answer,) = client.map(["Hi"])
    assert type(answer.error) is qwen25.NoSpaceAnsweredError
    assert len(answer.error.errors) == 2


def test_a_map_does_not_wait_for_a_space_that_sleeps_while_another_is_up(hub):
    hub.stages["a/asleep"] = ["SLEEPING"]
    with FakeSpace(lambda asked: [asked.prompt]) as space:
        with client_of("a/asleep", space) as client:
            answers = list(client.map([str(n) for n in range(9)], workers=2))
    assert [answer.text for answer in answers] == [str(n) for n in range(9)]


def test_in_a_map_each_space_has_its_share_of_the_time_until_its_answer_begins():
    with FakeSpace([Hang()]) as silent, FakeSpace(["second"]) as second:
        with Client([silent.url, second.url], timeout=Timeout(idle=60, total=6)) as client:
            (answer,) = client.map(["Hi"], workers=1)
    assert answer.text == "second"


def test_a_prompt_of_a_map_does_not_wait_longer_than_its_limit_for_a_blocked_space(nobody):
    blocked = Reply(429, b"", {"Retry-After": "3600"})
    with FakeSpace(join=blocked) as space, client_of(nobody, space, timeout=60) as client:
        answers = []
        scope = CancelScope()

        def ask():
            with scope.enter():
                answers.extend(client.map(["Hi"]))

        asking = threading.Thread(target=ask)
        asking.start()
        asking.join(20)
        scope.cancel()
        asking.join(20)
    assert type(answers[0].error) is qwen25.NoSpaceAnsweredError


def test_a_prompt_of_a_map_is_asked_at_a_space_that_rests_when_no_other_has_the_model():
    with FakeSpace(["fine"]) as resting:
        with FakeSpace(sizes=["7B"]) as without:
            with client_of(resting, without, model="72B") as client:
                client._targets[0].failed(qwen25.QueueFullError("full"), time.monotonic())
                (answer,) = client.map(["Hi"])
    assert answer.text == "fine"
    assert answer.seconds < 20  # and not the 30 of its rest
