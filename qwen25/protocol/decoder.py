"""From queue messages to typed events and text; no socket, no clock.

A message costs the same however long the answer has grown: text is kept in the pieces it came in,
and the chatbot's value is touched only when a diff reaches beyond the answer's text.
"""

from __future__ import annotations

import logging
from typing import Any, Dict, List, Optional, Sequence, Union

from ..errors import GenerationError, ProtocolError
from ..events import Event, Note, Progress, Queued, Started, Step
from .chatbot import ChatbotFormat, Path

_log = logging.getLogger("qwen25")

#: What the decoding of a text puts in the place of half a character.
_HALF = "\N{REPLACEMENT CHARACTER}"


class Decoder:
    """Reads the messages of one answer.

    Args:
        layout: The shape of the chatbot's value.
        output: The chatbot's place among the function's outputs.
        sent: The history as it was sent, in that layout.
        diffs: Whether later values come as diffs (`sse_v2` and later) or whole (`sse_v1`).
    """

    def __init__(
        self, layout: ChatbotFormat, output: int, sent: Sequence[Any], diffs: bool
    ) -> None:
        #: The server has said that the answer is complete.
        self.done = False
        #: The server took back text that was already handed out.
        self.rewritten = False
        self._layout = layout
        self._output = output
        self._sent = sent
        self._diffs = diffs
        self._pieces: List[str] = []  # what was handed out, as the server last said it
        self._held = ""  # half a character that the next message settles
        self._value: Any = None  # the chatbot's value; the answer's text in it may be behind
        self._path: Optional[Path] = None  # where the answer's text stands in it
        self._whole_came = False

    @property
    def text(self) -> str:
        """The answer so far; may be asked for in another thread than the reader's."""
        return "".join(self._pieces)

    def feed(self, message: Dict[str, Any]) -> Union[str, Event]:
        """Read one message.

        Returns:
            The text to hand out, often empty, or an event.

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
                        if not value.endswith(_HALF):
                            self._pieces.append(value)
                            return value  # type: ignore[no-any-return]
                return self._generating(change)
            if kind == "process_completed":
                return self._completed(message)
            if kind == "estimation":
                rank, size = _number(message["rank"]), _number(message["queue_size"])
                return Queued(rank, size, _number(message.get("rank_eta")))
            if kind == "process_starts":
                return Started(_number(message.get("eta")))
            if kind == "progress":
                return Progress(
                    tuple(
                        Step(*map(step.get, Step._fields))
                        for step in message["progress_data"] or ()
                    )
                )
            if kind == "log":
                return Note(message["level"], message["log"])
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            # Every way in which a message of the wrong shape can fail to be taken apart.
            _log.debug("unreadable message: %r", message)
            raise ProtocolError(
                f"A {kind!r} message of the Space has an unexpected shape"
                f" ({type(error).__name__}: {error}).",
                hint="The Space may run a newer Gradio: update qwen25, or report this.",
            ) from error
        if kind == "unexpected_error":
            from .failures import unexpected_error  # what it imports, a whole answer never needs

            raise unexpected_error(message)
        if not isinstance(kind, str):
            raise ProtocolError(
                "The Space sent a message without a `msg`.",
                hint="Is this address a Gradio app? Open it in a browser to see.",
            )
        if kind not in ("heartbeat", "close_stream"):
            _log.info("passed over a message of an unknown kind: %s", kind)
        return ""

    def _generating(self, change: Any) -> str:
        if self._diffs and self._whole_came:
            return self._apply(change)
        self._whole_came = True
        return self._take(change)

    def _completed(self, message: Dict[str, Any]) -> str:
        output = message.get("output") or {}
        if message.get("success") is False:
            from .failures import failed_generation

            raise failed_generation(output.get("error"))
        if not output.get("data"):
            raise GenerationError(
                "The Space cancelled the answer before it was complete.",
                hint="`partial` holds what came. Ask again.",
            )
        piece = self._take(output["data"][self._output])
        held, self._held = self._held, ""
        self._pieces.append(held)  # nothing can follow that would make it a whole character
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
        self._path = None if reply is None or reply.path is None else way + reply.path
        return "" if reply is None else self._settle(reply.text)

    def _apply(self, diff: List[List[Any]]) -> str:
        """Change the value as a diff says, and read what that makes of the answer."""
        if len(diff) == 1 and diff[0][1] == self._path and diff[0][0] in ("append", "replace"):
            action, _, text = diff[0]
            if isinstance(text, str):
                return self._settle(self.text + self._held + text if action == "append" else text)
        if not diff:
            return ""
        if self._path is not None:
            self._value = _edit(self._value, "replace", self._path, self.text + self._held)
        for action, path, value in diff:
            self._value = _edit(self._value, action, path, value)
        return self._take(self._value)

    def _settle(self, text: str) -> str:
        """Take `text` as the whole answer, and find the piece that was not handed out yet."""
        before = self.text
        if text.startswith(before):
            kept = len(before)
        else:
            kept = _common_length(before, text)
            self.rewritten = True
        end = len(text.rstrip(_HALF)) if text.endswith(_HALF) else len(text)
        end = max(end, kept)
        self._held = text[end:]
        self._pieces = [text[:end] if self._held else text]
        return text[kept:end]


def _edit(value: Any, action: str, path: Path, change: Any) -> Any:
    """Apply one change of a diff in place; returns the value, which an empty path replaces."""
    if not path:
        if action == "replace":
            return change
        if action == "append":
            return value + change
        raise ValueError(f"{action} needs a path")
    *way, last = path
    place = value
    for key in way:
        place = place[key]
    if action == "append":
        place[last] += change
    elif action == "replace":
        place[last]  # a place that is not there must fail, also in a dict
        place[last] = change
    elif action == "add" and isinstance(place, list):
        place.insert(int(last), change)
    elif action == "add":
        place[last] = change
    elif action == "delete":
        del place[last]
    else:
        raise ValueError(f"unknown action {action!r}")
    return value


def _number(value: Any) -> Any:
    if value is not None and not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is no number")
    return value


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
