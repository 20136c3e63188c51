"""A conversation: the finished turns, and the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Mapping, Optional, Union

from ..errors import (
    ConnectionFailedError,
    InvalidRequestError,
    NoSpaceAnsweredError,
    QwenError,
    TimedOutError,
)
from ..events import Event
from ..imports import late_imports
from ..protocol.prompt import Message, Query
from ..timeouts import Timeout
from . import arguments
from .streaming import Stream

if TYPE_CHECKING:
    from ..files import Path
    from .call import KeptSession
    from .client import Client
    from .spaces import Target

#: More than a conversation has, so that a wrong file does not fill the memory.
_MOST_BYTES = 64 << 20


class _Session:
    """The session in which an app keeps the turns itself, if it is one that does."""

    def __init__(self) -> None:
        self._kept: Optional[KeptSession] = None
        self._turns: List[Message] = []  # those that the session has seen
        #: The Space that has answered last, and is asked first.
        self.target: Optional[Target] = None

    def take(self, turns: List[Message]) -> Optional[KeptSession]:
        """The session, if it has seen just these turns; `keep` has to say that it may go on."""
        taken, self._kept = self._kept, None
        return taken if turns == self._turns else None

    def keep(self, session: Optional[KeptSession], turns: List[Message]) -> None:
        """The session has seen these turns and no others."""
        self._kept, self._turns = session, list(turns)


class Conversation:
    """A conversation in turns. A turn is added when its answer is complete, not before.

    `Client.conversation()` makes one.
    """

    def __init__(
        self,
        client: Client,
        *,
        system: Optional[str] = None,
        model: Optional[str] = None,
        messages: Iterable[Message] = (),
        flatten: Optional[bool] = None,
        inputs: Optional[Mapping[str, Any]] = None,
    ) -> None:
        arguments.client_like(client, "complete", "stream")
        arguments.system_prompt(system)
        if model is not None:
            arguments.model_name(model)
        if messages is None:
            raise InvalidRequestError("messages=None is not a list of messages.")
        # The check of a prompt is the check of its history; nothing is asked here.
        earlier = Query.of("?", messages, None)
        self._client = client
        self.system = earlier.system if system is None else system
        self.model = model
        #: The turns so far, as `{"role": ..., "content": ...}`.
        self.messages: List[Message] = list(earlier.history)
        self._flatten = None if flatten is None else arguments.flag("flatten", flatten)
        self._inputs = arguments.labelled(inputs)
        self._session = _Session()

    def send(
        self,
        prompt: str,
        *,
        timeout: Union[None, float, Timeout] = None,
        on_event: Optional[Callable[[Event], object]] = None,
    ) -> str:
        """Send a prompt, and wait for the whole answer.

        Raises:
            QwenError: As `Client.complete`; the conversation is then unchanged.
        """
        return self._ask(prompt, timeout, on_event, start_over=True).result()

    def stream(
        self,
        prompt: str,
        *,
        timeout: Union[None, float, Timeout] = None,
        on_event: Optional[Callable[[Event], object]] = None,
    ) -> Stream:
        """Send a prompt, and get the answer while it is written.

        The turn is added to the conversation when the stream was read to its end.

        Raises:
            QwenError: As `Client.stream`; the conversation is then unchanged.
        """
        return self._ask(prompt, timeout, on_event, start_over=False)

    def undo(self) -> None:
        """Remove the last turn, if there is one: the prompt and its answer."""
        while self.messages and self.messages.pop()["role"] != "user":
            pass

    def clear(self) -> None:
        """Remove all turns; the system prompt stays."""
        self.messages.clear()

    def save(self, path: Path) -> None:
        """Write the conversation to a file, as JSON.

        A file that is already there is replaced as a whole, and keeps its permissions.

        Raises:
            InvalidRequestError: `path` is not a path.
            OSError: The file cannot be written; an older one is as it was.
        """
        with late_imports():
            import json  # not at the top: importing this package stays fast

            from ..files import replacing

        content = {"system": self.system, "model": self.model, "messages": self.messages}
        text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
        with replacing(path) as file:
            # Half a surrogate pair has no bytes in UTF-8. Its escape is the same in JSON.
            file.write(text.encode("utf-8", "backslashreplace"))

    @classmethod
    def load(cls, path: Path, client: Client) -> Conversation:
        """Read a conversation that `save` wrote, to continue it.

        Raises:
            InvalidRequestError: The file holds something else, or more than 64 MiB.
            OSError: The file cannot be read.
        """
        with late_imports():
            from ..files import path_of

        name = path_of(path)
        arguments.client_like(client, "complete", "stream")
        with open(name, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
        try:
            return cls(client, **_read(data))
        except (ValueError, RecursionError) as error:  # InvalidRequestError too; nested too deeply
            reason = error.args[0] if isinstance(error, InvalidRequestError) else error
            raise InvalidRequestError(
                f"{name} is not a saved conversation: {reason}",
                hint="Give a file that Conversation.save wrote.",
            ) from error

    def _add(self, prompt: str, answer: str) -> None:
        self.messages.append({"role": "user", "content": prompt})
        self.messages.append({"role": "assistant", "content": answer})

    def _ask(
        self,
        prompt: str,
        timeout: Union[None, float, Timeout],
        on_event: Optional[Callable[[Event], object]],
        *,
        start_over: bool,
    ) -> Stream:
        _check(prompt)
        before = list(self.messages)
        session = self._session.take(before)
        try:
            stream = self._client._ask(
                prompt,
                self.system,
                self.model,
                before,
                timeout,
                on_event,
                self._flatten,
                self._inputs,
                start_over=start_over,
                session=session,
                first=self._session.target,
            )
        except QwenError as error:
            if not _may_have_arrived(error):
                self._session.keep(session, before)
            raise

        def add(answer: str) -> None:
            self._add(prompt, answer)
            turn = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
            self._session.keep(stream.remembered, before + turn)
            self._session.target = stream.target

        stream._on_complete = add
        return stream

    def _repr_markdown_(self) -> str:
        from ..display.transcript import markdown_transcript

        return markdown_transcript(self.system, self.messages)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        from ..display.transcript import transcript

        printer.text(transcript(self.system, self.messages) or repr(self))

    def __repr__(self) -> str:
        return f"<Conversation of {len(self.messages)} messages>"


def _may_have_arrived(error: QwenError) -> bool:
    """Whether the turn may have reached a Space, although it was not answered."""
    errors = error.errors if isinstance(error, NoSpaceAnsweredError) else (error,)
    return any(isinstance(each, (ConnectionFailedError, TimedOutError)) for each in errors)


def _check(prompt: object) -> None:
    if not isinstance(prompt, str):
        raise InvalidRequestError(
            f"A conversation takes one text at a time, and this is a {type(prompt).__name__}.",
            hint="Put earlier turns into `messages`.",
        )


def _read(data: bytes) -> Dict[str, Any]:
    """What a file says, as arguments of a `Conversation`; another one is a `ValueError`."""
    import json

    if len(data) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES >> 20} MiB.")
    content = json.loads(data.decode("utf-8"))
    if not isinstance(content, dict) or not {"system", "model", "messages"} <= content.keys():
        raise ValueError("it is not an object with `system`, `model` and `messages`.")
    for key in ("system", "model"):
        if not isinstance(content[key], (str, type(None))):
            raise ValueError(f"`{key}` is neither a string nor null.")
    if not isinstance(content["messages"], list):
        raise ValueError("`messages` is not a list.")
    return {key: content[key] for key in ("system", "model", "messages")}
