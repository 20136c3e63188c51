"""An event in a few words, for the line that is shown until text comes."""

from __future__ import annotations

from typing import Optional

from ..events import Event, Progress, Queued, Started, Thought


def status_text(event: Event) -> str:
    """What an event means for the person who waits."""
    if isinstance(event, Queued):
        return f"In the queue: place {event.rank + 1} of {event.size}{_about(event.eta, 'to wait')}"
    if isinstance(event, Started):
        return f"Started{_about(event.eta, 'for the answer')}"
    if isinstance(event, Progress):
        return ", ".join(step.desc for step in event.steps if step.desc) or "Working"
    if isinstance(event, Thought):
        return f"{event.title}: {' '.join(event.text[-60:].split())}"
    return event.text


def _about(seconds: Optional[float], what: str) -> str:
    return "" if seconds is None else f", about {seconds:.0f} s {what}"
