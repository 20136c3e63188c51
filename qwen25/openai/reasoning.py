"""The thoughts of a reasoning model as one text that only grows; pure."""

from __future__ import annotations

from typing import Dict

from ..events import Thought


class Reasoning:
    """Joins thoughts, each of which comes again and again with more text."""

    def __init__(self) -> None:
        #: All that was thought so far.
        self.text = ""
        self._last: Dict[str, str] = {}  # the text of the last thought of a title

    def feed(self, thought: Thought) -> str:
        """What of a thought is new; may be empty."""
        known = self._last.get(thought.title, "")
        if known.startswith(thought.text):
            return ""  # told already: the request was asked again
        self._last[thought.title] = thought.text
        grows = known and thought.text.startswith(known)
        new = thought.text[len(known) :] if grows else thought.text
        if self.text and not grows:
            new = f"\n\n{new}"
        self.text += new
        return new
