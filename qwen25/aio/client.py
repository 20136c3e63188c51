"""The blocking client for programs with an event loop.

A bridge that knows nothing of Spaces: each call runs in a thread of its own, and what it reads
waits in a short queue until the loop takes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from collections import deque
from typing import (
    TYPE_CHECKING,
    Any,
    AsyncGenerator,
    Callable,
    Deque,
    Dict,
    Iterable,
    List,
    NamedTuple,
    Optional,
    Set,
    Tuple,
    Union,
)

from ..client.cancellation import Interruptible
from ..client.client import Client
from ..client.conversation import Conversation
from ..client.streaming import Stream
from ..errors import InvalidRequestError
from ..events import Event, Text
from ..protocol.prompt import Prompt

if TYPE_CHECKING:
    from ..client.map import Answer

__all__ = ["AsyncClient", "AsyncConversation", "AsyncStream"]

#: How many pieces a thread reads ahead of the one who takes them.
AHEAD = 256
#: Seconds of handing out pieces that are there already, until the loop's other tasks have a turn.
TURN = 0.005
#: Pieces that come thicker than one in so many seconds are taken together: waking the loop for each
#: would cost more than all the rest.
LULL = 0.001
#: Seconds to wait, at most, for a thread that was interrupted: looking up a host's name takes no
#: notice.
PATIENCE = 1.0

#: Puts something into the queue; a `functools.partial` is called by the loop in its turn.
Put = Callable[[Any], None]


class AsyncClient:
    """`Client` for asyncio: the same arguments, answers, errors and order of pieces.

    Belongs to no event loop; making one touches no network and starts no thread.

    Raises:
        InvalidRequestError: An argument cannot be meant so.
    """

    def __init__(self, space: Optional[str] = None, **options: Any) -> None:
        self._client = Client(space, **options)
        self._reading: Set[Reader] = set()

    async def complete(self, prompt: Prompt, **options: Any) -> str:
        """Ask, and wait for the whole answer; the arguments are those of `Client.complete`.

        `on_event` is called in the event loop. Cancelling the task closes the connection.

        Raises:
            QwenError: One of the errors of this library; `partial` holds what had come.
        """

        def work(client: Client, put: Put) -> None:
            put(client.complete(prompt, **_in_the_loop(options, put)))

        answer: str = await self._result(work)
        return answer

    def stream(self, prompt: Prompt, **options: Any) -> AsyncStream:
        """Ask, and hand out the answer as it is written.

        The arguments are those of `Client.stream`, with `on_event` as above. Nothing is asked
        before the stream is entered or iterated, and errors come there.
        """

        def work(client: Client, put: Put) -> None:
            hand_over(client.stream(prompt, **_in_the_loop(options, put)), put)

        return AsyncStream(self._reader(work))

    def conversation(self, **options: Any) -> AsyncConversation:
        """Begin a talk in turns; the arguments are those of `Client.conversation`."""
        return AsyncConversation(self, **options)  # type: ignore[arg-type]

    def map(self, prompts: Iterable[Prompt], **options: Any) -> AsyncGenerator[Answer, None]:
        """Ask many prompts, and hand out an `Answer` for each.

        The arguments are those of `Client.map`; the prompts are taken in a thread.
        """

        def work(client: Client, put: Put) -> None:
            with contextlib.closing(client.map(prompts, **options)) as answers:
                for answer in answers:
                    put(answer)

        return self._reader(work, ahead=1).items()

    async def aclose(self) -> None:
        """End what is still asked, and close the connections. Closing twice is fine."""
        reading = list(self._reading)
        for reader in reading:
            reader.interrupt()
        self._client.close()
        for reader in reading:
            await reader.wait()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"Async{self._client!r}"

    async def _result(self, work: Callable[[Client, Put], None]) -> Any:
        results = [result async for result in self._reader(work).items()]
        if not results:
            raise _closed()
        return results[0]

    def _reader(self, work: Callable[[Client, Put], None], ahead: int = AHEAD) -> Reader:
        return Reader(self._client, work, ahead, self._reading)


class AsyncStream:
    """An answer that is being written: an asynchronous iterator of non-empty pieces of text.

    Leaving the loop or the `async with` block, cancelling the task, `aclose()` and the end of the
    event loop close the connection. Errors are those of `Stream`.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._items = reader.items()
        self._stream: Optional[Stream] = None
        self._said: List[str] = []

    @property
    def text(self) -> str:
        """What was handed out so far, and at the end exactly what the server said last."""
        self._said = ["".join(self._said)]
        return self._said[0]

    @property
    def rewritten(self) -> bool:
        """Whether the server took back text that was handed out: the pieces are not `text` then."""
        return self._stream is not None and self._stream.rewritten

    @property
    def event_id(self) -> str:
        """The server's name for the request; empty before the stream is entered or iterated."""
        return "" if self._stream is None else self._stream.event_id

    @property
    def session_hash(self) -> str:
        """This client's name for the request; empty before the stream is entered or iterated."""
        return "" if self._stream is None else self._stream.session_hash

    async def __anext__(self) -> str:
        await self._open()
        async for item in self._items:
            event = self._take(item)
            if isinstance(event, Text):
                return event.piece
        self._ended()
        raise StopAsyncIteration

    async def __aiter__(self) -> AsyncGenerator[str, None]:
        # A generator, not `return self`: breaking the loop ends it, also for a caller who keeps
        # the stream.
        try:
            await self._open()
            async for item in self._items:
                event = self._take(item)
                if isinstance(event, Text):
                    yield event.piece
            self._ended()
        finally:
            self._reader.interrupt()

    async def events(self) -> AsyncGenerator[Union[Event, Text], None]:
        """The same answer as typed events, in the order in which they happen."""
        try:
            await self._open()
            async for item in self._items:
                yield self._take(item)
            self._ended()
        finally:
            self._reader.interrupt()

    async def aclose(self) -> None:
        """Leave; `text` keeps what was handed out. Closing twice, or from another task, is fine."""
        self._reader.interrupt()
        await self._reader.wait()

    async def __aenter__(self) -> AsyncStream:
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        # The loop may be closed, and its care for abandoned generators with it.
        reader = getattr(self, "_reader", None)
        if reader is not None:
            reader.interrupt()

    def __repr__(self) -> str:
        return f"<AsyncStream {self.event_id}, {len(self.text)} characters>"

    async def _open(self) -> None:
        if self._stream is None:
            try:
                self._stream = await self._items.__anext__()
            except StopAsyncIteration:
                raise _closed() from None

    def _take(self, item: Any) -> Union[Event, Text]:
        if isinstance(item, Text):
            self._said.append(item.piece)
        elif isinstance(item, _Rewritten):
            self._said = [item.text]
            return item.event
        return item  # type: ignore[no-any-return]

    def _ended(self) -> None:
        if self._reader.complete and self._stream is not None:
            self._said = [self._stream.text]


class AsyncConversation(Conversation):
    """`Conversation` for asyncio: what is kept is the same, and asking is awaited.

    Made by `AsyncClient.conversation()`.
    """

    _client: AsyncClient  # type: ignore[assignment]

    async def send(self, prompt: str, **options: Any) -> str:  # type: ignore[override]
        """Say something, and wait for the whole answer; as `Conversation.send`."""
        turn, before = self._turn()

        def work(client: Client, put: Put) -> None:
            turn._client = client
            answer = turn.send(prompt, **_in_the_loop(options, put))
            put(functools.partial(self.messages.extend, turn.messages[before:]))
            put(answer)

        answer: str = await self._client._result(work)
        return answer

    def stream(self, prompt: str, **options: Any) -> AsyncStream:  # type: ignore[override]
        """Say something, and get the answer while it is written; as `Conversation.stream`."""
        turn, before = self._turn()

        def work(client: Client, put: Put) -> None:
            turn._client = client
            hand_over(turn.stream(prompt, **_in_the_loop(options, put)), put)
            put(functools.partial(self.messages.extend, turn.messages[before:]))

        return AsyncStream(self._client._reader(work))

    def _turn(self) -> Tuple[Conversation, int]:
        """A copy to ask with, since the loop must see no thread's changes, and its length."""
        kept: Dict[str, Any] = {"system": self.system, "model": self.model}
        turn = Conversation(self._client._client, messages=self.messages, **kept)
        return turn, len(turn.messages)


class _Rewritten(NamedTuple):
    """An event of a stream whose pieces are not its text."""

    event: Union[Event, Text]
    text: str


def hand_over(stream: Stream, put: Put) -> None:
    """Read a stream for an `AsyncStream`."""
    with stream:
        put(stream)
        for event in stream.events():
            put(_Rewritten(event, stream.text) if stream.rewritten else event)


def _in_the_loop(options: Dict[str, Any], put: Put) -> Dict[str, Any]:
    """Have `on_event` called by the loop, where a callback may touch what belongs to the loop."""
    on_event = options.get("on_event")
    if on_event is None:
        return options
    return {**options, "on_event": lambda event: put(functools.partial(on_event, event))}


def _closed() -> InvalidRequestError:
    return InvalidRequestError(
        "This was closed before its answer came.", hint="Ask again, and close later."
    )


class _Left(Exception):
    """Ends a thread's work: nobody takes what it reads any more."""


class Reader:
    """A thread that does blocking work, and the queue of what it has read for the loop.

    Args:
        work: Done in the thread, with a client that can be interrupted.
        ahead: How many things wait in the queue, at most; the thread waits then.
        among: Where the reader is listed while its thread runs.
    """

    def __init__(
        self,
        client: Client,
        work: Callable[[Client, Put], None],
        ahead: int = AHEAD,
        among: Optional[Set[Reader]] = None,
    ) -> None:
        #: All was read, and taken.
        self.complete = False
        self._call = Interruptible(client)
        self._work = work
        self._ahead = ahead
        self._among = set() if among is None else among
        self._queue: Deque[Any] = deque()
        self._room = threading.Event()
        self._error: Optional[BaseException] = None
        self._done = False
        self._hungry = False  # the loop waits to be told of something in the queue
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._news: asyncio.Event
        self._gone: asyncio.Event

    async def items(self) -> AsyncGenerator[Any, None]:
        """What the thread reads; it is started here. Leaving interrupts it."""
        self._loop = asyncio.get_running_loop()
        self._news, self._gone = asyncio.Event(), asyncio.Event()
        threading.Thread(target=self._run, name="qwen25-aio", daemon=True).start()
        queue, low = self._queue, self._ahead // 2
        now = time.monotonic
        try:
            resumed = now()
            done = False
            while not done:
                done = self._done  # looked at first: nothing comes after it
                while queue:
                    item = queue.popleft()
                    if len(queue) == low:
                        self._room.set()
                    if isinstance(item, functools.partial):
                        item()
                    else:
                        yield item
                    if now() - resumed > TURN:
                        await asyncio.sleep(0)
                        resumed = now()
                if not done:
                    if now() - resumed < LULL:
                        await asyncio.sleep(LULL)
                    self._news.clear()
                    self._hungry = True
                    # Looked at afterwards: one of both sees what the other has done.
                    if not queue and not self._done:
                        await self._news.wait()
                    self._hungry = False
                    resumed = now()
            if self._error is not None:
                raise self._error
            self.complete = not self._call.ended.is_set()
        finally:
            self.interrupt()
            self._error = None  # its traceback leads back here

    def interrupt(self) -> None:
        """End the thread's work at any stage, soon."""
        self._call.interrupt()
        self._room.set()

    async def wait(self) -> None:
        """Until the thread has gone."""
        if self._loop is asyncio.get_running_loop():
            try:
                await asyncio.wait_for(self._gone.wait(), PATIENCE)
            except asyncio.TimeoutError:
                pass  # it goes by itself, within the limits of connecting

    def _run(self) -> None:
        self._among.add(self)
        try:
            self._work(self._call, self._put)
        except BaseException as error:  # whatever it is, it is the loop's
            if not self._call.ended.is_set():
                self._error = error
        finally:
            self._among.discard(self)
            self._done = True
            self._tell(self._finish)

    def _put(self, item: Any) -> None:
        assert self._loop is not None  # it has started the thread
        if self._loop.is_closed():  # which it does not tell
            self._call.interrupt()
            raise _Left
        self._queue.append(item)
        if self._hungry:
            self._hungry = False
            self._tell(self._news.set)
        if len(self._queue) >= self._ahead:
            self._room.clear()
            while len(self._queue) >= self._ahead and not self._call.ended.is_set():
                if not self._room.wait(0.5) and self._loop.is_closed():
                    self._call.interrupt()
            if self._call.ended.is_set():
                raise _Left

    def _finish(self) -> None:
        self._gone.set()
        self._news.set()

    def _tell(self, callback: Callable[[], None]) -> None:
        assert self._loop is not None  # it has started the thread
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # it was closed
            self._call.interrupt()
