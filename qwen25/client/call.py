"""One call: into the queue, through its stream, and again where a new try cannot do harm."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any, Callable, Dict, Generator, Iterator, List, Optional, Union

from ..errors import (
    AuthenticationError,
    EndpointNotFoundError,
    InvalidRequestError,
    QwenError,
    SpaceUnavailableError,
    StreamInterruptedError,
)
from ..events import Event, Note, Started
from ..protocol.decoder import Decoder, StepReader
from ..protocol.prompt import ChatRequest
from ..protocol.walk import Walk
from ..timeouts import Deadline
from .cancellation import CancelScope
from .discovery import App
from .retrying import Retries
from .space_api import SpaceApi

_log = logging.getLogger("qwen25")


class Call:
    """A request and its answer, as text and events.

    One answer may take several steps in one session: each is put into the queue and read to its
    end. Time limits, new tries, leaving and errors are those of the whole.

    Args:
        session: The session that has seen the earlier turns; default a new one.
        start_over: Ask anew also when a stream breaks after text has come; for a caller who
            wants the whole answer only.
        on_event: Called with every event that is not text, at once.
    """

    def __init__(
        self,
        app: App,
        request: ChatRequest,
        *,
        session: Optional[str] = None,
        deadline: Deadline,
        retries: Retries,
        on_event: Optional[Callable[[Event], object]],
        start_over: bool,
    ) -> None:
        self.event_id = ""
        self.session_hash = ""
        self.closed = False
        self._app = app
        self._request = request
        self._session = session
        self._keeps_session = False
        self._deadline = deadline
        self._retries = retries
        self._on_event = on_event
        self._start_over = start_over
        self._waiting: List[Event] = []  # events that came before the stream was open
        self._most = ""  # the longest text of the tries so far
        self._reread = False
        self._walk: Walk
        self._prefix = ""
        self._messages: Iterator[Dict[str, Any]]
        self._reader: Union[Decoder, StepReader]  # of the present step
        self._decoder: Optional[Decoder] = None  # of the step that answers
        self._api: Optional[SpaceApi] = app.connect()
        self._ended = threading.Event()  # ends the waiting for the next try
        self._handover = threading.RLock()  # the API is released once, and not used afterwards
        self._callback_raised = False
        self._scope = CancelScope.current()
        if self._scope is not None:
            self._scope.register(self.cancel)

    @property
    def text(self) -> str:
        """The answer so far."""
        return "" if self._decoder is None else self._decoder.text

    @property
    def rewritten(self) -> bool:
        """Whether the server took back text that was handed out."""
        return self._decoder is not None and self._decoder.rewritten

    @property
    def complete(self) -> bool:
        """Whether the server has said that the answer is complete."""
        return self._decoder is not None and self._decoder.done

    @property
    def remembered(self) -> Optional[str]:
        """The session that knows this turn; `None` when the app needs none to be told of it."""
        return self.session_hash if self._keeps_session else None

    def join(self) -> None:
        """Put the request into the queue, and open the stream of its messages."""
        try:
            while True:
                try:
                    self._join()
                    return
                except QwenError as error:
                    # A session that has the turn already must not get it twice.
                    twice = self._session is not None and self.session_hash != ""
                    if self._callback_raised or twice or not self._wait_for_next_try(error):
                        raise
        except BaseException:
            self.close()
            raise

    def answer(self) -> Generator[Union[str, Event], None, None]:
        """Read the answer to its end: non-empty pieces of text, and events between them."""
        joined = True
        try:
            while True:
                try:
                    if not joined:
                        self._join()
                    yield from self._read()
                    return
                except QwenError as error:
                    if self._callback_raised:
                        raise
                    if self.closed:
                        return
                    came = bool(self.text) or self.rewritten
                    self._most = error.partial = max(self.text, self._most, key=len)
                    if came and not self._start_over:
                        raise  # a piece that was handed out cannot be taken back
                    if self._session is not None:
                        raise  # the session may have this turn already, and no other has the rest
                    if not self._wait_for_next_try(error):
                        raise
                    joined = False
                except Exception:
                    # Closed by another thread between two reads, the connection breaks in ways
                    # that say nothing.
                    if self.closed:
                        return
                    raise
        finally:
            self.close()

    def close(self) -> None:
        """Leave; the server stops writing. A thread that waits for the answer wakes up."""
        self.closed = True
        self._ended.set()
        with self._handover:
            api, self._api = self._api, None
        if api is not None:
            api.interrupt()
            api.release()
        if self._scope is not None:
            self._scope.unregister(self.cancel)

    def cancel(self) -> None:
        """From another thread, at any stage: end what is waited for; its thread then closes."""
        self.closed = True
        self._ended.set()
        with self._handover:
            if self._api is not None:
                self._api.cancel()

    def _join(self) -> None:
        """Begin the walk: put its first step into the queue."""
        self._deadline.queued()
        plan = self._app.plan(self._open_api(), self._deadline, self._tell_early, self._wait)
        self._keeps_session = plan.keeps_session
        if not plan.keeps_session:
            self._session = None
        self._walk = Walk(plan, self._request, in_session=self._session is not None)
        self._prefix = plan.prefix
        try:
            self._join_step(self._session or os.urandom(5).hex())
        except (AuthenticationError, EndpointNotFoundError, SpaceUnavailableError) as error:
            # What an app answers that was restarted with another wiring, or forgot a login.
            forgotten = (404, 500) if self._app.auth is None else (401, 404, 500)
            if self._reread or error.status not in forgotten:
                raise
            self._reread = True
            self._app.forget()
            return self._join()
        for note in self._walk.notes:
            self._tell_early(note)

    def _join_step(self, session_hash: str) -> None:
        api, walk = self._open_api(), self._walk
        body = walk.body(session_hash)
        _log.debug("asking %s: %s", self._app.address.url, body)
        self.event_id = api.join(self._prefix, body, self._deadline)
        self.session_hash = session_hash
        self._decoder = walk.decoder(self._deadline.check) if walk.is_last else None
        self._reader = self._decoder or StepReader()
        # Opened before the first piece is asked for: the end of this stream is what tells the
        # Space that its client has left, and a Space that is not told works on.
        self._messages = api.listen(self._prefix, session_hash, self._deadline)

    def _read(self) -> Iterator[Union[str, Event]]:
        while self._waiting:
            yield self._waiting.pop(0)
        while True:
            reader = self._reader
            feed = reader.feed
            for message in self._messages:
                item = feed(message)
                if isinstance(item, str):
                    if self.closed:
                        return  # by another thread; what the buffers still hold is not wanted
                    if item:
                        yield item
                else:
                    for each in item if isinstance(item, list) else [item]:
                        if not isinstance(each, str):
                            self._tell(each)
                        if self.closed:
                            return  # by the one who was told
                        yield each
                if reader.done:
                    break
            else:
                raise StreamInterruptedError(
                    "The connection ended before the answer did.",
                    hint="`partial` holds what came. Ask again.",
                )
            self._open_api().finish(self._deadline)
            if not isinstance(reader, StepReader):
                _log.debug("answered: %s", reader.text)
                return
            self._walk.advance(reader.data)
            self._deadline.queued()
            self._join_step(self.session_hash)

    def _open_api(self) -> SpaceApi:
        if self._api is None:
            raise InvalidRequestError("The stream was closed while it waited.")
        return self._api

    def _tell(self, event: Event) -> None:
        if isinstance(event, Started):
            self._deadline.started()
        if self._on_event is not None:
            try:
                self._on_event(event)
            except BaseException:  # whatever the user's own code raises comes out as it is
                self._callback_raised = True
                raise

    def _tell_early(self, note: Note) -> None:
        self._tell(note)
        self._waiting.append(note)

    def _wait_for_next_try(self, error: QwenError) -> bool:
        # The errors are raised where they are caught: an error that is raised out of a variable
        # is held by its own traceback, and with it the connection, until the collector comes.
        seconds = None if self.closed else self._retries.delay(error, self._deadline.left())
        if seconds is None:
            return False
        _log.info("trying again in %.1f s: %s", seconds, error)
        if self._api is not None:
            self._api.close_stream()
        self._wait(seconds)
        return True

    def _wait(self, seconds: float) -> None:
        """Sleep, or until the call is closed."""
        self._deadline.clock.wait(self._ended, seconds)
