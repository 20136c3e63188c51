"""`Client`, `Stream` and `Conversation` for programs with an event loop: delegation only."""

from __future__ import annotations

import contextlib
import functools
from typing import (
    TYPE_CHECKING,
    Any,
    AsyncGenerator,
    Callable,
    Dict,
    Generator,
    Iterable,
    List,
    NamedTuple,
    Optional,
    Set,
    Tuple,
    TypeVar,
    Union,
)

from ..client.client import Client
from ..client.conversation import Conversation
from ..client.streaming import Stream
from ..errors import InvalidRequestError
from ..events import Event, Text
from ..protocol.prompt import Prompt
from .bridge import AHEAD, Bridge, Put

if TYPE_CHECKING:
    from ..client.map import Answer

__all__ = ["AsyncClient", "AsyncConversation", "AsyncStream"]

T = TypeVar("T")


class AsyncClient:
    """`Client` for asyncio: the same arguments, answers, errors and order of pieces.

    Belongs to no event loop; making one touches no network and starts no thread.

    Raises:
        InvalidRequestError: An argument is invalid.
    """

    def __init__(self, space: Optional[str] = None, **options: Any) -> None:
        self._client = Client(space, **options)
        self._running: Set[Bridge] = set()

    @classmethod
    def of(cls, client: Client) -> AsyncClient:
        """One that asks with a `Client`: its settings, its connections; `aclose` closes it too."""
        made = cls.__new__(cls)
        made._client = client
        made._running = set()
        return made

    async def run(self, work: Callable[[Client], T]) -> T:
        """Call a function with the blocking client in a thread: `lambda client: client.models`.

        Cancelling the task cancels what the client does there.
        """
        result: T = await self._result(lambda put: put(work(self._client)))
        return result

    def iterate(
        self, work: Callable[[Client], Generator[T, None, None]]
    ) -> AsyncGenerator[T, None]:
        """Read a generator over the blocking client in a thread, as `run` calls a function."""

        def read(put: Put) -> None:
            with contextlib.closing(work(self._client)) as items:
                for item in items:
                    put(item)

        return self._bridge(read).items()

    async def complete(self, prompt: Prompt, **options: Any) -> str:
        """Ask, and wait for the whole answer; the arguments are those of `Client.complete`.

        `on_event` is called in the event loop. Cancelling the task closes the connection.

        Raises:
            QwenError: One of the errors of this library; `partial` holds what had come.
        """

        def work(put: Put) -> None:
            put(self._client.complete(prompt, **_in_the_loop(options, put)))

        answer: str = await self._result(work)
        return answer

    def stream(self, prompt: Prompt, **options: Any) -> AsyncStream:
        """Ask, and hand out the answer as it is written.

        The arguments are those of `Client.stream`, with `on_event` as above. Nothing is asked
        before the stream is entered or iterated, and errors come there.
        """

        def work(put: Put) -> None:
            hand_over(self._client.stream(prompt, **_in_the_loop(options, put)), put)

        return AsyncStream(self._bridge(work))

    async def json(self, prompt: Prompt, schema: Any = None, **options: Any) -> Any:
        """Ask for JSON; the arguments are those of `Client.json`."""

        def work(put: Put) -> None:
            put(self._client.json(prompt, schema, **_in_the_loop(options, put)))

        return await self._result(work)

    def conversation(self, **options: Any) -> AsyncConversation:
        """Begin a conversation; the arguments are those of `Client.conversation`."""
        return AsyncConversation(self, **options)  # type: ignore[arg-type]

    def map(self, prompts: Iterable[Prompt], **options: Any) -> AsyncGenerator[Answer, None]:
        """Ask many prompts, and hand out an `Answer` for each.

        The arguments are those of `Client.map`; the prompts are taken in a thread.
        """

        def work(put: Put) -> None:
            with contextlib.closing(self._client.map(prompts, **options)) as answers:
                for answer in answers:
                    put(answer)

        return self._bridge(work, ahead=1).items()

    async def aclose(self) -> None:
        """End what is still asked, and close the connections. Closing twice is fine."""
        running = list(self._running)
        for bridge in running:
            bridge.cancel()
        self._client.close()
        for bridge in running:
            await bridge.wait()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"Async{self._client!r}"

    async def _result(self, work: Callable[[Put], None]) -> Any:
        results = [result async for result in self._bridge(work).items()]
        if not results:
            raise _closed()
        return results[0]

    def _bridge(self, work: Callable[[Put], None], ahead: int = AHEAD) -> Bridge:
        return Bridge(work, ahead, self._running)


class AsyncStream:
    """An answer that is being written: an asynchronous iterator of non-empty pieces of text.

    Leaving the loop or the `async with` block, cancelling the task, `aclose()` and the end of the
    event loop close the connection. Errors are those of `Stream`.
    """

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._items = bridge.items()
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
    def space(self) -> str:
        """The Space that answers; empty before the stream is entered or iterated."""
        return "" if self._stream is None else self._stream.space

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
            self._bridge.cancel()

    async def events(self) -> AsyncGenerator[Union[Event, Text], None]:
        """The same answer as typed events, in the order in which they happen."""
        try:
            await self._open()
            async for item in self._items:
                yield self._take(item)
            self._ended()
        finally:
            self._bridge.cancel()

    async def aclose(self) -> None:
        """Leave; `text` keeps what was handed out. Closing twice, or from another task, is fine."""
        self._bridge.cancel()
        await self._bridge.wait()

    async def __aenter__(self) -> AsyncStream:
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        # The loop may be closed, and its care for abandoned generators with it.
        bridge = getattr(self, "_bridge", None)
        if bridge is not None:
            bridge.cancel()

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
        if self._bridge.complete and self._stream is not None:
            self._said = [self._stream.text]


class AsyncConversation(Conversation):
    """`Conversation` for asyncio: what is kept is the same, and asking is awaited.

    Made by `AsyncClient.conversation()`.
    """

    _client: AsyncClient  # type: ignore[assignment]

    async def send(self, prompt: str, **options: Any) -> str:  # type: ignore[override]
        """Say something, and wait for the whole answer; as `Conversation.send`."""
        turn, before = self._turn()

        def work(put: Put) -> None:
            answer = turn.send(prompt, **_in_the_loop(options, put))
            put(functools.partial(self.messages.extend, turn.messages[before:]))
            put(answer)

        answer: str = await self._client._result(work)
        return answer

    def stream(self, prompt: str, **options: Any) -> AsyncStream:  # type: ignore[override]
        """Say something, and get the answer while it is written; as `Conversation.stream`."""
        turn, before = self._turn()

        def work(put: Put) -> None:
            hand_over(turn.stream(prompt, **_in_the_loop(options, put)), put)
            put(functools.partial(self.messages.extend, turn.messages[before:]))

        return AsyncStream(self._client._bridge(work))

    def _turn(self) -> Tuple[Conversation, int]:
        """A copy to ask with, since the loop must see no thread's changes, and its length."""
        kept: Dict[str, Any] = {"system": self.system, "model": self.model}
        kept.update(flatten=self._flatten, inputs=self._inputs)
        turn = Conversation(self._client._client, messages=self.messages, **kept)
        turn._session = self._session
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
