"""An event in a few words, for the line that is shown until text comes."""

from __future__ import annotations

from typing import Optional

from ..control_characters import escape_controls
from ..events import Event, Progress, Queued, Started, Thought

#: Characters of a status, at most.
_LONGEST = 500
#: From here on, a number says nothing to a person.
_LARGEST = 1e12


def status_text(event: Event) -> str:
    """What an event means for the person who waits: one line, whatever the event holds."""
    if isinstance(event, Queued):
        place = f"place {_number(event.rank, 1)} of {_number(event.size)}"
        return f"In the queue: {place}{_about(event.eta, 'to wait')}"
    if isinstance(event, Started):
        return f"Started{_about(event.eta, 'for the answer')}"
    if isinstance(event, Progress):
        texts = [_line(step.desc) for step in event.steps]
        return ", ".join(filter(None, texts))[:_LONGEST] or "Working"
    if isinstance(event, Thought):
        # The newest words: the text grows at its end.
        return f"{_line(event.title)}: {_line(event.text, -60)}"
    return _line(event.text)


def _about(seconds: Optional[float], what: str) -> str:
    number = _number(seconds)
    return "" if number == "?" else f", about {number} s {what}"


def _number(value: object, more: int = 0) -> str:
    # A comparison, since no conversion takes every integer. NaN is not between any two numbers.
    if isinstance(value, (int, float)) and -_LARGEST < value < _LARGEST:
        return f"{value + more:.0f}"
    return "?"


def _line(text: object, first: int = 0) -> str:
    if not isinstance(text, str):
        return ""
    return " ".join(escape_controls(text[first:][: 2 * _LONGEST]).split())[:_LONGEST]
