"""A plugin for the command `llm`: `llm -m qwen25 "..."`. Only `llm` imports this module."""

from __future__ import annotations

import json
from typing import Any, AsyncGenerator, Callable, Dict, Iterator, List, Optional

import click
import llm
from pydantic import Field

from .aio.client import AsyncClient
from .client.client import Client
from .errors import QwenError
from .protocol.prompt import Message
from .sizes import SIZES

__all__ = ["AnswerFailed", "AsyncQwen", "Qwen"]

_REWRITTEN = "\n\nThe Space has rewritten its answer:\n\n"


@llm.hookimpl
def register_models(register: Callable[..., None]) -> None:
    """Register `qwen25`, which is the default size, and `qwen25/SIZE` for each size."""
    register(Qwen("qwen25"), AsyncQwen("qwen25"))
    for size in SIZES:
        register(Qwen(f"qwen25/{size}", size), AsyncQwen(f"qwen25/{size}", size))


class AnswerFailed(click.ClickException, llm.ModelError):
    """An error of qwen25 as `llm` shows it: one line. The `__cause__` is the error itself."""

    #: The text of the answer that had come before the error.
    partial: str

    def __init__(self, error: QwenError) -> None:
        super().__init__(" ".join(str(error).split()))
        self.partial = error.partial


class _Options(llm.Options):
    space: Optional[str] = Field(
        description="Id or URL of the Space; default $QWEN25_SPACE, else Qwen/Qwen2.5",
        default=None,
    )
    timeout: Optional[float] = Field(description="Seconds for the whole answer", default=None)


class _Asking:
    """What both kinds of model have in common."""

    can_stream = True
    supports_schema = True
    Options = _Options

    def __init__(self, model_id: str, size: Optional[str] = None) -> None:
        self.model_id = model_id
        self._settings: Dict[str, Any] = {} if size is None else {"model": size}

    def _client(self, prompt: Any) -> Client:
        options = prompt.options
        return Client(options.space, timeout=options.timeout, **self._settings)


class Qwen(_Asking, llm.Model):
    """A size of the Space, for `llm`."""

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> Iterator[str]:
        """Ask, and hand out the answer; called by `llm`.

        Raises:
            AnswerFailed: An error of qwen25, as one line.
        """
        try:
            messages = _messages(prompt, conversation)
            with self._client(prompt) as client:
                if prompt.schema:
                    yield _dumps(client.json(messages, prompt.schema))
                elif not stream:
                    yield client.complete(messages)
                else:
                    with client.stream(messages) as pieces:
                        yield from pieces
                        if pieces.rewritten:
                            yield _REWRITTEN + pieces.text
        except QwenError as error:
            raise AnswerFailed(error) from error


class AsyncQwen(_Asking, llm.AsyncModel):
    """A size of the Space, for `llm` in an event loop."""

    async def execute(
        self, prompt: Any, stream: bool, response: Any, conversation: Any
    ) -> AsyncGenerator[str, None]:
        """Ask, and hand out the answer; called by `llm`.

        Raises:
            AnswerFailed: An error of qwen25, as one line.
        """
        try:
            messages = _messages(prompt, conversation)
            async with AsyncClient.of(self._client(prompt)) as client:
                if prompt.schema:
                    yield _dumps(await client.json(messages, prompt.schema))
                elif not stream:
                    yield await client.complete(messages)
                else:
                    async with client.stream(messages) as pieces:
                        async for piece in pieces:
                            yield piece
                        if pieces.rewritten:
                            yield _REWRITTEN + pieces.text
        except QwenError as error:
            raise AnswerFailed(error) from error


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _messages(prompt: Any, conversation: Any) -> List[Message]:
    """The conversation with its new turn, as messages."""
    if hasattr(prompt, "messages"):
        # Newer versions of llm give the whole conversation in one list.
        return [_message(message) for message in prompt.messages]
    messages: List[Message] = []
    system: Optional[str] = None
    for earlier in [] if conversation is None else conversation.responses:
        system = _add_turn(messages, earlier.prompt, system)
        messages.append({"role": "assistant", "content": earlier.text_or_raise()})
    _add_turn(messages, prompt, system)
    return messages


def _add_turn(messages: List[Message], prompt: Any, system: Optional[str]) -> Optional[str]:
    """Add what was said; returns the system prompt, which is added when it has changed."""
    if prompt.system and prompt.system != system:
        system = prompt.system
        messages.append({"role": "system", "content": prompt.system})
    messages.append({"role": "user", "content": prompt.prompt})
    return system


def _message(message: Any) -> Dict[str, str]:
    texts = []
    for part in message.parts:
        kind = type(part).__name__
        if kind == "TextPart":
            texts.append(part.text)
        elif kind != "ReasoningPart":  # what another model thought is not part of what it said
            raise llm.ModelError(f"qwen25 can send text only, and a message has a {kind}.")
    return {"role": message.role, "content": "".join(texts)}
