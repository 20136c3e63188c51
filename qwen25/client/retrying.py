"""What is tried again, and when; pure, given a source of chance."""

from __future__ import annotations

import random
from typing import Callable, Optional

from ..errors import (
    ConnectionFailedError,
    QueueFullError,
    QwenError,
    RateLimitError,
    SpaceUnavailableError,
    TimedOutError,
)

#: Seconds before the first new try, at most; doubled at each further one, up to the cap.
BASE = 1.0
CAP = 30.0


def may_try_again(error: QwenError) -> bool:
    """Whether the same request may well succeed when it is made once more.

    That is so after a failed connection, a full queue, and the HTTP statuses 429, 502, 503 and
    504; it is not for other refusals, nor when the app failed.
    """
    if isinstance(error, TimedOutError):
        return error.phase == "connect"
    if isinstance(error, SpaceUnavailableError) and error.stage not in (None, "RUNNING"):
        return False  # it is paused, say, and stays so
    if isinstance(error, (RateLimitError, SpaceUnavailableError)):
        return error.status in (429, 502, 503, 504)
    return isinstance(error, (ConnectionFailedError, QueueFullError))


def back_off(tries: int, chance: Callable[[], float]) -> float:
    """Seconds to wait after so many tries: exponential up to the cap, with full jitter."""
    # The exponent has its own bound: after a long outage the power would be too large for a float.
    return chance() * min(CAP, BASE * 2.0 ** min(tries, 10))


class Retries:
    """The tries of one answer after its first.

    Args:
        most: How many; 0 is none.
        chance: A new number from 0 up to 1 at each call.
    """

    def __init__(self, most: int, chance: Callable[[], float] = random.random) -> None:
        self._most = most
        self._chance = chance
        self._made = 0

    def delay(self, error: QwenError, left: float) -> Optional[float]:
        """Seconds to wait before the next try; `None` when there is to be none.

        The wait is exponential with full jitter, and never less than the server asked for. A wait
        that would use up all the time that is `left` makes no sense and is not begun.
        """
        if self._made >= self._most or not may_try_again(error):
            return None
        seconds = back_off(self._made, self._chance)
        if error.retry_after is not None:
            seconds = max(seconds, error.retry_after)
        self._made += 1
        return seconds if seconds < left else None
