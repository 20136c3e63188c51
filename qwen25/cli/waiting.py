"""The line that a person sees while nothing else is there to see."""

from __future__ import annotations

import shutil
import sys
from typing import Optional

from ..events import Event, Note, Progress, Queued, Started
from .terminal import fit, notice, obeys, write_error

_ERASE = "\r\x1b[K"


class Waiting:
    """One line on standard error, written anew at each event; none off a terminal.

    A context manager: at the end of the block the line is gone.
    """

    def __init__(self, first: str, *, shown: bool) -> None:
        self._shown = shown and obeys(sys.stderr)
        self._there = False
        self._show(first)

    def tell(self, event: Event) -> None:
        """Show what has happened; for `on_event`."""
        if isinstance(event, Note) and event.level != "info":
            # Whatever the app warns of still holds when the answer comes.
            self.clear()
            notice(f"{event.level}: {event.text}")
        else:
            self._show(_words(event))

    def clear(self) -> None:
        """Make room for something else."""
        if self._there:
            write_error(_ERASE)
            self._there = False

    def _show(self, text: str) -> None:
        if self._shown:
            # A line as wide as the terminal would wrap, and only its end could be erased.
            columns = shutil.get_terminal_size().columns - 1
            write_error(_ERASE + fit(text, columns))
            self._there = True

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()


def _words(event: Event) -> str:
    if isinstance(event, Queued):
        return f"In the queue: place {event.rank + 1} of {event.size}{_about(event.eta, 'to wait')}"
    if isinstance(event, Started):
        return f"Started{_about(event.eta, 'for the answer')}"
    if isinstance(event, Progress):
        return ", ".join(step.desc for step in event.steps if step.desc) or "Working"
    return event.text


def _about(seconds: Optional[float], what: str) -> str:
    return "" if seconds is None else f", about {seconds:.0f} s {what}"
