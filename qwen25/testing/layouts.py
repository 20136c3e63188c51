"""How a chatbot component writes a conversation down, for each kind of chatbot."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any, Callable, Dict, List, NamedTuple, Sequence

Turn = Dict[str, str]
ROLES = ("user", "assistant", "system")


class Layout(NamedTuple):
    """How a chatbot component writes a conversation down."""

    component: str
    props: Dict[str, Any]
    #: Whether an entry is a pair of texts, and not one message with its role.
    pairs: bool
    #: Where the text of an answer is inside its place.
    tail: List[Any]
    wrap: Callable[[str], Any]
    unwrap: Callable[[Any], str]

    def read(self, value: Any) -> List[Turn]:
        """The messages of a chatbot's value, in one form for all layouts.

        Raises:
            ValueError: The value has another layout.
        """
        if not isinstance(value, list):
            raise ValueError("a history is a list")
        turns = []
        for entry in value:
            if self.pairs:
                if not isinstance(entry, list) or len(entry) != 2:
                    raise ValueError("an entry is a pair")
                asked, answered = entry
                turns.append({"role": "user", "content": self.unwrap(asked)})
                # The last query waits for its answer between two steps of an app.
                if answered is not None or entry is not value[-1]:
                    turns.append({"role": "assistant", "content": self.unwrap(answered)})
            else:
                if not isinstance(entry, dict) or entry.get("role") not in ROLES:
                    raise ValueError("an entry is a message with its role")
                content = self.unwrap(entry.get("content"))
                turns.append({"role": entry["role"], "content": content})
        return turns

    def write(self, turns: Sequence[Turn]) -> List[Any]:
        """The chatbot's value for messages."""
        if self.pairs:
            texts = [self.wrap(turn["content"]) for turn in turns]
            return [list(pair) for pair in zip_longest(texts[::2], texts[1::2])]
        return [
            {
                "role": turn["role"],
                "metadata": None,
                "content": self.wrap(turn["content"]),
                "options": None,
            }
            for turn in turns
        ]

    def path(self, before: int) -> List[Any]:
        """Where the answer's text is, after so many earlier messages."""
        place: List[Any] = [before // 2, 1] if self.pairs else [before + 1, "content"]
        return place + self.tail


def _plain(text: Any) -> str:
    if not isinstance(text, str):
        raise ValueError("a text is a string")
    return text


def _multimodal(text: str) -> Dict[str, Any]:
    nothing = dict.fromkeys(("id", "elem_id", "elem_classes", "name"))
    return {**nothing, "text": text, "flushing": None, "avatar": "", "files": None}


def _from_multimodal(value: Any) -> str:
    return _plain(value.get("text") if isinstance(value, dict) else value)


def _from_parts(value: Any) -> str:
    if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
        raise ValueError("a content is a list of parts")
    return "".join(_plain(part.get("text")) for part in value)


def _pro(text: str) -> List[Dict[str, Any]]:
    return [{"type": "text", "copyable": True, "editable": True, "content": text, "options": None}]


def _from_pro(value: Any) -> str:
    if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
        return _plain(value)
    return "".join(_plain(part.get("content")) for part in value)


#: What a FakeSpace of one step can be given.
LAYOUTS = {
    "modelscope": Layout("modelscopechatbot", {}, True, ["text"], _multimodal, _from_multimodal),
    "tuples": Layout("chatbot", {"type": "tuples"}, True, [], str, _plain),
    "messages": Layout("chatbot", {"type": "messages"}, False, [], str, _plain),
    "parts": Layout(
        *("chatbot", {}, False, [0, "text"]),
        lambda text: [{"text": text, "type": "text"}],
        _from_parts,
    ),
}
#: The chatbot of modelscope_studio 1.x and 2.x.
PRO = Layout("modelscopeprochatbot", {}, False, [0, "content"], _pro, _from_pro)
