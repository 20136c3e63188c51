"""OpenAI's answers, chunks and lists as data; pure."""

from __future__ import annotations

import time
import uuid
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

#: The field for what a model thinks. OpenAI's protocol has none; DeepSeek, vLLM and LM Studio
#: use this name.
REASONING = "reasoning_content"


class Head(NamedTuple):
    """What all parts of one answer have in common."""

    #: Whether it is an answer of `/chat/completions`; else one of `/completions`.
    chat: bool
    id: str
    created: int
    #: The model that answers.
    model: str

    @classmethod
    def new(cls, chat: bool, model: str) -> Head:
        """One with a new id."""
        name = "chatcmpl-" if chat else "cmpl-"
        return cls(chat, name + uuid.uuid4().hex, int(time.time()), model)


class Choice(NamedTuple):
    """One whole answer."""

    text: str
    finish_reason: str
    #: What a reasoning model has thought before it; empty for others.
    reasoning: str = ""


def whole(head: Head, choices: Sequence[Choice], usage: Dict[str, Any]) -> Dict[str, Any]:
    """An answer that is not streamed."""
    return {
        "id": head.id,
        "object": "chat.completion" if head.chat else "text_completion",
        "created": head.created,
        "model": head.model,
        "system_fingerprint": None,
        "choices": [_choice(head, index, choice) for index, choice in enumerate(choices)],
        "usage": usage,
    }


def _choice(head: Head, index: int, choice: Choice) -> Dict[str, Any]:
    said: Dict[str, Any] = {"text": choice.text}
    if head.chat:
        message = {"role": "assistant", "content": choice.text, "refusal": None}
        if choice.reasoning:
            message[REASONING] = choice.reasoning
        said = {"message": message}
    return {"index": index, **said, "logprobs": None, "finish_reason": choice.finish_reason}


class Chunks(NamedTuple):
    """The chunks of a streamed answer."""

    head: Head
    #: Every chunk has a `usage` when the last one tells it.
    include_usage: bool = False

    def role(self, index: int) -> Dict[str, Any]:
        """The first chunk of a choice in a chat."""
        return self._chunk(index, {"role": "assistant", "content": ""}, None)

    def piece(self, index: int, text: str) -> Dict[str, Any]:
        """A piece of text."""
        return self._chunk(index, {"content": text}, None)

    def reasoning(self, index: int, text: str) -> Dict[str, Any]:
        """A piece of what the model thinks, in a chat."""
        return self._chunk(index, {REASONING: text}, None)

    def end(self, index: int, finish_reason: str) -> Dict[str, Any]:
        """The last chunk of a choice."""
        return self._chunk(index, {}, finish_reason)

    def usage(self, usage: Dict[str, Any]) -> Dict[str, Any]:
        """The chunk after all choices, which has none."""
        return {**self._top(), "choices": [], "usage": usage}

    def _chunk(
        self, index: int, delta: Dict[str, Any], finish_reason: Optional[str]
    ) -> Dict[str, Any]:
        said = {"delta": delta} if self.head.chat else {"text": delta.get("content", "")}
        choice = {"index": index, **said, "logprobs": None, "finish_reason": finish_reason}
        chunk = {**self._top(), "choices": [choice]}
        if self.include_usage:
            chunk["usage"] = None
        return chunk

    def _top(self) -> Dict[str, Any]:
        return {
            "id": self.head.id,
            "object": "chat.completion.chunk" if self.head.chat else "text_completion",
            "created": self.head.created,
            "model": self.head.model,
            "system_fingerprint": None,
        }


def model(name: str) -> Dict[str, Any]:
    """One entry of the list of models."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "qwen25"}


def model_list(names: Sequence[str]) -> Dict[str, Any]:
    """The list of models."""
    data: List[Dict[str, Any]] = [model(name) for name in names]
    return {"object": "list", "data": data}
