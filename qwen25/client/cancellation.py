"""Calls that another thread can cancel."""

from __future__ import annotations

import contextlib
import threading
from typing import Callable, Iterator, List, Optional

_of_thread = threading.local()


class CancelScope:
    """What begins inside `with scope.enter():` is cancelled by `scope.cancel()`, from any thread.

    A call registers with the innermost scope of its thread. A scope that was cancelled stays so:
    what registers later is cancelled at once.
    """

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        # The garbage collector may close a stream, and so unregister it, inside these methods.
        self._lock = threading.RLock()
        self._callbacks: List[Callable[[], object]] = []

    @staticmethod
    def current() -> Optional[CancelScope]:
        """The innermost scope that this thread is in."""
        return getattr(_of_thread, "scope", None)

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """End what waits, in whatever thread, and let nothing begin. Calling it twice is fine."""
        self._cancelled.set()
        with self._lock:
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()

    def register(self, callback: Callable[[], object]) -> None:
        """Call this when the scope is cancelled; at once when it is cancelled already."""
        with self._lock:
            self._callbacks.append(callback)
        # Checked after publishing, so that one of the two threads always sees the other's write.
        if self.cancelled:
            callback()

    def unregister(self, callback: Callable[[], object]) -> None:
        """Forget a callback, if it is known."""
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    @contextlib.contextmanager
    def enter(self) -> Iterator[None]:
        """Be the innermost scope of this thread; several threads may be inside at once."""
        outer = self.current()
        _of_thread.scope = self
        try:
            yield
        finally:
            _of_thread.scope = outer
