"""From queue messages to typed events and text; no socket, no clock.

A message costs the same however long the answer has grown. The text is kept in pieces, of which
the older ones are joined as they pile up; the chatbot's value is touched only when a diff changes
more than the end of the answer.

Nothing that a server sends leaves here unchecked: a text is a string without surrogates, a number
is finite.
"""

from __future__ import annotations

import logging
import math
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from ..errors import GenerationError, ProtocolError
from ..events import Event, Note, Progress, Queued, Started, Step, Thought
from ..imports import late_imports
from .characters import REPLACEMENT, join_surrogates, one_line, split_unfinished
from .chatbot import AnswerFormat, Path, Reply, TextFormat
from .diffs import edit
from .pacing import CheckTime, no_limit

_log = logging.getLogger("qwen25")

#: How many pieces pile up before they are joined. A piece of some characters takes four times the
#: memory of its text.
_BLOCK = 1024
#: The most changes in one diff; Gradio's have one for each message that an app touched.
_MOST_CHANGES = 100_000
#: The most bars in one `Progress`.
_MOST_STEPS = 100
#: A queue's numbers are below this.
_LARGEST_COUNT = 2**53


#: What one message comes to.
Fed = Union[str, Event, List[Union[str, Event]]]


class Decoder:
    """Reads the messages of one answer.

    Args:
        layout: The shape of the value that shows the answer.
        output: That value's place among the function's outputs.
        sent: The turns that it showed before, in that layout.
        diffs: Whether later values come as diffs (`sse_v2` and later) or whole (`sse_v1`).
        check_time: Called while a diff of many changes is applied; raises `TimedOutError` when
            the time is over.
    """

    def __init__(
        self,
        layout: AnswerFormat,
        output: int,
        sent: Sequence[Any],
        diffs: bool,
        check_time: CheckTime = no_limit,
    ) -> None:
        #: The server has said that the answer is complete.
        self.done = False
        #: The server took back text that was already handed out.
        self.rewritten = False
        self._layout = layout
        self._output = output
        self._sent = sent
        self._diffs = diffs
        self._check_time = check_time
        self._pieces: List[str] = []  # what was handed out, as the server last said it
        self._full = _BLOCK  # with so many pieces, the newest are joined
        self._held = ""  # half a character that the next message settles
        self._value: Any = None  # the whole value; the answer's text in it may be behind
        self._path: Optional[Path] = None  # where the last part of the text stands in it
        self._before = 0  # the length of the text before that part
        self._whole_came = False
        self._answered = False
        self._thoughts: Tuple[Thought, ...] = ()
        self._others: Tuple[str, ...] = ()
        self._beside: List[Event] = []  # what the present message says beside the text

    @property
    def text(self) -> str:
        """The answer so far; another thread than the reader's may ask for it."""
        return "".join(self._pieces)

    def feed(self, message: Dict[str, Any]) -> Fed:
        """Read one message.

        Returns:
            The text to hand out, often empty, or an event, or a list of them in their order.

        Raises:
            GenerationError: The app failed.
            RateLimitError: The app says that a GPU quota is used up.
            StreamInterruptedError: The server has given the request up.
            ProtocolError: The message cannot be read.
        """
        kind = message.get("msg")
        try:
            if kind == "process_generating":
                # The usual message, read here without a further call: a growing answer.
                change = message["output"]["data"][self._output]
                if self._path is not None and len(change) == 1 and self._diffs:
                    action, path, value = change[0]
                    if action == "append" and path == self._path and not self._held:
                        # Printable characters are no surrogates.
                        if value.isascii() or (
                            value.isprintable() and not value.endswith(REPLACEMENT)
                        ):
                            pieces = self._pieces
                            pieces.append(value)
                            if len(pieces) >= self._full:
                                self._join_block()
                            return value  # type: ignore[no-any-return]
                return self._told(self._generating(change))
            if kind == "process_completed":
                return self._told(self._completed(message))
            if kind == "estimation":
                rank, size = _count(message["rank"]), _count(message["queue_size"])
                return Queued(rank, size, _number(message.get("rank_eta")))
            if kind == "process_starts":
                return Started(_number(message.get("eta")))
            if kind == "progress":
                return Progress(_steps(message["progress_data"]))
            if kind == "log":
                return Note(_text(message["level"]), _text(message["log"]))
        except (
            KeyError,
            IndexError,
            TypeError,
            ValueError,
            AttributeError,
            OverflowError,
            RecursionError,
        ) as error:
            # Every way in which a message of the wrong shape can fail to be taken apart.
            reason = one_line(f"{type(error).__name__}: {error}")
            _log.debug("cannot read a message: %s", reason)
            raise ProtocolError(
                f"A {kind!r} message of the Space has an unexpected shape ({reason}).",
                hint="The Space may run a newer Gradio: update qwen25, or report this.",
            ) from error
        if kind == "unexpected_error":
            with late_imports():  # what it imports, a whole answer never needs
                from .failures import unexpected_error

            raise unexpected_error(message)
        if not isinstance(kind, str):
            raise ProtocolError(
                "The Space sent a message without a `msg`.",
                hint="Is this address a Gradio app? Open it in a browser to see.",
            )
        if kind not in ("heartbeat", "close_stream"):
            _log.info("ignored a message of an unknown kind: %s", one_line(kind))
        return ""

    def _told(self, piece: str) -> Fed:
        if not self._beside:
            return piece
        events, self._beside = self._beside, []
        return [*events, piece] if piece else [*events]

    def _generating(self, change: Any) -> str:
        if self._diffs and self._whole_came:
            return self._apply(change)
        self._whole_came = True
        return self._take(change)

    def _completed(self, message: Dict[str, Any]) -> str:
        data = _completed_data(message)
        if not data:
            raise _cancelled()
        piece = self._take(data[self._output])
        if not self._answered:
            raise ProtocolError(
                "The Space came to its end and showed no answer.",
                hint="It may be wired in a way that this client does not know:"
                " `qwen25 status --report` prints what a bug report needs.",
            )
        # Nothing can follow that would make it a whole character.
        held, self._held = REPLACEMENT * len(self._held), ""
        self._pieces.append(held)
        self.done = True
        return piece + held

    def _take(self, value: Any) -> str:
        """Read a whole value."""
        way: Path = []
        turns = value
        if isinstance(value, dict) and value.get("__type__") == "update":
            if "value" not in value:
                # It leaves the answer as it is; the next diff is one to this update.
                self._value, self._path = value, None
                return ""
            way, turns = ["value"], value["value"]
        self._value = value
        reply = self._layout.reply(turns, self._sent)
        self._path = None
        if reply is None:
            return ""
        self._answered = True
        if reply.path is not None:
            self._path, self._before = way + reply.path, reply.before
        if reply.thoughts or reply.others:
            self._take_beside(reply)
        return self._settle(reply.text)

    def _take_beside(self, reply: Reply) -> None:
        """Tell of thoughts that are new or have grown, and of files and components once."""
        for index, thought in enumerate(reply.thoughts):
            if thought not in self._thoughts[index : index + 1]:
                self._beside.append(Thought(join_surrogates(thought.title), _text(thought.text)))
        for name in reply.others:
            if name not in self._others:
                self._beside.append(
                    Note("info", f"The answer shows more than text: {one_line(name)}.")
                )
        self._thoughts, self._others = reply.thoughts, self._others + reply.others

    def _apply(self, diff: List[List[Any]]) -> str:
        """Change the value as a diff says, and read what that makes of the answer."""
        if len(diff) == 1 and diff[0][1] == self._path and diff[0][0] in ("append", "replace"):
            action, _, text = diff[0]
            if isinstance(text, str):
                if action == "append":
                    return self._append(text)
                return self._settle(self.text[: self._before] + text)
        if not diff:
            return ""
        if len(diff) > _MOST_CHANGES:
            raise ValueError(f"a diff of {len(diff)} changes")
        if self._path is not None:
            part = (self.text + self._held)[self._before :]
            self._value = edit(self._value, "replace", self._path, part)
        for action, path, value in diff:
            self._check_time()  # each may move a long list or copy a long text
            self._value = edit(self._value, action, path, value)
        return self._take(self._value)

    def _append(self, text: str) -> str:
        """Take text that follows the answer's; returns what of it can be handed out."""
        piece, self._held = split_unfinished(self._held + text)
        self._pieces.append(piece)
        if len(self._pieces) >= self._full:
            self._join_block()
        return piece

    def _settle(self, text: str) -> str:
        """Take `text` as the whole answer, and find the piece that was not handed out yet."""
        kept = 0
        for piece in self._pieces:
            if not text.startswith(piece, kept):
                # The pieces have U+FFFD where the server's text may still have a surrogate.
                text, self._held = split_unfinished(text)
                text += self._held
                before = self.text
                kept = _common_length(before, text)
                self.rewritten = self.rewritten or kept < len(before)
                break
            kept += len(piece)
        rest = text[kept:]
        piece, self._held = split_unfinished(rest)
        self._pieces = [text if piece == rest else text[:kept] + piece]
        self._full = _BLOCK
        return piece

    def _join_block(self) -> None:
        """Join the newest pieces, in one step for those who read `text` in another thread."""
        pieces = self._pieces
        pieces[-_BLOCK:] = ["".join(pieces[-_BLOCK:])]
        self._full = len(pieces) + _BLOCK


class StepReader(Decoder):
    """Reads the messages of a step that comes before the one that answers."""

    def __init__(self) -> None:
        super().__init__(TextFormat(), 0, (), diffs=True)
        #: What the step has given to its outputs, once it is done.
        self.data: List[Any] = []

    def feed(self, message: Dict[str, Any]) -> Fed:
        """Read one message; only the last one has what counts."""
        return "" if message.get("msg") == "process_generating" else super().feed(message)

    def _completed(self, message: Dict[str, Any]) -> str:
        data = _completed_data(message)
        if not isinstance(data, list):
            raise _cancelled()
        self.data = data
        self.done = True
        return ""


def _completed_data(message: Dict[str, Any]) -> Any:
    """The values that a step ends with."""
    output = message.get("output") or {}
    if message.get("success") is False:
        with late_imports():
            from .failures import failed_generation

        raise failed_generation(output.get("error"))
    return output.get("data")


def _cancelled() -> GenerationError:
    return GenerationError(
        "The Space cancelled the answer before it was complete.",
        hint="`partial` holds what came. Ask again.",
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} where a text was expected")
    return join_surrogates(value)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LARGEST_COUNT:
        raise TypeError("a number of requests was expected")
    return value


def _number(value: Any) -> Optional[float]:
    """A finite number; one beyond all limits says as little as none."""
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"a {type(value).__name__} where a number was expected")
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _steps(bars: Any) -> Tuple[Step, ...]:
    if bars is None:
        return ()
    if len(bars) > _MOST_STEPS:
        raise ValueError(f"{len(bars)} bars of progress")
    return tuple(
        Step(
            index=_number(bar.get("index")),
            length=_number(bar.get("length")),
            unit=_text_or_none(bar.get("unit")),
            progress=_number(bar.get("progress")),
            desc=_text_or_none(bar.get("desc")),
        )
        for bar in bars
    )


def _text_or_none(value: Any) -> Optional[str]:
    return None if value is None else _text(value)


def _common_length(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning, by halving."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if other.startswith(one[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return low
