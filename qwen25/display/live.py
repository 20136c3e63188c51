"""Updates of something that grows, from a thread: soon after each change, and not too often."""

from __future__ import annotations

import contextvars
import threading
import time
from queue import Empty, SimpleQueue
from typing import Callable, Optional, Type


class LiveUpdater:
    """Calls a function from a thread while what it shows changes.

    The newest state is shown soon, also when no change follows for long, and the thread that
    reports a change never waits for an update.

    A context manager; the last update is made at the end of the block. The updates run in the
    context of the thread that enters the block: a notebook's kernel needs it to find the cell.

    Args:
        update: Shows the current state; two calls never overlap.
        every: Seconds between two updates, at least.
        share: The pause after an update, in multiples of the time that the update took, at least.
            So slow updates do not slow down what they show.
        thread: The class of the thread.
    """

    def __init__(
        self,
        update: Callable[[], object],
        *,
        every: float,
        share: float,
        thread: Type[threading.Thread] = threading.Thread,
    ) -> None:
        self._update = update
        self._every = every
        self._share = share
        self._make_thread = thread
        self._context = contextvars.copy_context()
        self._thread: Optional[threading.Thread] = None
        self._error: Optional[BaseException] = None
        self._stale = False
        self._closed = False
        # What the owner shares with the thread is single values, a lock that is never waited for,
        # and a queue in C: Ctrl-C in a `with` block of a lock, or in an Event, may leave it locked.
        self._running = threading.Lock()
        self._wake: SimpleQueue[None] = SimpleQueue()

    def changed(self) -> None:
        """Report that there is something new to show.

        Raises:
            Exception: The one that ended the updates.
        """
        self._stale = True
        if self._error is not None:
            raise self._error
        if self._running.acquire(blocking=False):
            # A thread ends as soon as there is nothing to show. So Ctrl-C cannot leave one behind,
            # wherever it comes, and as a daemon the thread cannot keep Python running.
            run = self._context.copy().run
            self._thread = self._make_thread(target=run, args=(self._run,), daemon=True)
            self._thread.start()

    def __enter__(self) -> LiveUpdater:
        self._context = contextvars.copy_context()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._wake.put(None)
        # A thread whose start was interrupted is not alive, and finds that this is closed.
        if self._thread is not None and self._thread.is_alive():
            self._thread.join()
        if self._error is not None:
            raise self._error
        self._update()

    def _run(self) -> None:
        while True:
            while self._stale and not self._closed:
                self._stale = False
                began = time.monotonic()
                try:
                    self._update()
                # The owner gets it, from `changed` or at the end of the block.
                except BaseException as error:
                    self._error = error
                    return
                try:
                    self._wake.get(timeout=max(self._every, self._share * _since(began)))
                except Empty:
                    pass
            self._running.release()
            # A change that came just before the release has not started a thread.
            if not self._stale or self._closed or not self._running.acquire(blocking=False):
                return


def _since(began: float) -> float:
    return time.monotonic() - began
