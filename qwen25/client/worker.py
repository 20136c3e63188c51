"""What a worker of a map does with one prompt: in a thread, a process or on another machine."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, Dict, NamedTuple, Optional, Tuple

from ..errors import QwenError
from ..events import Event, Started
from ..protocol.prompt import Prompt
from ..timeouts import Timeout
from .cancellation import Interruptible

if TYPE_CHECKING:
    from .client import Client


class Question(NamedTuple):
    """A prompt and how it is to be asked; `None` is what the client does by itself."""

    prompt: Prompt
    model: Optional[str] = None
    system: Optional[str] = None


class Outcome(NamedTuple):
    """What one try has come to."""

    text: Optional[str]
    error: Optional[QwenError]
    #: How long the try took.
    seconds: float
    #: How much of that was waiting in the Space's queue.
    queued: float


class Asker:
    """Asks one question a call, once: what is tried again, the map decides for all its workers.

    A copy in another process is one for all questions of the map there, so that they share its
    connections and its knowledge of the Space.
    """

    def __init__(self, client: Client, key: Optional[str] = None) -> None:
        self._client = client
        self._key = uuid.uuid4().hex if key is None else key
        # What is tried again, the map decides.
        self._calls = Interruptible(client, max_retries=0)

    def __call__(self, question: Question, limits: Timeout, which: Tuple[int, int]) -> Outcome:
        """Ask once.

        Args:
            question: What to ask.
            limits: For this try.
            which: The question's index and the try's number. They make a call unlike all others;
                Dask takes calls that are alike for one.
        """
        start = time.monotonic()
        started: Optional[float] = None

        def notice(event: Event) -> None:
            nonlocal started
            if isinstance(event, Started):
                started = time.monotonic()

        text: Optional[str] = None
        error: Optional[QwenError] = None
        try:
            text = self._calls.complete(
                question.prompt,
                model=question.model,
                system=question.system,
                timeout=limits,
                on_event=notice,
            )
        except QwenError as failure:
            # Its frames would keep all that they know alive, for as long as the answer is kept.
            error = failure.with_traceback(None)
        end = time.monotonic()
        queued = (end if started is None else started) - start
        return Outcome(text, error, end - start, queued)

    def stop(self) -> None:
        """End what runs in this process, and let nothing begin."""
        self._calls.interrupt()

    def __reduce__(self) -> Tuple[Any, ...]:
        return _of_this_process, (self._key, self._client)


#: The askers that came to this process as copies; the oldest are forgotten.
_here: Dict[str, Asker] = {}
_MOST_HERE = 8


def _of_this_process(key: str, client: Client) -> Asker:
    asker = _here.setdefault(key, Asker(client, key))
    while len(_here) > _MOST_HERE:
        _here.pop(next(iter(_here)), None)
    return asker
