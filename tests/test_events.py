"""What happens on the way to an answer, as values that a user may keep, compare and take apart."""

import pickle
from typing import get_args

import pytest

from qwen25 import Client, Note, Progress, Queued, Started, Step, Text, Thought
from qwen25.events import Event
from qwen25.testing import FakeSpace

EVENTS = [
    Queued(1, 2, 0.5),
    Started(3.0),
    Progress((Step(index=1, length=4, unit="steps"), Step(desc="loading"))),
    Note("warning", "slow today"),
]


def test_an_answer_is_told_in_the_order_in_which_it_happens():
    with FakeSpace([*EVENTS, "Hello", " world"]) as space, Client(space.url) as client:
        seen = list(client.stream("Hi").events())
    assert seen[-6:] == [*EVENTS, Text("Hello"), Text(" world")]


def test_what_is_not_text_is_told_to_on_event_before_the_loop_sees_it():
    told = []
    with FakeSpace([*EVENTS, "Hello"]) as space, Client(space.url) as client:
        for event in client.stream("Hi", on_event=told.append).events():
            assert isinstance(event, Text) or told[-1] is event
    assert told[-4:] == EVENTS


def test_an_event_of_an_answer_is_one_of_those_that_on_event_gets_or_text():
    assert set(get_args(Event)) == {Queued, Started, Progress, Note, Thought}


@pytest.mark.parametrize("event", [*EVENTS, EVENTS[2].steps[0], Text("Hello")], ids=repr)
def test_an_event_is_a_value(event):
    """It cannot change, compares by what it says, unpacks, and can be sent to another process."""
    with pytest.raises(AttributeError):
        setattr(event, event._fields[0], None)
    assert event == type(event)(*event)
    assert pickle.loads(pickle.dumps(event)) == event


def test_what_the_server_leaves_open_is_none():
    assert Queued(0, 1).eta is None
    assert Started().eta is None
    assert Step() == (None, None, None, None, None)
    assert Progress().steps == ()


def test_the_index_of_a_step_is_the_number_and_not_the_method_of_tuples():
    assert Step(index=3).index == 3
