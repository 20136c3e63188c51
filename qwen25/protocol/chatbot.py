"""Where the answer stands in the value of the component that shows it, and how to send a history.

Measured on Gradio 4.10 to 6.31; `docs/how-it-works.md` has the table.
"""

from __future__ import annotations

import re
from typing import Any, List, Optional, Sequence, Tuple, Union

from ..errors import ProtocolError
from ..events import Thought
from .prompt import Message

#: Keys and indexes that lead to a place inside a value.
Path = List[Union[str, int]]

#: How Gradio's API for a chat tells of a component in an answer: by what Python calls it.
_COMPONENT = r"<gradio\.components\.(?:\w+\.)*(\w+) object at 0x[0-9a-f]+>"
#: Deeper than this no known app nests what it says.
_DEEPEST = 8
#: Parts of one answer that are read, at most: each message reads them all again.
_MOST_PARTS = 20_000


class Reply:
    """The answer as a value shows it."""

    def __init__(
        self,
        text: str,
        path: Optional[Path],
        before: int = 0,
        thoughts: Tuple[Thought, ...] = (),
        others: Tuple[str, ...] = (),
    ) -> None:
        self.text = text
        #: Where the last part of the text stands; a diff there changes just that part. `None` when
        #: no part is a text.
        self.path = path
        #: The length of the text before that part.
        self.before = before
        #: What a reasoning model thought, or a tool did, on the way.
        self.thoughts = thoughts
        #: The names of the files and components beside the text.
        self.others = others


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
        first = last = len(value) - 1
        if len(value) <= len(sent) and _said(value[last]) == _said(sent[-1]):
            return None
        # Further messages of the assistant are pairs whose user said nothing.
        while first > len(sent) - 1 and first > 0 and value[first][0] is None:
            first -= 1
        if first < len(sent) and first < last and _said(sent[first])[1]:
            first += 1
        parts = _Parts()
        for turn in range(first, last + 1):
            parts.add(value[turn][1], [turn, 1])
        return parts.reply()


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
        """Find the answer; `None` while the value holds no more than the history that was sent.

        It is all that the assistant said after the user's last message.
        """
        size = len(value or ())
        first = size
        while first > 0 and value[first - 1]["role"] != "user":
            first -= 1
        if size > len(sent):
            first = max(first, len(sent))
        elif first < size and _text_of(value[-1]) == _text_of(sent[-1]):
            return None
        parts = _Parts()
        for index in range(first, size):
            if value[index]["role"] == "assistant":
                parts.add(value[index], [index])
        return parts.reply()


class TextFormat:
    """The answer alone, as `gr.ChatInterface` gives it to other programs, or a text box shows it.

    It is a text; since Gradio 5.9 also a message, or a list of texts and messages.

    Args:
        tags: Openings and ends of thoughts inside a text, as the page's chatbot takes them.
    """

    #: What this format is called where its user sees it.
    name = "text"

    def __init__(self, tags: Sequence[Tuple[str, str]] = ()) -> None:
        self._tags = tags

    def encode(self, history: Sequence[Message]) -> List[Any]:
        """Nothing: a text holds no turns."""
        return []

    def reply(self, value: Any, sent: Sequence[Any]) -> Optional[Reply]:
        """Find the answer; `None` while there is none."""
        if isinstance(value, dict) and not (_inner(value) or _title(value) or _names(value)):
            raise ProtocolError(
                "The answer is a JSON object where text was expected.",
                hint="This client reads text only; `endpoint` names another function of the app.",
            )
        parts = _Parts(self._tags)
        parts.add(value, [])
        return parts.reply()


#: In what form a route gives its answer.
AnswerFormat = Union[TuplesFormat, MessagesFormat, TextFormat]


class _Parts:
    """Collects what an answer consists of."""

    def __init__(self, tags: Sequence[Tuple[str, str]] = ()) -> None:
        self._tags = tags
        self._texts: List[str] = []
        self._path: Optional[Path] = None
        self._thoughts: List[Thought] = []
        self._others: List[str] = []
        self._count = 0

    def add(self, content: Any, path: Path, depth: int = 0) -> None:
        """Read a text, a message, a part of one, a file, a component, or a list of such."""
        self._count += 1
        if self._count > _MOST_PARTS:
            raise ProtocolError(
                f"The answer has more than {_MOST_PARTS:,} parts.",
                hint="This is not an answer; look at the Space in a browser.",
            )
        if content is None:
            return
        if isinstance(content, str):
            component = (
                re.fullmatch(_COMPONENT, content) if content.startswith("<gradio.") else None
            )
            if component:
                self._others.append(component.group(1).lower())
            elif self._tags:
                self._add_tagged(content)
            else:
                self._texts.append(content)
                self._path = path
        elif isinstance(content, list) and depth < _DEEPEST:
            for index, part in enumerate(content):
                self.add(part, path + [index], depth + 1)
        elif isinstance(content, dict) and depth < _DEEPEST:
            self._add_object(content, path, depth)
        else:
            raise ProtocolError(
                f"The answer is a {type(content).__name__} where text was expected.",
                hint="The Space answers with something else than text; this client reads text"
                " only.",
            )

    def _add_tagged(self, text: str) -> None:
        """Take thoughts out of a text, as Gradio 6 does; an open one goes on to the end."""
        while True:
            found = [(text.find(tag), tag, end) for tag, end in self._tags]
            place, tag, end = min(
                (one for one in found if one[0] >= 0), default=(len(text), "", "")
            )
            if text[:place].strip():
                self._texts.append(text[:place].strip())
            if not tag:
                return
            thought, _, text = text[place + len(tag) :].partition(end)
            self._thoughts.append(Thought("Reasoning", thought.strip()))

    def _add_object(self, content: Any, path: Path, depth: int) -> None:
        title = _title(content)
        inner = _inner(content)
        if title:
            thought = _Parts()
            thought.add(content.get(inner or ""), [], depth + 1)
            self._count += thought._count
            self._thoughts.append(Thought(title, "".join(thought._texts)))
            self._others += thought._others
        elif inner is not None:
            self.add(content[inner], path + [inner], depth + 1)
            for file in _list(content.get("files")):
                self._others.append(_name(file))
        elif "role" not in content:
            self._others.append(_name(content))

    def reply(self) -> Optional[Reply]:
        """All of it; `None` when there was nothing."""
        if not (self._texts or self._thoughts or self._others):
            return None
        text = "".join(self._texts)
        before = len(text) - len(self._texts[-1]) if self._texts else 0
        return Reply(text, self._path, before, tuple(self._thoughts), tuple(self._others))


def _inner(content: Any) -> Optional[str]:
    """The key of what a message or a part says."""
    if isinstance(content.get("text"), str):
        return "text"
    if "role" in content or content.get("type") in ("text", "tool"):
        return "content" if content.get("content") is not None else None
    return None


def _title(content: Any) -> str:
    """The title of a thought: Gradio has it in `metadata`, modelscope_studio in `options`."""
    for key in ("metadata", "options"):
        facts = content.get(key)
        title = facts.get("title") if isinstance(facts, dict) else None
        if (
            isinstance(title, str)
            and title
            and (key == "metadata" or content.get("type") == "tool")
        ):
            return title
    return "tool" if content.get("type") == "tool" else ""


def _name(content: Any) -> str:
    """What to call a file or a component."""
    if isinstance(content, str):
        return content.replace("\\", "/").rsplit("/", 1)[-1]
    if not isinstance(content, dict):
        return type(content).__name__
    for name in _names(content):
        return _name(name)
    return str(content.get("type") or "component")


def _names(content: Any) -> List[Any]:
    """What an object says of the file or component that it is, the best name first."""
    keys = ("orig_name", "path", "url", "component", "file", "video", "image")
    return [content[key] for key in keys if content.get(key)]


def _list(value: Any) -> List[Any]:
    return value if isinstance(value, list) else []


def _said(pair: Any) -> List[str]:
    return [_text_of(side) for side in pair]


def _text_of(content: Any) -> str:
    parts = _Parts()
    parts.add(content, [])
    reply = parts.reply()
    return "" if reply is None else reply.text
