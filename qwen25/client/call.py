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
from ..events import Event, Note, Started, Thought
from ..protocol.decoder import Decoder, StepReader
from ..protocol.plan import ChatPlan
from ..protocol.prompt import ChatRequest
from ..protocol.walk import Walk
from ..timeouts import Deadline
from ..transport.exceptions import from_signal_handler
from .cancellation import CancelScope
from .retrying import Retries
from .space_api import SpaceApi
from .spaces import Failover, Target, is_waking, may_move

_log = logging.getLogger("qwen25")


class KeptSession:
    """A session in which an app remembers the turns itself.

    Args:
        instance: The start of the app that knows it; `None` when the app does not tell its starts
            apart.
    """

    def __init__(self, hash: str, instance: Optional[int]) -> None:
        self.hash = hash
        self.instance = instance


class Call:
    """A request and its answer, as text and events.

    One answer may take several steps in one session: each is put into the queue and read to its
    end. Time limits, new tries, leaving and errors are those of the whole.

    Args:
        session: The session that has seen the earlier turns; default a new one.
        start_over: Ask again also when a stream breaks after text has come; for a caller who
            wants the whole answer only.
        on_event: Called with every event that is not text, at once.
    """

    def __init__(
        self,
        failover: Failover,
        request: ChatRequest,
        *,
        session: Optional[KeptSession] = None,
        deadline: Deadline,
        retries: Retries,
        on_event: Optional[Callable[[Event], object]],
        start_over: bool,
    ) -> None:
        self.event_id = ""
        self.session_hash = ""
        self.closed = False
        self._failover = failover
        self._app = failover.target.app
        self._request = request
        self._session = session
        self._plan: Optional[ChatPlan] = None
        self._deadline = deadline
        self._retries = retries
        self._on_event = on_event
        self._start_over = start_over
        self._waiting: List[Event] = []  # events that came before the stream was open
        self._thinking = False  # a thought has come, in the present try
        self._most = ""  # the longest text of the tries so far
        self._reread = False
        self._walk: Walk
        self._prefix = ""
        self._messages: Iterator[Dict[str, Any]]
        self._reader: Union[Decoder, StepReader]  # of the present step
        self._decoder: Optional[Decoder] = None  # of the step that answers
        self._api: Optional[SpaceApi] = self._app.connect()
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
    def target(self) -> Target:
        """The Space that is asked."""
        return self._failover.target

    @property
    def remembered(self) -> Optional[KeptSession]:
        """The session that knows this turn; `None` when the app needs none to be told of it."""
        if self._plan is None or not self._plan.keeps_session:
            return None
        return KeptSession(self.session_hash, self._plan.instance)

    def join(self) -> None:
        """Put the request into the queue, and open the stream of its messages."""
        try:
            while True:
                try:
                    self._join()
                    return
                except QwenError as error:
                    if self._is_of_the_user(error):
                        raise
                    # A session that has the turn already must not get it twice.
                    twice = self._session is not None and self.session_hash != ""
                    if not self._may_try_again(error, here=not twice):
                        if self._failover.names_all(error):
                            raise self._failover.error(error) from error
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
                        joined = True
                    yield from self._read()
                    return
                except QwenError as error:
                    if self._is_of_the_user(error):
                        raise
                    if self.closed:
                        return
                    came = joined and (bool(self.text) or self.rewritten or self._thinking)
                    self._most = error.partial = max(self.text, self._most, key=len)
                    if came and not self._start_over:
                        raise  # a piece that was handed out cannot be taken back
                    # The session may have this turn already, and no other has the rest.
                    here = self._session is None
                    if not self._may_try_again(error, here=here, elsewhere=not came):
                        if self._failover.names_all(error):
                            raise self._failover.error(error) from error
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
        self._thinking = False
        if self._failover.shares:
            self._deadline.share(self._failover.share)
        self._deadline.queued()
        wait = self._wait if self._failover.waits else None
        if self._session is not None and self._session.instance is not None:
            self._app.reread()  # its answer says whether the app was started again
        plan = self._app.plan(self._open_api(), self._deadline, self._tell_early, wait)
        self._plan = plan
        if self._session is not None:
            # An app that was started again takes the name of an old session, and begins it empty.
            if not plan.keeps_session or plan.instance != self._session.instance:
                self._session = None
        self._walk = Walk(plan, self._request, in_session=self._session is not None)
        self._prefix = plan.prefix
        try:
            self._join_step(self._session.hash if self._session else os.urandom(5).hex())
        except (AuthenticationError, EndpointNotFoundError, SpaceUnavailableError) as error:
            # What an app answers that was restarted with another wiring, or forgot a login.
            forgotten = (404, 500) if self._app.auth is None else (401, 404, 500)
            if self._reread or error.status not in forgotten:
                raise
            self._reread = True
            self._app.forget()
            self._session = None  # one that was restarted knows no session
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
        silent = True
        while True:
            reader = self._reader
            feed = reader.feed
            for message in self._messages:
                item = feed(message)
                if isinstance(item, str):
                    if self.closed:
                        return  # by another thread; what the buffers still hold is not wanted
                    if item:
                        if silent:
                            silent = False
                            self._begin_answer()
                        yield item
                else:
                    for each in item if isinstance(item, list) else [item]:
                        if isinstance(each, Thought):
                            self._thinking = True
                            self._deadline.answering()
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
                self._begin_answer()
                _log.debug("answered: %s", reader.text)
                return
            self._walk.advance(reader.data)
            self._deadline.queued()
            self._join_step(self.session_hash)

    def _begin_answer(self) -> None:
        self._deadline.answering()
        self._failover.target.succeeded()

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

    def _is_of_the_user(self, error: QwenError) -> bool:
        """Whether the user's own code raised it, which is not tried again."""
        return self._callback_raised or from_signal_handler(error)

    def _may_try_again(self, error: QwenError, *, here: bool, elsewhere: bool = True) -> bool:
        """Prepare the next try, at the next Space or here after a wait; false if there is none.

        Args:
            here: Whether this Space may be asked again.
            elsewhere: Whether another one may be asked.
        """
        # The errors are raised where they are caught: an error that is raised out of a variable
        # is held by its own traceback, and with it the connection, until the collector comes.
        if self.closed:
            return False
        left = self._deadline.left
        if self._failover.several and elsewhere and may_move(error):
            before = self._failover.target
            self._deadline.answering()  # the time that is left is that of all Spaces
            seconds = 0.0 if self._failover.move(error, self._deadline.clock.now()) else None
            if seconds is None:
                again = self._failover.start_round(self._deadline.clock.now())
                if again is not None:
                    seconds = 0.0 if is_waking(again) else self._retries.delay(again, left())
            if seconds is None:
                return False
            self._move_from(before, error)
        else:
            seconds = self._retries.delay(error, left()) if here else None
            if seconds is None:
                return False
        _log.info("trying again in %.1f s: %s", seconds, error)
        if self._api is not None:
            self._api.close_stream()
        if seconds:
            self._wait(seconds)
        return True

    def _move_from(self, before: Target, error: QwenError) -> None:
        """Go on with another Space, and tell it."""
        target = self._failover.target
        if target is before:
            return
        self._app, self._session, self._reread = target.app, None, False
        self.session_hash = ""
        with self._handover:
            old, self._api = self._api, self._app.connect()
        if old is not None:
            old.release()
        if self.closed:  # meanwhile, by another thread, which knew the old connection only
            self.close()
        reason = str(error.args[0]).rstrip(".")
        self._tell_early(Note("info", f"{before.name}: {reason}. Asking {target.name}."))

    def _wait(self, seconds: float) -> None:
        """Sleep, or until the call is closed."""
        self._deadline.clock.wait(self._ended, seconds)
