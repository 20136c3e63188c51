"""An answer in a notebook's cell while it is written, or on standard output.

IPython and marimo are never imported here: code that runs in one has imported it already.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from typing import (
    Any,
    Callable,
    ContextManager,
    Iterator,
    List,
    Optional,
    Protocol,
    Type,
    TypeVar,
    Union,
)

from ..control_characters import escape_controls
from ..errors import QwenError
from ..events import Event, Text
from .live import LiveUpdater
from .markdown import safe_markdown
from .status import status_text

#: Seconds between two updates: with the last one, never more than 12 in a second.
_EVERY = 0.1


class EventStream(ContextManager[object], Protocol):
    """What can be shown: an answer that is read as events."""

    @property
    def text(self) -> str: ...

    @property
    def rewritten(self) -> bool: ...

    def events(self) -> Iterator[Union[Event, Text]]: ...


def show(stream: EventStream) -> None:
    """Show an answer in the cell while it is written, and keep what came.

    Works in Jupyter and marimo. Elsewhere there are no cells: the text is written to standard
    output, piece by piece.

    Args:
        stream: A `Stream`.

    Raises:
        QwenError: As the stream itself; what came before stays shown.
    """
    output: Union[_CellOutput, _PlainOutput]
    shell = _shell()
    if shell is not None and "text/markdown" in shell.display_formatter.active_types:
        output = _CellOutput(_IPythonDisplay().show)
    elif _in_marimo():
        output = _CellOutput(_show_in_marimo, thread=sys.modules["marimo"].Thread)
    else:
        output = _PlainOutput()
    try:
        # The Space stops writing, however this ends.
        with stream, output:
            output.write(stream.text)
            for event in stream.events():
                if not isinstance(event, Text):
                    output.status(status_text(event))
                else:
                    output.write(event.piece)
                    if stream.rewritten:
                        output.rewrite(stream.text)
            if stream.rewritten:
                output.rewrite(stream.text)
    except KeyboardInterrupt as interrupt:
        message = "KeyboardInterrupt: The answer was stopped; what came is kept."
        raise with_short_traceback(interrupt, message)


def show_result(stream: EventStream) -> None:
    """Show an answer that is the last line of a cell; called by IPython."""
    try:
        show(stream)
    except QwenError as error:
        raise CellFailed(error) from error


def marimo_result(stream: EventStream) -> object:
    """Show an answer that is the last line of a cell of marimo, which calls this.

    An error is shown below what came: marimo would lose both if it were raised here.
    """
    marimo = sys.modules["marimo"]
    try:
        show(stream)
    except QwenError as error:
        failure = marimo.md(safe_markdown(f"{type(error).__name__}: {error}"))
        text = marimo.md(safe_markdown(stream.text))
        return marimo.vstack([text, marimo.callout(failure, kind="danger")])
    return marimo.md(safe_markdown(stream.text))


class CellFailed(BaseException):
    """The cell could not show its answer; the reason is the `__cause__`.

    Not an `Exception`: IPython prints one that is raised while it shows a result, and goes on.
    "Run All" would then run cells that need the missing answer.
    """

    def __init__(self, error: QwenError) -> None:
        super().__init__(str(error))
        with_short_traceback(self, f"{type(error).__name__}: {error}")


_Error = TypeVar("_Error", bound=BaseException)


def with_short_traceback(error: _Error, line: Optional[str] = None) -> _Error:
    """Let IPython show one line for an error; `%debug` still has the frames."""
    line = f"{type(error).__name__}: {error}" if line is None else line
    # A partial of a builtin, since errors can be pickled.
    setattr(error, "_render_traceback_", functools.partial(list, [escape_controls(line)]))
    return error


def _shell() -> Any:
    """The IPython that this runs in, if any."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _in_marimo() -> bool:
    marimo = sys.modules.get("marimo")
    return marimo is not None and bool(marimo.running_in_notebook())


def _show_in_marimo(text: str) -> None:
    marimo = sys.modules["marimo"]
    marimo.output.replace(marimo.md(safe_markdown(text)))


class _IPythonDisplay:
    """One output of a cell of IPython."""

    def __init__(self) -> None:
        self._display = sys.modules["IPython"].display.display
        self._id = os.urandom(8).hex()
        self._known = False

    def show(self, text: str) -> None:
        """Show a text in the place of the one before."""
        content = {"text/markdown": safe_markdown(text), "text/plain": escape_controls(text)}
        self._display(content, raw=True, display_id=self._id, update=self._known)
        self._known = True


class _CellOutput:
    """One output of a cell, updated as its text grows.

    Args:
        show: Shows a text in the place of the one before.
        thread: The class of a thread that may show something.
    """

    def __init__(
        self, show: Callable[[str], None], thread: Type[threading.Thread] = threading.Thread
    ) -> None:
        self._show = show
        self._pieces: List[str] = []
        self._status = ""
        self._shown: Optional[str] = None
        # Preparing a text of a million characters takes long.
        self._updater = LiveUpdater(self._update, every=_EVERY, share=4, thread=thread)

    def write(self, piece: str) -> None:
        """Add a piece."""
        self._pieces.append(piece)
        self._updater.changed()

    def rewrite(self, text: str) -> None:
        """Replace all that was written by this text."""
        self._pieces = [text]
        self._updater.changed()

    def status(self, text: str) -> None:
        """Say why there is no text yet; the first piece replaces it."""
        self._status = f"*{text}*"
        self._updater.changed()

    def __enter__(self) -> _CellOutput:
        self._updater.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._status = ""
        self._updater.__exit__()

    def _update(self) -> None:
        text = "".join(self._pieces) or self._status
        if text != self._shown and (text or self._shown):
            self._show(text)
            self._shown = text


class _PlainOutput:
    """Plain text on standard output, which cannot be taken back."""

    def __init__(self) -> None:
        self._begun = False
        self._rewritten: Optional[str] = None

    def write(self, piece: str) -> None:
        """Add a piece."""
        if piece:
            self._begun = True
            sys.stdout.write(_encodable(escape_controls(piece)))
            sys.stdout.flush()

    def rewrite(self, text: str) -> None:
        """Remember the right text, which is written at the end."""
        self._rewritten = text

    def status(self, text: str) -> None:
        """Nothing: it would stay."""

    def __enter__(self) -> _PlainOutput:
        return self

    def __exit__(self, *_: object) -> None:
        if self._rewritten is not None:
            self.write(f"\n\nThe Space has rewritten its answer:\n\n{self._rewritten}")
        if self._begun:
            sys.stdout.write("\n")
            sys.stdout.flush()


def _encodable(text: str) -> str:
    """The text, with a `?` for each character that standard output has no bytes for."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)
