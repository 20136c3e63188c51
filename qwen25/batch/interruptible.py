"""A client whose calls can be ended by another thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, List

from ..client import Client
from ..timeouts import Clock

if TYPE_CHECKING:
    from ..app import App
    from ..exchange import Exchange


class Interruptible(Client):
    """A client as the workers of one map see it: with the same connections, and no second tries."""

    def __init__(self, client: Client) -> None:
        self.__dict__.update(client.__dict__)
        self._client = client
        self._max_retries = 0
        self._ended = threading.Event()
        self._clock = _Clock(self._ended)
        self._lock = threading.Lock()
        self._running: List[Exchange] = []

    def interrupt(self) -> None:
        """End what waits, in whatever thread, and let nothing begin."""
        self._ended.set()
        with self._lock:
            running = self._running
        for exchange in running:
            exchange.interrupt()

    def _begin(self, exchange: Exchange) -> None:
        with self._lock:
            self._running = [each for each in self._running if not each.closed] + [exchange]
        # Looked at afterwards, so that one of both threads sees what the other has done.
        if self._ended.is_set():
            exchange.interrupt()
        self._client._begin(exchange)

    def _open(self) -> App:
        return self._client._open()


class _Clock(Clock):
    """Sleeps no longer than nobody interrupts."""

    def __init__(self, ended: threading.Event) -> None:
        self.sleep = ended.wait  # type: ignore[assignment]
