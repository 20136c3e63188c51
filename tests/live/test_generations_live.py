"""Real Gradio servers of different generations in one list.

`$QWEN25_OTHER_GRADIOS` names the interpreters of environments that have another Gradio than this
one, with the system's separator of paths between them.
"""

from __future__ import annotations

import os
import sys
import threading

import pytest
from conftest import App
from hub import mocked_hub

from qwen25 import Client, Note, StreamInterruptedError, Timeout

PYTHONS = [sys.executable, *filter(None, os.getenv("QWEN25_OTHER_GRADIOS", "").split(os.pathsep))]
LIMITS = Timeout(idle=30, total=60)

pytestmark = pytest.mark.skipif(
    len(PYTHONS) < 2, reason="$QWEN25_OTHER_GRADIOS names no environment with another Gradio"
)


@pytest.fixture(scope="module")
def apps(gradio, tmp_path_factory):
    """One app of each generation, for all tests; none of them is killed."""
    started = []
    try:
        for python in PYTHONS:
            started.append(App(tmp_path_factory.mktemp("app"), python=python))
        yield started
    finally:
        for app in started:
            app.stop()


@pytest.fixture(params=range(len(PYTHONS)), ids="generation {}".format)
def start_first(request, gradio, tmp_path_factory):
    """Start the first app of the list, of each generation in turn."""
    started = []

    def start(*options):
        folder = tmp_path_factory.mktemp("first")
        started.append(App(folder, *options, python=PYTHONS[request.param]))
        return started[-1]

    start.generation = request.param
    yield start
    for app in started:
        app.kill()


@pytest.fixture
def others(apps, start_first):
    """The apps after the first, all of other generations than it."""
    for app in apps:
        app.reset()
    return [app for number, app in enumerate(apps) if number != start_first.generation]


def client_of(*apps):
    return Client([getattr(app, "url", app) for app in apps], model="7B", timeout=LIMITS)


def moves(events):
    return [event.text for event in events if isinstance(event, Note)]


def test_the_apps_are_of_different_generations(apps):
    with client_of(*apps) as client:
        versions = {space.version.split(".")[0] for space in client.spaces}
    assert len(versions) == len(apps)


def test_the_next_answers_with_the_history_when_the_first_is_down(start_first, others):
    first = start_first()
    with client_of(first, *others) as client:
        talk = client.conversation()
        assert talk.send("hello 1").startswith("[7B|turns=0|")
        first.kill()
        with talk.stream("hello 2") as stream:
            events = list(stream.events())
            assert stream.text.startswith("[7B|turns=1|")
            assert stream.space == others[0].url
        (note,) = moves(events)
        assert note.startswith(f"{first.url}: ")
        assert note.endswith(f" Asking {others[0].url}.")


def test_the_next_answers_and_nothing_is_waited_for_when_the_first_sleeps(start_first, others):
    with mocked_hub() as hub, client_of("a/asleep", *others) as client:
        hub.stages["a/asleep"] = ["SLEEPING"]
        client._clock.wait = client._clock.sleep = None  # an error if it is called
        with client.stream("hello 1") as stream:
            events = list(stream.events())
            assert stream.text.startswith("[7B|turns=0|")
            assert stream.space == others[0].url
        (note,) = moves(events)
        assert "SLEEPING" in note and note.endswith(f" Asking {others[0].url}.")


def test_the_next_answers_when_the_first_is_full(start_first, others):
    first = start_first("--limit", "1", "--max-size", "1")
    with client_of(first) as crowd, client_of(first, *others) as client:
        with crowd.stream("FOREVER") as running:
            next(running)
            with crowd.stream("FOREVER"):  # it waits in the queue
                with client.stream("hello 1") as stream:
                    events = list(stream.events())
                    assert stream.text.startswith("[7B|turns=0|")
                    assert stream.space == others[0].url
    (note,) = moves(events)
    assert note.startswith(f"{first.url}: The Space's queue is full")


def test_what_has_come_is_not_repeated_by_another_when_the_first_dies(start_first, others):
    first = start_first()
    with client_of(first, *others) as client:
        pieces, events = [], []
        with pytest.raises(StreamInterruptedError) as caught:
            for piece in client.stream("FOREVER", on_event=events.append):
                pieces.append(piece)
                if len(pieces) == 3:
                    first.kill()
        assert caught.value.partial == "".join(pieces)
        assert not moves(events)
        assert [space.state for space in client.spaces[1:]] == ["not asked yet"] * len(others)


def test_complete_gives_the_whole_answer_of_another_when_the_first_dies(start_first, others):
    first = start_first()

    def kill_in_the_answer():
        first.go()
        first.wait_for("WROTE 0", timeout=60)
        first.kill()

    killer = threading.Thread(target=kill_in_the_answer)
    killer.start()
    others[0].go(3)
    with client_of(first, *others) as client:
        events = []
        text = client.complete("GATE 3", on_event=events.append)
        killer.join()
        assert text.startswith("[7B|turns=0|") and text.count("[7B|") == 1
        assert text.endswith("слово2 你好 ")
        assert moves(events)[-1].endswith(f" Asking {others[0].url}.")
        assert client.spaces[1].state == "answers"


def test_a_map_gives_the_prompts_of_one_that_dies_to_the_others(start_first, others):
    first = start_first()
    with client_of(first, *others) as client:

        def prompts():
            for number in range(24):
                if number == 12:
                    first.kill()
                yield "hello 2"

        answers = list(client.map(prompts(), workers=4))
    assert [answer.error for answer in answers] == [None] * 24
    assert {answer.space for answer in answers[12:]} <= {app.url for app in others}
    assert all(answer.text.count("[7B|turns=0|") == 1 for answer in answers)
