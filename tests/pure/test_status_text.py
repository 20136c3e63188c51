"""The status of an answer is one short line, whatever an event holds."""

import random

import pytest

from qwen25 import Note, Progress, Queued, Started, Step
from qwen25.display.status import status_text
from qwen25.events import Thought

HUGE = 10**5000
VALUES = [None, 0, -1, 2.5, HUGE, -HUGE, 1e300, float("nan"), float("inf"), True, "", "a\x1b[2J"]
VALUES += ["\ud800", "x\n\u2028y\r" * 1000, [1, [HUGE]], {"a": HUGE}, b"a"]


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Queued(3, 7, 12.4), "In the queue: place 4 of 7, about 12 s to wait"),
        (Queued(0, 2), "In the queue: place 1 of 2"),
        (Queued(0, None), "In the queue: place 1 of ?"),
        (Started(4.0), "Started, about 4 s for the answer"),
        (Started(HUGE), "Started"),
        (
            Progress((Step(desc="Loading\x1b"), Step(), Step(desc="Thin\nking"))),
            "Loading\u241b, Thin king",
        ),
        (Progress(), "Working"),
        (Note("info", "a \ud800\n b"), "a \ufffd b"),
    ],
)
def test_an_event_in_words(event, text):
    assert status_text(event) == text


def test_every_event_is_one_short_printable_line():
    chance = random.Random(7)

    def any_value():
        return chance.choice(VALUES)

    for _ in range(5000):
        steps = tuple(Step(*(any_value() for _ in range(5))) for _ in range(chance.randint(0, 3)))
        for event in [
            Queued(any_value(), any_value(), any_value()),
            Started(any_value()),
            Progress(steps),
            Note(any_value(), any_value()),
            Thought(any_value(), any_value()),
        ]:
            text = status_text(event)
            assert len(text) < 600 and "\n" not in text and "\x1b" not in text
            text.encode()
