"""Admission of requests: as many at once as the Space has room for; the others wait."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import AsyncIterator, Awaitable, Callable, Deque, Optional

from ..client.limiter import AdaptiveLimiter, is_busy
from ..errors import QwenError
from .errors import RequestRefusedError

#: Seconds after which a client that found the queue full may come again.
COME_AGAIN = 5.0
#: Seconds of a pause that a request waits for.
LONGEST_PAUSE = 60.0

#: Takes a place in the queue, 0 is next, and the number that wait.
Tell = Callable[[int, int], Awaitable[None]]


class Admission:
    """A queue with a bound in front of the limiter of a client's map, for one event loop.

    Args:
        workers: How many are asked at once, at most; fewer while the Space is busy.
        waiting: How many may wait.
    """

    def __init__(self, workers: int, waiting: int) -> None:
        self._limiter = AdaptiveLimiter(workers)
        self._bound = waiting
        self._waiting: Deque[asyncio.Event] = deque()

    @property
    def asked(self) -> int:
        """How many are asked now."""
        return self._limiter.in_flight

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._waiting)

    @contextlib.asynccontextmanager
    async def place(self, tell: Optional[Tell] = None) -> AsyncIterator[None]:
        """Wait for a place, hold it inside, and learn from how it ends.

        Args:
            tell: Called when the place in the queue changes.

        Raises:
            RequestRefusedError: Too many wait already, or the Space wants a long pause; its status
                is 429.
        """
        await self._wait(tell)
        permit = self._limiter.acquire()
        try:
            yield
        except QwenError as error:
            if is_busy(error):
                self._limiter.refused(error, permit, time.monotonic())
            else:
                self._limiter.release()
            raise
        except BaseException:
            self._limiter.release()
            raise
        else:
            self._limiter.succeeded()
        finally:
            self._move()

    async def _wait(self, tell: Optional[Tell]) -> None:
        if not self._waiting and self._limiter.has_room(time.monotonic()):
            return
        pause = self._limiter.blocked_until - time.monotonic()
        if pause > LONGEST_PAUSE:
            raise _busy("The Space wants no requests for a while.", pause)
        if len(self._waiting) >= self._bound:
            raise _busy(f"{len(self._waiting)} requests wait here already.", COME_AGAIN)
        news = asyncio.Event()
        self._waiting.append(news)
        try:
            while True:
                news.clear()
                now = time.monotonic()
                if self._waiting[0] is news:
                    if self._limiter.has_room(now):
                        return
                    if self._limiter.blocked_until > now:
                        delay = self._limiter.blocked_until - now
                        asyncio.get_running_loop().call_later(delay, news.set)
                if tell is not None:
                    await tell(self._waiting.index(news), len(self._waiting))
                await news.wait()
        finally:
            self._waiting.remove(news)
            self._move()

    def _move(self) -> None:
        for news in self._waiting:
            news.set()


def _busy(message: str, retry_after: float) -> RequestRefusedError:
    return RequestRefusedError(
        message, hint="Ask again later.", status=429, code="busy", retry_after=retry_after
    )
