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
from ..protocol.decoder import Decoder
from ..protocol.prompt import Query
from ..timeouts import Deadline
from .cancellation import CancelScope
from .discovery import App
from .retrying import Retries
from .space_api import SpaceApi

_log = logging.getLogger("qwen25")


class Call:
    """A query and its answer, as text and events.

    Args:
        start_over: Ask anew also when a stream breaks after text has come; for a caller who
            wants the whole answer only.
        on_event: Called with every event that is not text, at once.
    """

    def __init__(
        self,
        app: App,
        query: Query,
        model: str,
        *,
        deadline: Deadline,
        retries: Retries,
        on_event: Optional[Callable[[Event], object]],
        start_over: bool,
    ) -> None:
        self.event_id = ""
        self.session_hash = ""
        self.closed = False
        self._app = app
        self._query = query
        self._model = model
        self._deadline = deadline
        self._retries = retries
        self._on_event = on_event
        self._start_over = start_over
        self._waiting: List[Event] = []  # events that came before the stream was open
        self._most = ""  # the longest text of the tries so far
        self._reread = False
        self._messages: Iterator[Dict[str, Any]]
        self._decoder: Optional[Decoder] = None
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

    def join(self) -> None:
        """Put the request into the queue, and open the stream of its messages."""
        try:
            while True:
                try:
                    self._join()
                    return
                except QwenError as error:
                    if self._callback_raised or not self._wait_for_next_try(error):
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
        api = self._open_api()
        self._deadline.queued()
        wiring = self._app.wiring(api, self._deadline, self._tell_early, self._wait)
        session_hash = os.urandom(5).hex()
        body = wiring.body(self._query, wiring.size(self._model), session_hash)
        _log.debug("asking %s: %s", self._app.address.url, body)
        try:
            self.event_id = api.join(wiring.prefix, body, self._deadline)
        except (AuthenticationError, EndpointNotFoundError, SpaceUnavailableError) as error:
            # What an app answers that was restarted with another wiring, or forgot a login.
            forgotten = (404, 500) if self._app.auth is None else (401, 404, 500)
            if self._reread or error.status not in forgotten:
                raise
            self._reread = True
            self._app.forget()
            return self._join()
        self.session_hash = session_hash
        sent = wiring.layout.encode(self._query.history)
        self._decoder = Decoder(
            wiring.layout, wiring.output, sent, wiring.diffs, self._deadline.check
        )
        # Opened before the first piece is asked for: the end of this stream is what tells the
        # Space that its client has left, and a Space that is not told works on.
        self._messages = api.listen(wiring.prefix, session_hash, self._deadline)

    def _read(self) -> Iterator[Union[str, Event]]:
        while self._waiting:
            yield self._waiting.pop(0)
        api, decoder = self._open_api(), self._decoder
        assert decoder is not None  # join() has made it
        feed = decoder.feed
        for message in self._messages:
            item = feed(message)
            if isinstance(item, str):
                if self.closed:
                    return  # by another thread; what the buffers still hold is not wanted
                if item:
                    yield item
                if decoder.done:
                    _log.debug("answered: %s", decoder.text)
                    api.finish(self._deadline)
                    return
            else:
                if isinstance(item, Started):
                    self._deadline.started()
                self._tell(item)
                if self.closed:
                    return  # by the one who was told
                yield item
        raise StreamInterruptedError(
            "The connection ended before the answer did.",
            hint="`partial` holds what came. Ask again.",
        )

    def _open_api(self) -> SpaceApi:
        if self._api is None:
            raise InvalidRequestError("The stream was closed while it waited.")
        return self._api

    def _tell(self, event: Event) -> None:
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
