"""An adaptive concurrency limit for a map; pure: the caller gives the time and the randomness."""

from __future__ import annotations

import random
from typing import Callable, NamedTuple

from ..errors import QueueFullError, QwenError, RateLimitError
from .retrying import back_off

#: The longest wait before the limit is raised again, in rounds of answers.
MOST_ROUNDS = 32


def is_busy(error: QwenError) -> bool:
    """Whether the Space refused a prompt only because it has too much to do now."""
    return isinstance(error, QueueFullError) or (
        isinstance(error, RateLimitError) and error.status == 429
    )


class Permit(NamedTuple):
    """The state of the limiter when a prompt was sent."""

    answered: int
    slowed: int


class AdaptiveLimiter:
    """How many prompts may be in flight at once: additive increase, multiplicative decrease.

    All workers of a map share it, so that they slow down and speed up together.

    - A full queue sets the limit to the number in flight without the refused prompt: that is what
      the Space has room for. If none is in flight, all wait.
    - A 429 says nothing about room. It halves the limit, and all wait.
    - A wait takes as long as the Space says. If it does not say, exponentially longer each time,
      with full jitter.
    - The limit is raised by one after a round of answers, that is, as many as the limit. If the
      Space then refuses a prompt, the next raise comes after two rounds, then after four.

    Args:
        most: The highest limit, and the first one.
        chance: Returns a random number from 0 up to 1.
    """

    def __init__(self, most: int, chance: Callable[[], float] = random.random) -> None:
        self.limit = most
        self.in_flight = 0
        #: The time until which no prompt may be sent.
        self.blocked_until = 0.0
        self._most = most
        self._chance = chance
        self._answered = 0
        self._slowed = 0
        self._fruitless = 0  # waits since the last answer
        self._calm = 0  # answers since the limit changed
        self._rounds = 1  # rounds of answers before the next raise
        self._raised = False  # and no refusal since

    def has_room(self, now: float) -> bool:
        """Whether one more may be sent."""
        return self.in_flight < self.limit and now >= self.blocked_until

    def acquire(self) -> Permit:
        """Count one that is sent. If it is refused, the permit belongs to that refusal."""
        self.in_flight += 1
        return Permit(self._answered, self._slowed)

    def release(self) -> None:
        """Count one that ended in a way that does not say how busy the Space is."""
        self.in_flight -= 1

    def succeeded(self) -> None:
        """Count one that was answered."""
        self.release()
        self._answered += 1
        self._fruitless = 0
        self._calm += 1
        if self.limit < self._most and self._calm >= self._rounds * self.limit:
            if self._raised:
                self._rounds = max(1, self._rounds // 2)
            self.limit += 1
            self._calm = 0
            self._raised = True

    def refused(self, error: QwenError, permit: Permit, now: float) -> None:
        """Count one that a busy Space refused."""
        self.release()
        if self._raised:
            self._rounds = min(2 * self._rounds, MOST_ROUNDS)
            self._raised = False
        self._calm = 0
        # What was sent before the limiter slowed down last says nothing new.
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
