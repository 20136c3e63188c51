"""How long an answer may take: the limits as the user gives them, and their deadline."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Any, Iterable, NamedTuple, Optional, Union

from .errors import InvalidRequestError, TimedOutError, describe

if TYPE_CHECKING:
    import threading


# In this form its types are no texts, which NamedTuple would compile at every start.
_Seconds = Optional[float]
_Limits = NamedTuple(
    "_Limits",
    [
        ("connect", _Seconds),
        ("idle", _Seconds),
        ("queue", _Seconds),
        ("wake", _Seconds),
        ("total", _Seconds),
    ],
)


class Timeout(_Limits):
    """The limits of one answer, in seconds; `None` is no limit.

    Args:
        connect: To connect, at each try.
        idle: The longest silence, and the time to send the prompt; Gradio's heartbeat comes every
            15 seconds.
        queue: To be started by a worker of the Space, from the call on.
        wake: For a sleeping or building Space to come up.
        total: Everything, retries included.

    Raises:
        InvalidRequestError: A limit is not a positive, finite number.
    """

    __slots__ = ()

    def __new__(
        cls,
        connect: Optional[float] = 10,
        idle: Optional[float] = 60,
        queue: Optional[float] = None,
        wake: Optional[float] = 180,
        total: Optional[float] = 600,
    ) -> Timeout:
        limits = _Limits(connect, idle, queue, wake, total)
        for name, seconds in zip(limits._fields, limits):
            if seconds is not None:
                _check(name, seconds)
        return super().__new__(cls, *limits)

    @classmethod
    def _make(cls, limits: Iterable[Any]) -> Timeout:  # type: ignore[override]
        # `_replace` of a NamedTuple calls this, and would leave out the check.
        return cls(*limits)

    @classmethod
    def of(cls, timeout: Union[None, float, Timeout]) -> Timeout:
        """Read what a user may give as `timeout=`: nothing, the total in seconds, or limits."""
        if timeout is None:
            return cls()
        if isinstance(timeout, Timeout):
            return timeout
        _check("timeout", timeout)
        return cls(total=timeout)


def _check(name: str, seconds: object) -> None:
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    # An int may be too large for a float.
    if not number or not 0 < seconds <= sys.float_info.max:  # type: ignore[operator]
        raise InvalidRequestError(
            f"{name}={describe(seconds)} is not a time limit: a positive number of seconds was"
            " expected.",
            hint="Leave it out for the default; in a Timeout, None is no limit.",
        )


class Clock:
    """The time and the waiting, in one place that tests can replace."""

    now = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)

    def wait(self, event: threading.Event, seconds: float) -> None:
        """Sleep, or until the event is set."""
        event.wait(seconds)


_NEXT_STEP = {
    "connect": "Check the network, the address and the proxy, or allow more: Timeout(connect=...).",
    "queue": "The Space is busy: try later, or allow more: Timeout(queue=...).",
    "wake": "The Space takes long to start: try again in some minutes, or Timeout(wake=...).",
    "idle": "The Space went silent: try again, or allow more: Timeout(idle=...).",
    "total": "`partial` holds what came; ask for a shorter answer, or give a larger timeout.",
}


class Deadline:
    """The limits of one answer while it runs."""

    def __init__(self, timeout: Timeout, clock: Clock) -> None:
        self.timeout = timeout
        self.clock = clock
        self._start = clock.now()
        self._total_at = self._start + _or_infinite(timeout.total)
        self._idle = _or_infinite(timeout.idle)
        self._share = self._share_at = math.inf
        self.queued()

    def queued(self) -> None:
        """The request waits for a worker; however often it is asked, the limit counts once."""
        self._queue_at = self._start + _or_infinite(self.timeout.queue)

    def started(self) -> None:
        """A worker has the request: the limit on the queue is over."""
        self._queue_at = math.inf

    def share(self, parts: int) -> None:
        """One of several Spaces is asked: until it answers, it has its part of what is left."""
        self._start = self.clock.now()
        self._share = (self._total_at - self._start) / parts
        self._share_at = self._start + self._share

    def answering(self) -> None:
        """The answer has begun: all that is left of the total is for it."""
        self._share_at = math.inf

    def left(self) -> float:
        """Seconds until the whole answer must be there; infinite without a limit."""
        return min(self._total_at, self._share_at, self._queue_at) - self.clock.now()

    def read_timeout(self) -> float:
        """Seconds that the next read may wait; zero or less when the time is over."""
        return min(self.left(), self._idle)

    def check(self) -> None:
        """Raise the error when the time is over; for work that waits for nothing."""
        if self.left() <= 0:
            raise self.timeout_error()

    def connect_limit(self) -> Optional[float]:
        """Seconds that connecting may take now; `None` without a limit."""
        seconds = max(min(_or_infinite(self.timeout.connect), self.left()), 0.001)
        return None if seconds == math.inf else seconds

    def timeout_error(self, waiting_for: str = "idle") -> TimedOutError:
        """The error for a wait that has just taken too long."""
        now = self.clock.now() + 0.005  # a socket may wake a moment before its time
        if now >= self._total_at:
            waiting_for = "total"
        elif now >= self._queue_at:
            waiting_for = "queue"
        elif now >= self._share_at:
            return TimedOutError(
                f"The Space did not answer within its share of the time, {self._share:g} seconds.",
                phase=waiting_for,
                hint=_NEXT_STEP[waiting_for],
            )
        seconds = getattr(self.timeout, waiting_for)
        return TimedOutError(
            {
                "connect": f"No connection to the Space within {seconds:g} seconds.",
                "queue": f"The Space did not start on the request within {seconds:g} seconds.",
                "wake": f"The Space did not wake up within {seconds:g} seconds.",
                "idle": f"The Space sent nothing for {seconds:g} seconds.",
                "total": f"The answer was not complete within {seconds:g} seconds.",
            }[waiting_for],
            phase=waiting_for,
            hint=_NEXT_STEP[waiting_for],
        )


def _or_infinite(seconds: Optional[float]) -> float:
    # Some platforms overflow on longer timeouts.
    return math.inf if seconds is None or seconds > 1e9 else seconds
