"""The sessions of a Space: what was joined in each, its place in the queue, and its stream."""

from __future__ import annotations

import contextlib
from collections import deque
from typing import Any, Deque, Dict, Generator, Iterator, NamedTuple, Optional, Set

from .answer import Answer, Dialect
from .app import Memory, Output
from .framing import Part
from .question import Question, Script, steps_of
from .queueing import Queue, Ticket
from .server import ClientLeft, Server
from .steps import Drop, Fail


class Joined(NamedTuple):
    """A request that joined the queue; without a question when its inputs could not be read."""

    event_id: str
    question: Optional[Question]
    output: Output
    script: Script
    ticket: Ticket


class Session:
    """What was joined under one `session_hash`: all of it goes over one stream."""

    def __init__(self, replica: Optional[str]) -> None:
        self.joined: Deque[Joined] = deque()
        self.replica = replica
        #: All that was joined has been answered, and the end of the stream is all that is to come.
        self.answered = False


class Sessions:
    """All sessions of a Space."""

    def __init__(self, server: Server, dialect: Dialect, queue: Queue) -> None:
        self.left = self.open_streams = 0
        self._server = server
        self._dialect = dialect
        self._queue = queue
        self._sessions: Dict[str, Session] = {}
        self._memories: Dict[str, Memory] = {}
        self._abandoned: Set[str] = set()

    def memory(self, session_hash: str) -> Memory:
        """The values of the app's states, which outlive the streams of a session."""
        return self._memories.setdefault(session_hash, {})

    def enter(self) -> Ticket:
        """A place in the queue.

        Raises:
            QueueFull: There is none.
        """
        return self._queue.enter()

    def join(self, session_hash: str, replica: Optional[str], joined: Joined) -> None:
        """Let the next stream of the session answer this."""
        session = self._sessions.setdefault(session_hash, Session(replica))
        session.joined.append(joined)

    @contextlib.contextmanager
    def listening(self, session_hash: str, replica: Optional[str]) -> Iterator[Optional[Session]]:
        """The session a stream is for; what of it was not answered leaves the queue at the end."""
        with self._server.changing():
            self.open_streams += 1
            session = self._sessions.get(session_hash)
            if session is not None and session.replica != replica:
                session = None
        try:
            yield session
        except ClientLeft:
            with self._server.changing():
                # A client need not read the end of a stream whose last answer it has.
                self.left += not (self._server.closed or (session and session.answered))
                self._abandoned.add(session_hash)
            raise
        finally:
            with self._server.changing():
                self.open_streams -= 1
                if session is not None:
                    self._end(session_hash, session)

    def _end(self, session_hash: str, session: Session) -> None:
        if self._sessions.get(session_hash) is session:
            del self._sessions[session_hash]
        for joined in session.joined:
            self._queue.leave(joined.ticket)

    def parts(self, session_hash: str, session: Optional[Session]) -> Generator[Part, None, None]:
        """All that goes over one stream, and the waiting in it."""
        if session is None:
            # As the real ones do: no event for a session that its client has left.
            if session_hash not in self._abandoned:
                yield self._dialect.encode(_SESSION_NOT_FOUND)
            yield Drop()
            return
        while True:
            with self._server.changed:
                if not session.joined:
                    session.answered = True
                    self._end(session_hash, session)
                    break
                joined = session.joined.popleft()
            try:
                yield from self._answered(joined)
            finally:
                self._queue.leave(joined.ticket)
        if self._dialect.protocol == "sse_v3":
            yield self._dialect.event("close_stream", None)

    def _answered(self, joined: Joined) -> Iterator[Part]:
        answer = Answer(self._dialect, joined.event_id, joined.output)
        while True:
            place = self._queue.place(joined.ticket)
            if place is None:
                break
            yield answer.queued(place)
            yield joined.ticket.moved
        try:
            yield from answer.play(steps_of(joined.script, joined.question))
        except Exception as exc:
            # The app of a real Space fails so; the test hears of it when the Space is closed.
            self._server.errors.append(exc)
            yield from answer.play((Fail(),))


_SESSION_NOT_FOUND: Dict[str, Any] = {
    "msg": "unexpected_error",
    "event_id": None,
    "message": "404: Session not found.",
    "session_not_found": True,
    "success": False,
}
