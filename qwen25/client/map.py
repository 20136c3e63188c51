"""The scheduler behind `Client.map`: many prompts, some of them at once, and their answers."""

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

from ..errors import QwenError
from ..protocol.prompt import Prompt
from ..timeouts import Timeout
from . import arguments
from .balancer import Balancer, MapTarget
from .cancellation import CancelScope
from .limiter import Permit, is_busy
from .retrying import Retries, may_try_again
from .spaces import may_move, none_answered
from .worker import Attempt, Request

if TYPE_CHECKING:
    from .client import Client

_log = logging.getLogger("qwen25")

#: How many prompts for each worker are taken, at most, whose answers are not handed out yet. So
#: many go ahead of a slow one when the order is kept.
AHEAD = 4

#: Seconds after which a wait is interrupted. A signal that arrives just before the wait begins, or
#: in another thread, does not end it; nor does any on Windows. Python runs its handler then.
_LONGEST_WAIT = 1.0


class Answer(NamedTuple):
    """The result for one prompt: its text or its error."""

    #: The place of the prompt among all, from 0.
    index: int  # type: ignore[assignment]  # a method of tuples that is not needed here
    #: The prompt as it was given.
    prompt: Prompt
    #: The whole answer; `None` if there is none.
    text: Optional[str]
    #: Why there is no answer; its `partial` holds what had come.
    error: Optional[QwenError]
    #: From the first try to the end, including all waiting between.
    seconds: float
    #: The number of tries; those that a busy Space refused count.
    attempts: int
    #: The Space that gave the answer or the error: its id, or its URL if it has none.
    space: str = ""


class _Task:
    """A prompt that was taken, until its answer is there."""

    def __init__(self, index: int, request: Request) -> None:
        self.index = index
        self.request = request
        self.attempts = 0
        self.first_sent = 0.0
        self.last_sent = 0.0
        self.spent = 0.0  # seconds of its time limit that are used up
        self.retries: Optional[Retries] = None
        self.errors: Dict[MapTarget, QwenError] = {}  # of the Spaces that could not answer it
        self.refusals: Dict[MapTarget, QwenError] = {}  # of those that were busy
        # Of the last try:
        self.target: MapTarget
        self.permit: Permit
        self.attempt: Attempt


class MapRun:
    """One run of `Client.map`; `each()` is the iterator of its answers.

    The scheduler and the limiter are here, in the caller's thread. The workers of the executor only
    ask, and return the result. So all workers slow down together wherever they are, and none of
    them sleeps.

    Args:
        timeout: For each prompt; waiting for a place in a busy Space does not count.
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
        arguments.worker_count(workers)
        arguments.executor(executor)
        arguments.flag("ordered", ordered)
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
        self._next_index = 0
        self._ready: Dict[int, Answer] = {}
        self._balancer = Balancer(client, workers)
        self._delayed: List[Tuple[float, int, _Task]] = []  # a heap, by the time of the next try
        self._held: List[_Task] = []  # due, and the Spaces that may answer them have no room
        self._in_flight: Dict[Future[Attempt], _Task] = {}
        self._done: SimpleQueue[Optional[Future[Attempt]]] = SimpleQueue()  # `None`: look again
        self._last_success = 0.0
        self._scope = CancelScope.current()
        if self._scope is not None:
            self._scope.register(self.cancel)

    def each(self) -> Generator[Answer, None, None]:
        """Iterate over the answers. Closing the iterator stops what runs, and starts nothing."""
        own = None
        if self._executor is None:
            own = ThreadPoolExecutor(self._workers, thread_name_prefix="qwen25-map")
        try:
            try:
                yield from self._answers(own or self._executor)  # type: ignore[arg-type]
            finally:
                self._stop(own)
        finally:
            # Once more: Ctrl-C may have interrupted the first call.
            self._stop(own)

    def finish(self) -> None:
        """Wait for the prompts that are in flight, and send no others.

        A signal handler may call it. Not for a run that keeps the order, which allows no gaps.
        """
        self._finishing = True
        self._done.put(None)

    def cancel(self) -> None:
        """Stop what runs in this process, and send no others."""
        self._stop_workers()
        self.finish()

    def _answers(self, executor: Executor) -> Generator[Answer, None, None]:
        while True:
            self._send(executor)
            while self._receive(wait=False):
                self._send(executor)
            answer = self._next_answer()
            if answer is not None:
                yield answer
            elif self._in_flight or (not self._finishing and self._is_more()):
                self._receive(wait=True)
            else:
                return

    def _stop_workers(self) -> None:
        for target in self._balancer.targets:
            target.worker.stop()

    def _stop(self, own: Optional[Executor]) -> None:
        self._stop_workers()
        for future in self._in_flight:
            future.cancel()
        if self._scope is not None:
            self._scope.unregister(self.cancel)
        if own is not None:
            own.shutdown()

    def _send(self, executor: Executor) -> None:
        """Send as many prompts as there is room for."""
        held, self._held = self._held, []
        while len(self._in_flight) < self._workers:
            now = time.monotonic()
            if not self._balancer.has_room(now):
                break
            task = held.pop(0) if held and not self._finishing else self._next_task(now)
            if task is None:
                break
            target = self._balancer.free_target(task.errors, now)
            if target is None:
                self._held.append(task)
                continue
            if not task.attempts:
                task.first_sent = now
            task.attempts += 1
            task.last_sent = now
            task.target = target
            task.permit = target.limiter.acquire()
            which = (task.index, task.attempts)
            others = len(self._balancer.targets) - len(task.errors) - 1
            future = executor.submit(target.worker, task.request, self._left(task), which, others)
            self._in_flight[future] = task
            future.add_done_callback(self._done.put)
        self._held += held

    def _next_task(self, now: float) -> Optional[_Task]:
        """The next task: a due retry, else a new prompt if there is room for it."""
        if self._finishing:
            return None
        if self._delayed and self._delayed[0][0] <= now:
            return heapq.heappop(self._delayed)[2]
        return self._new_task() if self._balancer.opens((), now) <= now else None

    def _new_task(self) -> Optional[_Task]:
        if self._finishing or self._exhausted or self._taken >= self._most_taken:
            return None
        for index, request in self._requests:
            self._taken += 1
            return _Task(index, request)
        self._exhausted = True
        return None

    def _is_more(self) -> bool:
        """Whether there are further prompts, although none may be sent now."""
        if self._delayed or self._held:
            return True
        task = self._new_task()
        if task is None:
            return False
        self._delay(task, 0.0)
        return True

    def _left(self, task: _Task) -> Timeout:
        """The limits of a task's next try: what the earlier ones have left of them."""
        total, queue = self._limits.total, self._limits.queue
        return self._limits._replace(
            total=None if total is None else max(total - task.spent, 0.001),
            queue=None if queue is None else max(queue - task.spent, 0.001),
        )

    def _receive(self, *, wait: bool) -> bool:
        """Handle one try that has ended; false if there is none."""
        try:
            future = self._done.get(wait, self._wait_limit() if wait else None)
        except Empty:
            return False
        if future is None:
            return False
        task = self._in_flight.pop(future)
        task.attempt = attempt = future.result()
        now = time.monotonic()
        task.spent += attempt.seconds
        waited = task.last_sent - task.first_sent + attempt.queued
        self.queue_wait += (waited - self.queue_wait) / (2 * self._workers)
        target, error = task.target, attempt.error
        limiter = target.limiter
        if error is None:
            limiter.succeeded()
            target.space.succeeded()
            self._last_success = now
        elif is_busy(error):
            limiter.refused(error, task.permit, now)
            _log.info(
                "prompt %d has to wait: %d at once, none for %.1f s: %s",
                *(task.index, limiter.limit, max(limiter.blocked_until - now, 0.0), error),
            )
            task.refusals[target] = error
            self._delay(task, 0.0)
            self._give_up(now)
            return True
        else:
            limiter.release()
            if self._balancer.several and may_move(error):
                target.space.failed(error, now)
                task.errors[target] = error
                if len(task.errors) < len(self._balancer.targets):
                    self._delay(task, 0.0)
                    self._give_up(now)
                    return True
                error = next(filter(may_try_again, task.errors.values()), error)
                self._blame_all(task)
                task.errors = {}  # a new try may go to any of them
            if task.retries is None:
                task.retries = Retries(self._max_retries)
            delay = task.retries.delay(error, _or_infinite(self._left(task).total))
            if delay is not None:
                task.spent += delay
                self._delay(task, now + delay)
                return True
        self._conclude(task)
        return True

    def _blame_all(self, task: _Task) -> None:
        """Let the answer of a task name the reason of each Space."""
        errors = {**task.refusals, **task.errors}
        named = [(target.space.name, each) for target, each in errors.items()]
        last = task.attempt.error
        if last is not None and len(named) > 1:
            task.attempt = task.attempt._replace(error=none_answered(named, last))

    def _delay(self, task: _Task, until: float) -> None:
        heapq.heappush(self._delayed, (until, task.index, task))

    def _give_up(self, now: float) -> None:
        """Conclude the tasks whose time limit ends before a Space may be asked again.

        As long as it answers others, no task waits too long: the Space is alive, and each task
        gets its turn.
        """
        delayed, self._delayed = self._delayed, []
        held, self._held = self._held, []
        for due, task in [(due, task) for due, _, task in delayed] + [(now, task) for task in held]:
            if not self._is_hopeless(task, now):
                self._delay(task, due)
            else:
                self._blame_all(task)
                self._conclude(task)

    def _is_hopeless(self, task: _Task, now: float) -> bool:
        until = self._balancer.blocked_until(task.errors)
        silent_since = max(task.first_sent, self._last_success)
        left = _or_infinite(self._left(task).total)
        return task.attempts > 0 and until > now and until - silent_since >= left

    def _conclude(self, task: _Task) -> None:
        """Make the answer from a task's last try."""
        attempt = task.attempt
        seconds = task.last_sent - task.first_sent + attempt.seconds
        self._ready[task.index] = Answer(
            task.index,
            task.request.prompt,
            attempt.text,
            attempt.error,
            seconds,
            task.attempts,
            task.target.space.name,
        )

    def _wait_limit(self) -> float:
        """Seconds to wait for the end of a try; then a signal may be there, or a task be due."""
        now = time.monotonic()
        if self._finishing or len(self._in_flight) >= self._workers:
            return _LONGEST_WAIT
        times = [self._balancer.opens(task.errors, now) for task in self._held]
        if self._delayed:
            due, _, task = self._delayed[0]
            times.append(max(due, self._balancer.opens(task.errors, now)))
        if not self._exhausted and self._taken < self._most_taken:
            times.append(self._balancer.opens((), now))
        return min(max(min(times, default=math.inf) - now, 0.0), _LONGEST_WAIT)

    def _next_answer(self) -> Optional[Answer]:
        """The next answer to hand out, if it is there."""
        if not self._ready:
            return None
        index = self._next_index if self._ordered else next(iter(self._ready))
        answer = self._ready.pop(index, None)
        if answer is not None:
            self._next_index += 1
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
    """`Client.map`; the arguments are checked when it is called, not at the first answer."""
    if model is not None:
        arguments.model_name(model)
    arguments.system_prompt(system)
    requests = (Request(prompt, model, system) for prompt in arguments.prompts_of(prompts))
    return MapRun(client, requests, **options).each()
