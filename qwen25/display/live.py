"""Updates of something that grows, from a thread: soon after each change, and not too often."""

from __future__ import annotations

import contextvars
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable


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
    """

    def __init__(self, update: Callable[[], object], *, every: float, share: float) -> None:
        self._update = update
        self._every = every
        self._share = share
        self._changed = threading.Event()
        self._closing = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._running: Future[None]

    def changed(self) -> None:
        """Report that there is something new to show.

        Raises:
            Exception: The one that ended the updates.
        """
        self._changed.set()
        if self._running.done():
            self._running.result()

    def __enter__(self) -> LiveUpdater:
        self._running = self._pool.submit(contextvars.copy_context().run, self._run)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._changed.set()
        self._pool.shutdown()
        self._running.result()
        self._update()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._changed.wait()
            self._changed.clear()
            began = time.monotonic()
            self._update()
            self._closing.wait(max(self._every, self._share * (time.monotonic() - began)))
