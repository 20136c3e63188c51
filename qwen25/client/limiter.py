"""How many prompts of a map may be on their way at once; pure, given the time and chance."""

from __future__ import annotations

import random
from typing import Callable, NamedTuple

from ..errors import QueueFullError, QwenError, RateLimitError
from .retrying import back_off

#: How many rounds of answers, at most, pass between two looks whether one more has room.
PATIENCE = 32


def is_busy(error: QwenError) -> bool:
    """Whether the Space has refused a prompt only because it has too much to do now."""
    return isinstance(error, QueueFullError) or (
        isinstance(error, RateLimitError) and error.status == 429
    )


class Pass(NamedTuple):
    """What the gate remembers of a prompt that it let through."""

    answered: int
    slowed: int


class Gate:
    """What all workers of a map have to pass, so that they slow down and speed up together.

    A full queue tells how many the Space has room for: as many as are on their way without the one
    it refused. From then on a prompt sets out when another has come back. A 429 tells nothing
    about room, so it halves the number, and all wait: as long as the Space says, else exponentially
    longer with full jitter. From there on one place is added at a time, after a round of answers;
    where that one is refused, after two rounds the next time, then after four.

    Args:
        most: How many at once, at most; the gate starts with all of them open.
        chance: A number from 0 up to 1, anew at each call.
    """

    def __init__(self, most: int, chance: Callable[[], float] = random.random) -> None:
        self.places = most
        self.inside = 0
        #: The time at which the gate opens again after everybody had to wait.
        self.opens_at = 0.0
        self._most = most
        self._chance = chance
        self._answered = 0
        self._slowed = 0
        self._fruitless = 0  # waits since the last answer
        self._calm = 0  # answers since the number of places changed
        self._patience = 1
        self._widened = False

    def is_open(self, now: float) -> bool:
        """Whether one more may set out."""
        return self.inside < self.places and now >= self.opens_at

    def enter(self) -> Pass:
        """One sets out; the pass is to be shown when it is refused."""
        self.inside += 1
        return Pass(self._answered, self._slowed)

    def leave(self) -> None:
        """One came back with something that tells nothing about how busy the Space is."""
        self.inside -= 1

    def answered(self) -> None:
        """One came back with its answer."""
        self.leave()
        self._answered += 1
        self._fruitless = 0
        self._calm += 1
        if self.places < self._most and self._calm >= self._patience * self.places:
            if self._widened:
                self._patience = max(1, self._patience // 2)
            self.places += 1
            self._calm = 0
            self._widened = True

    def refused(self, error: QwenError, shown: Pass, now: float) -> None:
        """One came back because the Space is busy."""
        self.leave()
        if self._widened:
            self._patience = min(2 * self._patience, PATIENCE)
            self._widened = False
        self._calm = 0
        # Those that set out before the last slowing down say nothing new.
        news = shown.slowed == self._slowed
        if isinstance(error, QueueFullError):
            self.places = max(1, min(self.places, self.inside))
            wait = news and not self.inside and shown.answered == self._answered
        else:
            if news:
                self.places = max(1, self.places // 2)
            wait = news
        if error.retry_after is not None:
            self._slowed += news
            self.opens_at = max(self.opens_at, now + error.retry_after)
        elif wait:
            self._slowed += 1
            self.opens_at = max(self.opens_at, now + back_off(self._fruitless, self._chance))
            self._fruitless += 1
