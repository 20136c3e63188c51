"""Something that grows, painted anew by a thread: soon after each change, and not too often."""

from __future__ import annotations

import contextvars
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable


class Repainter:
    """Paints in a thread: the newest is seen soon also when nothing comes after it for long, and
    nobody who tells of a change waits for its being painted.

    A context manager; at the end of the block everything is painted. It paints in the context of
    the one who enters it, by which a notebook's kernel knows the cell.

    Args:
        paint: Paints what there is now; never called twice at once.
        every: Seconds between two paintings, at least.
        share: How many times longer than a painting took the next one waits, at least: what is
            painted must not be held up by it.
    """

    def __init__(self, paint: Callable[[], object], *, every: float, share: float) -> None:
        self._paint = paint
        self._every = every
        self._share = share
        self._changed = threading.Event()
        self._closing = threading.Event()
        self._painter = ThreadPoolExecutor(1)
        self._painting: Future[None]

    def tell(self) -> None:
        """There is something new to be painted.

        Raises:
            Exception: What has ended the painting.
        """
        self._changed.set()
        if self._painting.done():
            self._painting.result()

    def __enter__(self) -> Repainter:
        self._painting = self._painter.submit(contextvars.copy_context().run, self._paint_on)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._changed.set()
        self._painter.shutdown()
        self._painting.result()
        self._paint()

    def _paint_on(self) -> None:
        while not self._closing.is_set():
            self._changed.wait()
            self._changed.clear()
            began = time.monotonic()
            self._paint()
            self._closing.wait(max(self._every, self._share * (time.monotonic() - began)))
