"""From a thread that blocks to an event loop: one thread for each call, and a short queue.

It knows nothing of Spaces. What it cancels are the calls that its thread makes.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections import deque
from typing import Any, AsyncGenerator, Callable, Deque, Optional, Set

from ..client.cancellation import CancelScope

#: How many items a thread reads ahead of the loop.
AHEAD = 256
#: Seconds of handing out items that are there already, until the loop's other tasks have a turn.
TURN = 0.005
#: Items that come faster than one in so many seconds are taken together: waking the loop for each
#: would cost more than all the rest.
LULL = 0.001
#: Seconds to wait, at most, for a thread that was cancelled: the lookup of a host's name cannot be
#: interrupted.
PATIENCE = 1.0

#: Puts an item into the queue; a `functools.partial` is called by the loop in its turn.
Put = Callable[[Any], None]


class Bridge:
    """A thread that does blocking work, and the queue of its results for the loop.

    Args:
        work: Runs in the thread, inside a `CancelScope`; it hands its results to `Put`.
        ahead: How many items wait in the queue, at most; the thread waits then.
        among: A set that holds the bridge while its thread runs.
    """

    def __init__(
        self,
        work: Callable[[Put], None],
        ahead: int = AHEAD,
        among: Optional[Set[Bridge]] = None,
    ) -> None:
        #: All items were read, and taken.
        self.complete = False
        self._scope = CancelScope()
        self._work = work
        self._ahead = ahead
        self._among = set() if among is None else among
        self._queue: Deque[Any] = deque()
        self._room = threading.Event()
        self._error: Optional[BaseException] = None
        self._done = False
        self._hungry = False  # the loop waits for the queue to have something
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._news: asyncio.Event
        self._gone: asyncio.Event

    async def items(self) -> AsyncGenerator[Any, None]:
        """What the thread reads; the thread starts here. Leaving the loop cancels its work."""
        self._loop = asyncio.get_running_loop()
        self._news, self._gone = asyncio.Event(), asyncio.Event()
        threading.Thread(target=self._run, name="qwen25-aio", daemon=True).start()
        queue, low = self._queue, self._ahead // 2
        now = time.monotonic
        try:
            resumed = now()
            done = False
            while not done:
                done = self._done  # read first: no item comes after it
                while queue:
                    item = queue.popleft()
                    if len(queue) == low:
                        self._room.set()
                    if isinstance(item, functools.partial):
                        item()
                    else:
                        yield item
                    if now() - resumed > TURN:
                        await asyncio.sleep(0)
                        resumed = now()
                if not done:
                    if now() - resumed < LULL:
                        await asyncio.sleep(LULL)
                    self._news.clear()
                    self._hungry = True
                    # Checked after publishing: one of the two threads sees the other's write.
                    if not queue and not self._done:
                        await self._news.wait()
                    self._hungry = False
                    resumed = now()
            if self._error is not None:
                raise self._error
            self.complete = not self._scope.cancelled
        finally:
            self.cancel()
            self._error = None  # its traceback leads back here

    def cancel(self) -> None:
        """End the thread's work at any stage, soon."""
        self._scope.cancel()
        self._room.set()

    async def wait(self) -> None:
        """Wait until the thread has ended, for `PATIENCE` at most."""
        if self._loop is asyncio.get_running_loop():
            try:
                await asyncio.wait_for(self._gone.wait(), PATIENCE)
            except asyncio.TimeoutError:
                pass  # it ends by itself, within the limits of connecting

    def _run(self) -> None:
        self._among.add(self)
        try:
            with self._scope.enter():
                self._work(self._put)
        except BaseException as error:  # whatever it is, the loop raises it
            if not self._scope.cancelled:
                self._error = error
        finally:
            self._among.discard(self)
            self._done = True
            self._tell(self._finish)

    def _put(self, item: Any) -> None:
        assert self._loop is not None  # it has started the thread
        if self._loop.is_closed():  # a loop does not tell when it is closed
            self._scope.cancel()
            raise _Cancelled
        self._queue.append(item)
        if self._hungry:
            self._hungry = False
            self._tell(self._news.set)
        if len(self._queue) >= self._ahead:
            self._room.clear()
            while len(self._queue) >= self._ahead and not self._scope.cancelled:
                if not self._room.wait(0.5) and self._loop.is_closed():
                    self._scope.cancel()
            if self._scope.cancelled:
                raise _Cancelled

    def _finish(self) -> None:
        self._gone.set()
        self._news.set()

    def _tell(self, callback: Callable[[], None]) -> None:
        assert self._loop is not None  # it has started the thread
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop was closed
            self._scope.cancel()


class _Cancelled(Exception):
    """Ends a thread's work: its results are no longer wanted."""
