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


class Permit(NamedTuple):
    """What the gate remembers of a prompt that it let through."""

    answered: int
    slowed: int


class AdaptiveLimiter:
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
        self.limit = most
        self.in_flight = 0
        #: The time at which the gate opens again after everybody had to wait.
        self.blocked_until = 0.0
        self._most = most
        self._chance = chance
        self._answered = 0
        self._slowed = 0
        self._fruitless = 0  # waits since the last answer
        self._calm = 0  # answers since the number of places changed
        self._patience = 1
        self._widened = False

    def has_room(self, now: float) -> bool:
        """Whether one more may set out."""
        return self.in_flight < self.limit and now >= self.blocked_until

    def acquire(self) -> Permit:
        """One sets out; the pass is to be shown when it is refused."""
        self.in_flight += 1
        return Permit(self._answered, self._slowed)

    def release(self) -> None:
        """One came back with something that tells nothing about how busy the Space is."""
        self.in_flight -= 1

    def succeeded(self) -> None:
        """One came back with its answer."""
        self.release()
        self._answered += 1
        self._fruitless = 0
        self._calm += 1
        if self.limit < self._most and self._calm >= self._patience * self.limit:
            if self._widened:
                self._patience = max(1, self._patience // 2)
            self.limit += 1
            self._calm = 0
            self._widened = True

    def refused(self, error: QwenError, permit: Permit, now: float) -> None:
        """One came back because the Space is busy."""
        self.release()
        if self._widened:
            self._patience = min(2 * self._patience, PATIENCE)
            self._widened = False
        self._calm = 0
        # Those that set out before the last slowing down say nothing new.
        news = permit.slowed == self._slowed
        if isinstance(error, QueueFullError):
            self.limit = max(1, min(self.limit, self.in_flight))
            wait = news and not self.in_flight and permit.answered == self._answered
        else:
            if news:
                self.limit = max(1, self.limit // 2)
            wait = news
        if error.retry_after is not None:
            self._slowed += news
            self.blocked_until = max(self.blocked_until, now + error.retry_after)
        elif wait:
            self._slowed += 1
            self.blocked_until = max(
                self.blocked_until, now + back_off(self._fruitless, self._chance)
            )
            self._fruitless += 1
