"""The four shapes that a chatbot's value has, and where the answer stands in each.

Measured on Gradio 4.10 to 6.31; `docs/how-it-works.md` has the table.
"""

from __future__ import annotations

from typing import Any, List, NamedTuple, Optional, Sequence, Union

from ..errors import ProtocolError
from .prompt import Message

#: Keys and indexes that lead to a place inside a value.
Path = List[Union[str, int]]


class Reply(NamedTuple):
    """The answer as a chatbot's value shows it."""

    text: str
    #: Where the text stands, when it stands in one place; a diff there changes just the text.
    path: Optional[Path]


class TuplesFormat:
    """Turns as pairs of user and assistant: Gradio 4 and 5, and modelscope_studio.

    Plain strings are accepted on the way in everywhere; modelscope_studio sends back
    `{"text": ...}`.
    """

    #: Gradio's own word for this format.
    name = "tuples"

    def encode(self, history: Sequence[Message]) -> List[Any]:
        """Lay out earlier turns as the chatbot wants them."""
        pairs: List[List[str]] = []
        unanswered = False
        for message in history:
            if message["role"] == "user":
                pairs.append([message["content"], ""])
                unanswered = True
            elif unanswered:
                pairs[-1][1] = message["content"]
                unanswered = False
            else:
                pairs.append(["", message["content"]])
        return pairs

    def reply(self, value: Any, sent: Sequence[Any]) -> Optional[Reply]:
        """Find the answer; `None` while the value holds no more than the history that was sent."""
        if not value:
            return None
        turn = len(value) - 1
        reply = _text_at(value, [turn, 1])
        if reply is None or (len(value) <= len(sent) and _repeats(value[turn], sent[-1])):
            return None
        return reply


def _repeats(pair: Any, sent: Any) -> bool:
    return [side["text"] if isinstance(side, dict) else side for side in pair] == list(sent)


class MessagesFormat:
    """Turns as messages with a role: Gradio 4.4x and 5 with `type="messages"`, Gradio 6.

    Args:
        parts: The content is a list of parts, as Gradio 6 has it, not a string.
    """

    #: Gradio's own word for this format.
    name = "messages"

    def __init__(self, parts: bool) -> None:
        self._parts = parts

    def encode(self, history: Sequence[Message]) -> List[Any]:
        """Lay out earlier turns as the chatbot wants them."""
        return [
            {
                "role": message["role"],
                "content": (
                    [{"type": "text", "text": message["content"]}]
                    if self._parts
                    else message["content"]
                ),
            }
            for message in history
        ]

    def reply(self, value: Any, sent: Sequence[Any]) -> Optional[Reply]:
        """Find the answer; `None` while the value holds no more than the history that was sent."""
        last = len(value or ()) - 1
        if last < 0 or value[last]["role"] != "assistant":
            return None
        reply = _text_at(value, [last, "content"])
        if len(value) <= len(sent):
            before = _text_at(list(sent), [len(sent) - 1, "content"])
            if before and reply and before.text == reply.text:
                return None
        return reply


#: What a Wiring's layout may be.
ChatbotFormat = Union[TuplesFormat, MessagesFormat]


def _text_at(value: Any, path: Path) -> Optional[Reply]:
    """Read one side of a turn: a string, `{"text": ...}`, or a list of such parts."""
    content = value
    for key in path:
        content = content[key]
    if content is None:
        return None
    if isinstance(content, str):
        return Reply(content, path)
    if isinstance(content, dict) and isinstance(content.get("text"), str):
        return Reply(content["text"], path + ["text"])
    if isinstance(content, list):
        found = [_text_at(value, path + [index]) for index in range(len(content))]
        texts = [reply for reply in found if reply is not None]
        if len(texts) == 1:
            return texts[0]
        return Reply("".join(reply.text for reply in texts), None)
    raise ProtocolError(
        f"The answer is a {type(content).__name__} where text was expected.",
        hint="The Space answers with something else than text; this client reads text only.",
    )
