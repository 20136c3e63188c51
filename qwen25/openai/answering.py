"""From a request in OpenAI's shape to the Space, and back; for the server and in process alike."""

from __future__ import annotations

import contextlib
import json
from typing import Any, Dict, Generator, List, NamedTuple, Optional, Tuple, Union

from ..client import arguments
from ..client.client import Client, ask
from ..client.json_answer import JsonQuestion
from ..client.streaming import Stream
from ..events import Event, Note, Text, Thought
from ..protocol.prompt import Prompt
from .cut import Cut
from .estimate import usage
from .models import Models
from .reasoning import Reasoning
from .requests import Request
from .responses import Choice, Chunks, Head, whole
from .settings import Chooser

#: A chunk of a streamed answer, or what happened on the way to it.
Item = Union[Dict[str, Any], Event]


class _Begun(NamedTuple):
    """The answer begins."""

    #: The model that answers.
    model: str


class _Reasoning(NamedTuple):
    """A piece of what the model thinks; may be empty."""

    text: str


class Answering:
    """Answers requests with a client; several choices are asked one after another.

    Args:
        client: Asks the Space.
        models: What the names of models mean.
        flatten: Whether a system prompt or a history that the Space has no place for goes into the
            prompt; otherwise it is refused.
    """

    def __init__(self, client: Client, models: Models, flatten: bool) -> None:
        self.client = client
        self.models = models
        self._flatten = arguments.flag("flatten", flatten)

    def answer(self, request: Request, **more: Any) -> Tuple[Dict[str, Any], List[str]]:
        """The whole answer, and the notes that came with it; `more` is for `Client.complete`."""
        notes: List[str] = []
        choices: List[Choice] = []
        model = ""
        for prompt in _asked(request):
            asked = self._asking(request, prompt, more)
            choice, model = asked.whole()
            choices.append(choice)
            notes += [note for note in asked.notes if note not in notes]
        told = usage(request.prompts, (choice.text for choice in choices))
        return whole(Head.new(request.chat, model), choices, told), notes

    def stream(self, request: Request, **more: Any) -> Generator[Item, None, None]:
        """The answer in chunks, and the events between them; `more` is for `Client.stream`."""
        chunks: Optional[Chunks] = None
        said: List[str] = []
        for index, prompt in enumerate(_asked(request)):
            asked = self._asking(request, prompt, more)
            with contextlib.closing(asked.pieces()) as items:
                for item in items:
                    if isinstance(item, _Begun):
                        if chunks is None:
                            head = Head.new(request.chat, item.model)
                            chunks = Chunks(head, request.include_usage)
                        if request.chat:
                            yield chunks.role(index)
                    elif isinstance(item, _Reasoning):
                        if request.chat and item.text and chunks is not None:
                            yield chunks.reasoning(index, item.text)
                    elif not isinstance(item, str):
                        yield item
                    elif item and chunks is not None:
                        said.append(item)
                        yield chunks.piece(index, item)
            assert chunks is not None  # each answer has begun when it has ended
            yield chunks.end(index, asked.finish_reason)
        if chunks is not None and request.include_usage:
            yield chunks.usage(usage(request.prompts, ["".join(said)]))

    def _asking(self, request: Request, prompt: Prompt, more: Dict[str, Any]) -> _Asking:
        model = self.models.asked(request.model)
        options = {**more, "model": model, "flatten": self._flatten}
        return _Asking(self.client, self.models, request, prompt, options)


class _Asking:
    """One prompt, and one answer to it.

    Args:
        options: For the client.
    """

    def __init__(
        self,
        client: Client,
        models: Models,
        request: Request,
        prompt: Prompt,
        options: Dict[str, Any],
    ) -> None:
        #: OpenAI's word for why the answer ended.
        self.finish_reason = "stop"
        self._client = client
        self._models = models
        self._request = request
        self._prompt = prompt
        self._options = options
        self._notes: List[str] = []
        self._reasoning = Reasoning()
        self._chooser = Chooser(request.settings, request.max_tokens)

    @property
    def notes(self) -> List[str]:
        """What is to be told beside the answer."""
        return self._chooser.settings.notes + self._notes

    def whole(self) -> Tuple[Choice, str]:
        """The whole answer, and the model that has answered."""
        text, model = self._json() if self._request.json else self._text(self._prompt)
        return Choice(text, self.finish_reason, self._reasoning.text), model

    def pieces(self) -> Generator[Union[_Begun, _Reasoning, str, Event], None, None]:
        """The answer as it comes."""
        if self._request.json:
            yield from self._json_as_pieces()
            return
        with self._open(self._prompt, whole=False) as stream:
            cut: Optional[Cut] = None
            for event in stream.events():
                if not isinstance(event, (Text, Thought)):
                    yield event
                    continue
                if cut is None:
                    cut = self._cut()
                    yield from self._begin(self._model(stream))
                if isinstance(event, Thought):
                    yield _Reasoning(self._reasoning.feed(event))
                else:
                    yield cut.feed(event.piece)
                    if cut.done:
                        break
            if cut is None:
                yield from self._begin(self._model(stream))
            else:
                yield cut.end()
                self.finish_reason = cut.finish_reason

    def _begin(self, model: str) -> Generator[Union[_Begun, Event], None, None]:
        for note in self.notes:
            yield Note("info", note)
        yield _Begun(model)

    def _text(self, prompt: Prompt) -> Tuple[str, str]:
        """The text up to its cut, after which the Space is stopped; and the model."""
        may_cut = bool(self._request.stop) or self._request.max_tokens is not None
        with self._open(prompt, whole=not may_cut, on_event=self._hear) as stream:
            if may_cut:
                cut: Optional[Cut] = None
                for piece in stream:
                    cut = cut or self._cut()
                    cut.feed(piece)
                    if cut.done and not stream.rewritten:
                        break
                text = stream.text
            else:
                text = stream.result()
        end = self._cut()
        text = end.feed(text) + end.end()
        self.finish_reason = end.finish_reason
        return text, self._model(stream)

    def _json(self) -> Tuple[str, str]:
        """The JSON in the text; a text that is cut for its length is returned as it is."""
        question = JsonQuestion(self._prompt, self._request.schema)
        while True:
            text, model = self._text(question.prompt)
            if self.finish_reason == "length":
                return text, model
            values = question.read(text)
            if values:
                return json.dumps(values[0], ensure_ascii=False), model

    def _json_as_pieces(self) -> Generator[Union[_Begun, _Reasoning, str, Event], None, None]:
        text, model = self._json()
        yield from self._begin(model)
        yield _Reasoning(self._reasoning.text)
        yield text

    def _open(self, prompt: Prompt, whole: bool, **more: Any) -> Stream:
        options = {**self._options, **more, "choose": self._chooser}
        return ask(self._client, prompt, whole=whole, **options)

    def _hear(self, event: Event) -> None:
        if isinstance(event, Note) and event.text not in self._notes:
            self._notes.append(event.text)
        elif isinstance(event, Thought):
            self._reasoning.feed(event)

    def _cut(self) -> Cut:
        """For an answer of the Space that was asked last."""
        there = "max_tokens" in self._chooser.settings.kept
        return Cut(self._request.stop, None if there else self._request.max_tokens)

    def _model(self, stream: Stream) -> str:
        """The model that answers, by the Space's own name."""
        space = next(each for each in self._client.spaces if each.name == stream.space)
        return self._models.answering(space, self._request.model)


def _asked(request: Request) -> List[Prompt]:
    return [prompt for prompt in request.prompts for _ in range(request.n)]
