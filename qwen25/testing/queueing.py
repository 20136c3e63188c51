"""The queue of a Space: who is answered now, who waits, and in which place."""

from __future__ import annotations

import threading
from typing import List, Optional

from ..events import Queued
from .steps import Gate


class QueueFull(Exception):
    """No more may wait; says it in Gradio's words."""


class Ticket:
    """One place in the queue."""

    def __init__(self) -> None:
        self.running = False
        #: Set whenever the queue has moved.
        self.moved = Gate()


class Queue:
    """At most `limit` run at once, at most `size` wait; `None` is no limit."""

    def __init__(self, limit: Optional[int], size: Optional[int]) -> None:
        self._limit = limit
        self._size = size
        self._lock = threading.Lock()
        self._running = 0
        self._waiting: List[Ticket] = []

    def enter(self) -> Ticket:
        """Run at once, or wait."""
        with self._lock:
            ticket = Ticket()
            if self._limit is None or self._running < self._limit:
                self._run(ticket)
                return ticket
            waiting = len(self._waiting)
            if self._size is not None and waiting >= self._size:
                raise QueueFull(f"Queue is full. Max size is {self._size} and size is {waiting}.")
            self._waiting.append(ticket)
            return ticket

    def leave(self, ticket: Ticket) -> None:
        """Done, or given up; the next one runs."""
        with self._lock:
            if ticket.running:
                self._running -= 1
            else:
                self._waiting.remove(ticket)
            if self._waiting and self._limit is not None and self._running < self._limit:
                self._run(self._waiting.pop(0))
            for waiting in self._waiting:
                waiting.moved.set()

    def place(self, ticket: Ticket) -> Optional[Queued]:
        """The place of one who waits; `None` when it runs. Its `moved` is closed again."""
        with self._lock:
            if ticket.running:
                return None
            ticket.moved.clear()
            return Queued(self._waiting.index(ticket), len(self._waiting))

    def _run(self, ticket: Ticket) -> None:
        self._running += 1
        ticket.running = True
        ticket.moved.set()
