"""Many prompts, and their answers as they come: the loop behind `Client.map`."""

from __future__ import annotations

import heapq
import logging
import math
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Generator,
    Iterable,
    List,
    NamedTuple,
    Optional,
    Tuple,
    Union,
)

from ..errors import InvalidRequestError, QwenError
from ..protocol.prompt import Prompt
from ..timeouts import Timeout
from .cancellation import CancelScope
from .limiter import AdaptiveLimiter, Permit, is_busy
from .retrying import Retries
from .worker import Attempt, Request, Worker

if TYPE_CHECKING:
    from .client import Client

_log = logging.getLogger("qwen25")

#: How many prompts a worker are taken, at most, before their answers have been handed out: so many
#: go ahead of one that takes long, when the order is kept.
AHEAD = 4


class Answer(NamedTuple):
    """What came of one prompt: its text, or its error."""

    #: The place of the prompt among all, from 0.
    index: int  # type: ignore[assignment]  # a method of tuples that nobody needs here
    #: The prompt as it was given.
    prompt: Prompt
    #: The whole answer; `None` when there is none.
    text: Optional[str]
    #: Why there is none; its `partial` holds what had come.
    error: Optional[QwenError]
    #: From the first try to the end, with all waiting between.
    seconds: float
    #: How many tries it took; those that a busy Space refused count.
    attempts: int


class _Task:
    """A prompt that was taken, until its answer is there."""

    def __init__(self, index: int, request: Request) -> None:
        self.index = index
        self.request = request
        self.attempts = 0
        self.began = 0.0  # when it was sent first
        self.sent = 0.0  # and last
        self.spent = 0.0  # seconds of its time limit that are used up
        self.retries: Optional[Retries] = None
        self.permit: Permit
        self.attempt: Attempt  # of the last try


class Answers:
    """Asks all requests; `each()` is the iterator.

    There is one gate, and it is here, with the one who wants the answers: an executor's workers
    only ask, and tell what came of it. So they slow down together wherever they are, and none
    of them sleeps.

    Args:
        timeout: For each prompt; the waiting for a place in a busy Space does not count.
    """

    def __init__(
        self,
        client: Client,
        requests: Iterable[Request],
        *,
        workers: int = 4,
        executor: Optional[Executor] = None,
        timeout: Union[None, float, Timeout] = None,
        ordered: bool = True,
    ) -> None:
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise InvalidRequestError(f"workers={workers!r} is not a number of workers.")
        #: Seconds that a prompt waits at present, for a place and in the Space's queue.
        self.queue_wait = 0.0
        self._limits = client._timeout if timeout is None else Timeout.of(timeout)
        self._max_retries = client._max_retries
        self._requests = enumerate(requests)
        self._exhausted = False
        self._finishing = False
        self._most_taken = AHEAD * workers
        self._taken = 0  # and not handed out
        self._workers = workers
        self._executor = executor
        self._ordered = ordered
        self._next = 0
        self._ready: Dict[int, Answer] = {}
        self._limiter = AdaptiveLimiter(workers)
        self._worker = Worker(client)
        self._waiting: List[Tuple[float, int, _Task]] = []  # a heap of who sets out anew, and when
        self._sent: Dict[Future[Attempt], _Task] = {}
        self._back: SimpleQueue[Optional[Future[Attempt]]] = SimpleQueue()
        self._news_at = 0.0  # when an answer came last
        self._scope = CancelScope.current()
        if self._scope is not None:
            self._scope.register(self.cancel)

    def each(self) -> Generator[Answer, None, None]:
        """The answers. Closing the iterator stops what runs, and starts nothing more."""
        own = None
        if self._executor is None:
            own = ThreadPoolExecutor(self._workers, thread_name_prefix="qwen25-map")
        executor = own or self._executor
        assert executor is not None
        try:
            while True:
                self._send(executor)
                while self._receive(wait=False):
                    self._send(executor)
                answer = self._pop()
                if answer is not None:
                    yield answer
                elif self._sent or (not self._finishing and (self._waiting or self._is_more())):
                    self._receive(wait=True)
                else:
                    return
        finally:
            for future in self._sent:
                future.cancel()
            self._worker.stop()
            if self._scope is not None:
                self._scope.unregister(self.cancel)
            if own is not None:
                own.shutdown()

    def finish(self) -> None:
        """Let those on their way come to their end, and send out no others.

        It may be called by a signal handler; not when the order is kept, which knows no gaps.
        """
        self._finishing = True
        self._back.put(None)

    def cancel(self) -> None:
        """Stop what runs in this process, and send out no others."""
        self._worker.stop()
        self.finish()

    def _send(self, executor: Executor) -> None:
        """Send out as many as may go."""
        while self._limiter.has_room(time.monotonic()):
            task = self._take()
            if task is None:
                return
            now = time.monotonic()
            if not task.attempts:
                task.began = now
            task.attempts += 1
            task.sent = now
            task.permit = self._limiter.acquire()
            which = (task.index, task.attempts)
            future = executor.submit(self._worker, task.request, self._left(task), which)
            self._sent[future] = task
            future.add_done_callback(self._back.put)

    def _take(self) -> Optional[_Task]:
        """Who is next: one whose time to be asked anew has come, else a new one."""
        if self._finishing:
            return None
        if self._waiting and self._waiting[0][0] <= time.monotonic():
            return heapq.heappop(self._waiting)[2]
        if self._exhausted or self._taken >= self._most_taken:
            return None
        for index, request in self._requests:
            self._taken += 1
            return _Task(index, request)
        self._exhausted = True
        return None

    def _is_more(self) -> bool:
        """Whether there are further prompts, although none may set out now."""
        task = self._take()
        if task is None:
            return False
        self._put_off(task, 0.0)
        return True

    def _left(self, task: _Task) -> Timeout:
        """The limits of a task's next try: what its former ones have left of them."""
        total, queue = self._limits.total, self._limits.queue
        return self._limits._replace(
            total=None if total is None else max(total - task.spent, 0.001),
            queue=None if queue is None else max(queue - task.spent, 0.001),
        )

    def _receive(self, *, wait: bool) -> bool:
        """Deal with one that came back; false when there is none, or it was only time to send."""
        try:
            future = self._back.get(wait, self._patience() if wait else None)
        except Empty:
            return False
        if future is None:
            return False
        task = self._sent.pop(future)
        task.attempt = attempt = future.result()
        now = time.monotonic()
        task.spent += attempt.seconds
        waited = task.sent - task.began + attempt.queued
        self.queue_wait += (waited - self.queue_wait) / (2 * self._workers)
        error = attempt.error
        if error is None:
            self._limiter.succeeded()
            self._news_at = now
        elif is_busy(error):
            self._limiter.refused(error, task.permit, now)
            _log.info(
                "prompt %d has to wait: %d at once, none for %.1f s: %s",
                *(
                    task.index,
                    self._limiter.limit,
                    max(self._limiter.blocked_until - now, 0.0),
                    error,
                ),
            )
            self._put_off(task, 0.0)
            self._give_up(now)
            return True
        else:
            self._limiter.release()
            if task.retries is None:
                task.retries = Retries(self._max_retries)
            delay = task.retries.delay(error, _or_infinite(self._left(task).total))
            if delay is not None:
                task.spent += delay
                self._put_off(task, now + delay)
                return True
        self._conclude(task)
        return True

    def _put_off(self, task: _Task, due: float) -> None:
        heapq.heappush(self._waiting, (due, task.index, task))

    def _give_up(self, now: float) -> None:
        """Conclude those who cannot wait until the gate opens.

        While others are answered, nobody waits for too long: the Space is alive, and the gate
        serves them in their turn.
        """
        until = self._limiter.blocked_until
        if until <= now:
            return
        waiting, self._waiting = self._waiting, []
        for due, _, task in waiting:
            alone_since = max(task.began, self._news_at)
            if until - alone_since < _or_infinite(self._left(task).total):
                self._put_off(task, due)
            else:
                self._conclude(task)

    def _conclude(self, task: _Task) -> None:
        """Make the answer of a task's last try."""
        attempt = task.attempt
        seconds = task.sent - task.began + attempt.seconds
        self._ready[task.index] = Answer(
            task.index, task.request.prompt, attempt.text, attempt.error, seconds, task.attempts
        )

    def _patience(self) -> Optional[float]:
        """Seconds until one may set out although none has come back; `None` is never."""
        limiter = self._limiter
        if self._finishing or limiter.in_flight >= limiter.limit:
            return None
        due = self._waiting[0][0] if self._waiting else math.inf
        if not self._exhausted and self._taken < self._most_taken:
            due = 0.0  # a new one
        until = max(limiter.blocked_until, due)
        return None if until == math.inf else max(until - time.monotonic(), 0.0)

    def _pop(self) -> Optional[Answer]:
        """The next answer to hand out, if it is there."""
        if not self._ready:
            return None
        index = self._next if self._ordered else next(iter(self._ready))
        answer = self._ready.pop(index, None)
        if answer is not None:
            self._next += 1
            self._taken -= 1
        return answer


def _or_infinite(seconds: Optional[float]) -> float:
    return math.inf if seconds is None else seconds


def map_prompts(
    client: Client,
    prompts: Iterable[Prompt],
    *,
    model: Optional[str],
    system: Optional[str],
    **options: Any,
) -> Generator[Answer, None, None]:
    """What `Client.map` does; its arguments are checked when it is called."""
    if isinstance(prompts, (str, bytes, dict)) or not isinstance(prompts, Iterable):
        raise InvalidRequestError(
            f"A map takes many prompts, and this is one {type(prompts).__name__}.",
            hint="Put it into a list, or use complete().",
        )
    requests = (Request(prompt, model, system) for prompt in prompts)
    answers = Answers(client, requests, **options)
    return answers.each()
