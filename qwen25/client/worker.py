"""The worker of a map: asks one prompt, in a thread, in a process or on another machine."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, Dict, NamedTuple, Optional, Tuple

from ..errors import QwenError
from ..events import Event, Started
from ..protocol.prompt import Prompt
from ..timeouts import Timeout
from .cancellation import CancelScope

if TYPE_CHECKING:
    from .client import Client


class Request(NamedTuple):
    """A prompt and its options; `None` is the client's default."""

    prompt: Prompt
    model: Optional[str] = None
    system: Optional[str] = None


class Attempt(NamedTuple):
    """The result of one try."""

    text: Optional[str]
    error: Optional[QwenError]
    #: How long the try took.
    seconds: float
    #: How much of that was waiting in the Space's queue.
    queued: float


class Worker:
    """Asks one Space of the client one prompt a call, once: the map decides about new tries.

    In another process, all prompts of one map share one copy, and so its connections.
    """

    def __init__(self, client: Client, index: int = 0, key: Optional[str] = None) -> None:
        self._client = client
        self._index = index
        self._key = uuid.uuid4().hex if key is None else key
        self._scope = CancelScope()

    def __call__(
        self, request: Request, limits: Timeout, which: Tuple[int, int], others: int = 0
    ) -> Attempt:
        """Ask once.

        Args:
            request: What to ask.
            limits: For this try.
            which: The prompt's index and the number of the try. Dask takes calls with equal
                arguments for one call, and these make each call different.
            others: How many other Spaces may still be asked. They get their share of the time,
                and this one is not waited for while it sleeps.
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
            with self._scope.enter():
                stream = self._client._ask(
                    request.prompt,
                    request.system,
                    request.model,
                    None,
                    limits,
                    notice,
                    start_over=True,
                    max_retries=0,
                    only=self._index,
                    others=others,
                )
                text = stream.result()
        except QwenError as failure:
            # The traceback would keep its frames, and what they refer to, as long as the answer.
            error = failure.with_traceback(None)
        end = time.monotonic()
        queued = (end if started is None else started) - start
        return Attempt(text, error, end - start, queued)

    def stop(self) -> None:
        """Cancel what runs in this process, and start nothing more."""
        self._scope.cancel()

    def __reduce__(self) -> Tuple[Any, ...]:
        return _of_this_process, (self._key, self._index, self._client)


#: The copies of workers in this process; the oldest ones are removed.
_here: Dict[str, Worker] = {}
_MOST_HERE = 32


def _of_this_process(key: str, index: int, client: Client) -> Worker:
    worker = _here.setdefault(key, Worker(client, index, key))
    while len(_here) > _MOST_HERE:
        _here.pop(next(iter(_here)), None)
    return worker
