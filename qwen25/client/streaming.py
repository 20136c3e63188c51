"""`Stream`: one answer while it is written, as the user holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Generator, Iterator, Optional, Union

from ..errors import InvalidRequestError
from ..events import Event, Text

if TYPE_CHECKING:
    from .call import Call, KeptSession
    from .spaces import Target


class Stream:
    """An answer that is being written: an iterator of non-empty pieces of text.

    The pieces joined are the answer. Leaving the loop, the `with` block or the program closes the
    connection, and the Space stops writing.

    Raises:
        GenerationError: The app failed. `partial` holds what came, as with every error here.
        StreamInterruptedError: The connection ended before the answer did.
        TimedOutError: One of the limits was reached.
        ProtocolError: The server said something that cannot be read.
    """

    def __init__(self, call: Call, on_complete: Optional[Callable[[str], object]] = None) -> None:
        if not callable(getattr(call, "answer", None)):
            raise InvalidRequestError(
                "A Stream is not made directly.", hint="Client.stream() returns one."
            )
        self._call = call
        self._items = call.answer()
        self._on_complete = on_complete

    @property
    def text(self) -> str:
        """The answer so far, and at the end exactly what the server said last."""
        return self._call.text

    @property
    def rewritten(self) -> bool:
        """Whether the server took back text that was handed out: the pieces are not `text` then."""
        return self._call.rewritten

    @property
    def space(self) -> str:
        """The Space that answers: its id, or its URL if it has none."""
        return self._call.target.name

    @property
    def target(self) -> Target:
        """What the client knows of this Space."""
        return self._call.target

    @property
    def event_id(self) -> str:
        """The server's name for the request."""
        return self._call.event_id

    @property
    def session_hash(self) -> str:
        """This client's name for the request: ten hexadecimal digits, new for every request."""
        return self._call.session_hash

    @property
    def remembered(self) -> Optional[KeptSession]:
        """The session in which the app keeps this turn; `None` when it needs none for the next."""
        return self._call.remembered

    def __next__(self) -> str:
        for item in self._items:
            if isinstance(item, str):
                return item
        self._ended()
        raise StopIteration

    def __iter__(self) -> Generator[str, None, None]:
        # A generator, not `return self`: breaking the loop then ends here, also for a caller who
        # keeps the Stream.
        try:
            for item in self._items:
                if isinstance(item, str):
                    yield item
            self._ended()
        finally:
            self.close()

    def events(self) -> Iterator[Union[Event, Text]]:
        """The same answer as typed events, in the order in which they happen."""
        try:
            for item in self._items:
                yield Text(item) if isinstance(item, str) else item
            self._ended()
        finally:
            self.close()

    def result(self) -> str:
        """Read to the end, and return the whole text.

        Raises:
            InvalidRequestError: The stream was closed before its end.
        """
        for _ in self:
            pass
        if not self._call.complete:
            raise InvalidRequestError(
                "The stream was closed before its end, so there is no whole answer.",
                hint="`text` holds what came. Ask again for the whole.",
            )
        return self.text

    def close(self) -> None:
        """Leave; `text` keeps what came. Closing twice, or from another thread, is fine."""
        if self._items.gi_running:  # type: ignore[attr-defined]  # typing leaves it out
            # Another thread reads, or an `on_event` closes what calls it. The reader itself gives
            # the connection back when it finds it ended.
            self._call.cancel()
        else:
            self._call.close()

    def _ended(self) -> None:
        if self._call.complete and self._on_complete is not None:
            tell, self._on_complete = self._on_complete, None
            tell(self.text)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # A Stream that was not iterated has no generator whose end would close it.
        call = getattr(self, "_call", None)
        if call is not None:
            call.close()

    def _ipython_display_(self) -> None:
        from ..display.cell import show_result

        show_result(self)

    def _display_(self) -> object:
        from ..display.cell import marimo_result

        return marimo_result(self)

    def __repr__(self) -> str:
        state = "complete" if self._call.complete else "open"
        if self._call.closed and not self._call.complete:
            state = "closed"
        return f"<Stream {self.event_id} {state}, {len(self.text)} characters>"
