"""Where an answer is ended before its end: at a stop sequence or a number of tokens; pure."""

from __future__ import annotations

from typing import Optional, Sequence

from .estimate import fitting, weight


class Cut:
    """Hands on the pieces of an answer up to its cut.

    What may be the beginning of a stop sequence is held back until the next piece settles it.

    Args:
        stop: The stop sequences; none of them is part of the answer.
        max_tokens: The longest answer, by the estimate; `None` is no limit.
    """

    def __init__(self, stop: Sequence[str] = (), max_tokens: Optional[int] = None) -> None:
        self._stop = [each for each in stop if each]
        self._left = None if max_tokens is None else 100 * max_tokens
        self._held = ""
        #: The answer is cut: what comes later is not wanted.
        self.done = False
        #: OpenAI's word for why the answer ended.
        self.finish_reason = "stop"

    @property
    def cuts(self) -> bool:
        """Whether there is anything to cut at."""
        return bool(self._stop) or self._left is not None

    def feed(self, piece: str) -> str:
        """What of a new piece can be handed on; may be empty."""
        if self.done:
            return ""
        if not self._stop:
            return self._measure(piece)
        text = self._held + piece
        found = [place for place in map(text.find, self._stop) if place >= 0]
        if found:
            self._held = ""
            # The limit may come before the stop, and then counts.
            kept = self._measure(text[: min(found)])
            self.done = True
            return kept
        held = max(_overlap(text, each) for each in self._stop)
        self._held = text[len(text) - held :]
        return self._measure(text[: len(text) - held])

    def end(self) -> str:
        """What was held back, when the answer has ended by itself."""
        held, self._held = self._held, ""
        return "" if self.done else self._measure(held)

    def _measure(self, text: str) -> str:
        if self._left is None:
            return text
        self._left -= weight(text)
        if self._left >= 0:
            return text
        self.done = True
        self.finish_reason = "length"
        return fitting(text, self._left + weight(text))


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of a text are the beginning of a stop sequence."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
