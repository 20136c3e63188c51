"""A client whose calls can be ended by another thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Tuple

from ..timeouts import Clock
from .client import Client

if TYPE_CHECKING:
    from .call import Exchange
    from .discovery import App


class Interruptible(Client):
    """A client as one caller sees it: with the connections of another, and an end from outside.

    Args:
        max_retries: Default that of the other client.
    """

    def __init__(self, client: Client, *, max_retries: Optional[int] = None) -> None:
        self.__dict__.update(client.__dict__)
        if max_retries is not None:
            self._max_retries = max_retries
        #: Set when it was interrupted.
        self.ended = threading.Event()
        self._clock = _Clock(self.ended)
        self._client = client
        self._lock = threading.RLock()  # a stream that is collected interrupts in any thread
        self._running: List[Exchange] = []
        self._tell: List[Callable[[], None]] = []

    def interrupt(self) -> None:
        """End what waits, in whatever thread, and let nothing begin."""
        self.ended.set()
        with self._lock:
            running, tell = self._running, list(self._tell)
        for exchange in running:
            exchange.interrupt()
        for each in tell:
            each()

    def when_interrupted(self, tell: Callable[[], None]) -> None:
        """Have somebody told who waits for something else than an answer."""
        with self._lock:
            self._tell.append(tell)
        if self.ended.is_set():
            tell()

    def _begin(self, exchange: Exchange) -> None:
        with self._lock:
            self._running = [each for each in self._running if not each.closed] + [exchange]
        # Looked at afterwards, so that one of both threads sees what the other has done.
        if self.ended.is_set():
            exchange.interrupt()
        self._client._begin(exchange)

    def _open(self) -> App:
        return self._client._open()

    def __reduce__(self) -> Tuple[Any, ...]:
        # A copy in another process cannot be reached from here.
        return self._client.__reduce__()


class _Clock(Clock):
    """Sleeps no longer than nobody interrupts."""

    def __init__(self, ended: threading.Event) -> None:
        self.sleep = ended.wait  # type: ignore[assignment]
