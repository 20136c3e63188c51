"""Turns that were finished, and the next one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Callable, Iterable, List, Optional, Union

from ..errors import InvalidRequestError
from ..events import Event
from ..protocol.prompt import Message, Query
from ..timeouts import Timeout
from .streaming import Stream

if TYPE_CHECKING:
    from .client import Client


class Conversation:
    """A talk in turns; a turn enters it when its answer is complete, and not before.

    Made by `Client.conversation()`.
    """

    def __init__(
        self,
        client: Client,
        *,
        system: Optional[str] = None,
        model: Optional[str] = None,
        messages: Iterable[Message] = (),
    ) -> None:
        # The check of a prompt is the check of its history; nothing is asked here.
        earlier = Query.of("?", messages, None)
        self._client = client
        self.system = earlier.system if system is None else system
        self.model = model
        #: The turns so far, as `{"role": ..., "content": ...}`.
        self.messages: List[Message] = list(earlier.history)

    def send(
        self,
        prompt: str,
        *,
        timeout: Union[None, float, Timeout] = None,
        on_event: Optional[Callable[[Event], object]] = None,
    ) -> str:
        """Say something, and wait for the whole answer.

        Raises:
            QwenError: As `Client.complete`; the conversation is then as it was.
        """
        _check(prompt)
        answer = self._client.complete(
            prompt,
            system=self.system,
            model=self.model,
            history=self.messages,
            timeout=timeout,
            on_event=on_event,
        )
        self._add(prompt, answer)
        return answer

    def stream(
        self,
        prompt: str,
        *,
        timeout: Union[None, float, Timeout] = None,
        on_event: Optional[Callable[[Event], object]] = None,
    ) -> Stream:
        """Say something, and get the answer while it is written.

        The turn enters the conversation when the stream has been read to its end.

        Raises:
            QwenError: As `Client.stream`; the conversation is then as it was.
        """
        _check(prompt)
        stream = self._client.stream(
            prompt,
            system=self.system,
            model=self.model,
            history=self.messages,
            timeout=timeout,
            on_event=on_event,
        )
        stream._on_complete = lambda answer: self._add(prompt, answer)
        return stream

    def undo(self) -> None:
        """Take back the last turn, if there is one: what was said, and its answer."""
        while self.messages and self.messages.pop()["role"] != "user":
            pass

    def clear(self) -> None:
        """Begin anew; the system prompt stays."""
        self.messages.clear()

    def save(self, path: Union[str, os.PathLike[str]]) -> None:
        """Write the conversation into a file, as JSON; an older file there is replaced whole."""
        import json  # not at the top: importing this package stays fast

        content = {"system": self.system, "model": self.model, "messages": self.messages}
        text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
        try:
            text.encode()
        except UnicodeEncodeError:  # half a character, which only the escapes of JSON can keep
            text = json.dumps(content, indent=2) + "\n"
        # First beside it, then into its place: a full disk does not cost the older file.
        beside = f"{os.fspath(path)}.{os.getpid()}.tmp"
        try:
            with open(beside, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(beside, path)
        except BaseException:
            if os.path.exists(beside):
                os.unlink(beside)
            raise

    @classmethod
    def load(cls, path: Union[str, os.PathLike[str]], client: Client) -> Conversation:
        """Read a conversation that `save` wrote, to go on with it.

        Raises:
            InvalidRequestError: The file holds something else.
            OSError: The file cannot be read.
        """
        import json

        try:
            with open(path, encoding="utf-8") as file:
                content = json.load(file)
            system, model, messages = content["system"], content["model"], content["messages"]
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidRequestError(
                f"{os.fspath(path)} is not a saved conversation"
                f" ({type(error).__name__}: {error}).",
                hint="Give a file that Conversation.save wrote.",
            ) from error
        return cls(client, system=system, model=model, messages=messages)

    def _add(self, prompt: str, answer: str) -> None:
        self.messages.append({"role": "user", "content": prompt})
        self.messages.append({"role": "assistant", "content": answer})

    def _repr_markdown_(self) -> str:
        from ..display.transcript import markdown_transcript

        return markdown_transcript(self.system, self.messages)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        from ..display.transcript import transcript

        printer.text(transcript(self.system, self.messages) or repr(self))

    def __repr__(self) -> str:
        return f"<Conversation of {len(self.messages)} messages>"


def _check(prompt: object) -> None:
    if not isinstance(prompt, str):
        raise InvalidRequestError(
            f"A conversation takes one text at a time, and this is a {type(prompt).__name__}.",
            hint="Earlier turns belong into `messages`.",
        )
