"""`OpenAI`: the calls of the openai package, in this process: no server, no port, no package."""

from __future__ import annotations

import contextlib
import json
from typing import Any, Callable, Dict, Generator, Iterator, Mapping, Optional, Union

from ..client.client import Client
from ..errors import InvalidRequestError
from ..timeouts import Timeout
from . import responses
from .answering import Answering, Item
from .models import Models
from .requests import Request, chat_request, completion_request


class Record(Dict[str, Any]):
    """A part of an answer: `.choices[0].message.content` and `["choices"][0]["message"]` alike."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f"There is no {name!r} here; there are {', '.join(self)}."
            ) from None

    def model_dump(self) -> Dict[str, Any]:
        """The same as plain dicts and lists."""
        plain: Dict[str, Any] = json.loads(self.model_dump_json())
        return plain

    def model_dump_json(self) -> str:
        """The same as JSON."""
        return json.dumps(self)


class RecordList(Record):
    """A list of models: an iterable of what is in its `data`."""

    def __iter__(self) -> Iterator[Record]:  # type: ignore[override]  # as in the openai package
        return iter(self["data"])


class RecordStream:
    """The chunks of an answer that is being written; closing it stops the Space."""

    def __init__(self, chunks: Generator[Record, None, None]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[Record]:
        try:
            yield from self._chunks
        finally:
            self.close()

    def __next__(self) -> Record:
        return next(self._chunks)

    def close(self) -> None:
        """Leave. Closing twice is fine."""
        self._chunks.close()

    def __enter__(self) -> RecordStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class OpenAI:
    """The class of this name in the openai package, answered by a Space.

        OpenAI().chat.completions.create(model="72B", messages=[{"role": "user", "content": "Hi"}])

    Args:
        client: Asks the Space, and stays open; default `Client()`.
        aliases: Other names of models, such as `{"gpt-4o-mini": "72B"}`.
        flatten: Whether a system prompt or a history that the Space has no place for goes into the
            prompt; otherwise it is refused.

    Raises:
        InvalidRequestError: An argument is invalid. Errors of the calls are those of this library.
    """

    def __init__(
        self,
        client: Optional[Client] = None,
        *,
        aliases: Mapping[str, str] = {},
        flatten: bool = True,
    ) -> None:
        if client is not None and not isinstance(client, Client):
            raise InvalidRequestError("client has to be a Client of qwen25.")
        self._owned = client is None
        answering = Answering(Client() if client is None else client, Models(aliases), flatten)
        self._client = answering.client
        self.chat = _Chat(answering)
        self.completions = _Completions(answering, completion_request)
        self.models = _Models(answering)

    def close(self) -> None:
        """Close the client, unless it was given."""
        if self._owned:
            self._client.close()

    def __enter__(self) -> OpenAI:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"OpenAI({self._client!r})"


class _Chat:
    def __init__(self, answering: Answering) -> None:
        self.completions = _Completions(answering, chat_request)


class _Completions:
    """`chat.completions` and `completions`."""

    def __init__(self, answering: Answering, read: Callable[[Any], Request]) -> None:
        self._answering = answering
        self._read = read

    def create(
        self, *, timeout: Union[None, float, Timeout] = None, **fields: Any
    ) -> Union[Record, RecordStream]:
        """Ask; the arguments are those of the openai package.

        The answer has the package's shape. With `stream=True` it is an iterator of chunks, and
        nothing is asked before the first is wanted. `timeout` is that of `Client.complete`.
        """
        request = self._read(fields)
        if request.stream:
            return RecordStream(_chunks(self._answering.stream(request, timeout=timeout)))
        answer: Record = _record(self._answering.answer(request, timeout=timeout)[0])
        return answer


class _Models:
    """`models`."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    def list(self) -> RecordList:
        """The models on offer."""
        names = self._answering.models.names(self._answering.client)
        return RecordList(_record(responses.model_list(names)))

    def retrieve(self, model: str) -> Record:
        """One of them; raises `UnknownModelError`."""
        self._answering.models.find(self._answering.client, model)
        found: Record = _record(responses.model(model))
        return found


def _record(value: Any) -> Any:
    if isinstance(value, dict):
        return Record({name: _record(each) for name, each in value.items()})
    if isinstance(value, list):
        return [_record(each) for each in value]
    return value


def _chunks(items: Generator[Item, None, None]) -> Generator[Record, None, None]:
    with contextlib.closing(items):
        for item in items:
            if isinstance(item, dict):
                yield _record(item)
