"""From a request in OpenAI's shape to the Space, and back; for the server and in process alike."""

from __future__ import annotations

import contextlib
import json
from typing import Any, Dict, Generator, List, NamedTuple, Optional, Tuple, Union

from ..client.client import Client
from ..client.json_answer import JsonQuestion
from ..errors import InvalidRequestError
from ..events import Event, Note, Text
from ..protocol.prompt import Prompt
from .cut import Cut
from .estimate import usage
from .models import Models
from .requests import Request
from .responses import Choice, Chunks, Head, whole
from .settings import fit

#: A chunk of a streamed answer, or what happened on the way to it.
Item = Union[Dict[str, Any], Event]


class _Begun(NamedTuple):
    """The first piece of an answer is there."""

    #: The model that answers.
    model: str


class Answering:
    """Answers requests with a client; several choices are asked one after another.

    Args:
        client: Asks the Space.
        models: What the names of models mean.
        flatten: Whether a system prompt or a history that the Space has no place for goes into the
            prompt; otherwise it is refused.
    """

    def __init__(self, client: Client, models: Models, flatten: bool) -> None:
        if not isinstance(flatten, bool):
            raise InvalidRequestError(f"flatten={flatten!r} is neither True nor False.")
        self.client = client
        self.models = models
        self._flatten = flatten

    def answer(self, request: Request, **more: Any) -> Tuple[Dict[str, Any], List[str]]:
        """The whole answer, and the notes that came with it; `more` is for `Client.complete`."""
        options, limit, notes = self._options(request)
        options.update(more, on_event=lambda event: _note(event, notes))
        choices = []
        model = ""
        for prompt in _asked(request):
            text, model = self._text(request, prompt, options, Cut(request.stop, limit))
            cut = Cut(request.stop, limit)
            choices.append(Choice(cut.feed(text) + cut.end(), cut.finish_reason))
        told = usage(request.prompts, (choice.text for choice in choices))
        return whole(Head.new(request.chat, model), choices, told), notes

    def stream(self, request: Request, **more: Any) -> Generator[Item, None, None]:
        """The answer in chunks, and the events between them; `more` is for `Client.stream`."""
        chunks: Optional[Chunks] = None
        said: List[str] = []
        options, limit, notes = self._options(request)
        options.update(more)
        for note in notes:
            yield Note("info", note)
        for index, prompt in enumerate(_asked(request)):
            cut = Cut(request.stop, limit)
            with contextlib.closing(self._pieces(request, prompt, options, cut)) as items:
                for item in items:
                    if isinstance(item, _Begun):
                        if chunks is None:
                            head = Head.new(request.chat, item.model)
                            chunks = Chunks(head, request.include_usage)
                        if request.chat:
                            yield chunks.role(index)
                    elif not isinstance(item, str):
                        yield item
                    elif item and chunks is not None:
                        said.append(item)
                        yield chunks.piece(index, item)
            assert chunks is not None  # each answer has begun when it has ended
            yield chunks.end(index, cut.finish_reason)
        if chunks is not None and request.include_usage:
            yield chunks.usage(usage(request.prompts, ["".join(said)]))

    def _text(
        self, request: Request, prompt: Prompt, options: Dict[str, Any], cut: Cut
    ) -> Tuple[str, str]:
        """One whole answer, or what came of it until its cut; and the model that answered."""
        if request.json:
            return self._json(request, prompt, options)
        if not cut.cuts:
            return self._complete(request, prompt, options)
        with self.client.stream(prompt, **options) as stream:
            for piece in stream:
                cut.feed(piece)
                if cut.done and not stream.rewritten:
                    break
            return stream.text, self._model(request, stream.space)

    def _pieces(
        self, request: Request, prompt: Prompt, options: Dict[str, Any], cut: Cut
    ) -> Generator[Union[_Begun, str, Event], None, None]:
        """One answer as it comes."""
        if request.json:
            notes: List[str] = []
            noting = {**options, "on_event": lambda event: _note(event, notes)}
            text, model = self._json(request, prompt, noting)
            for note in notes:
                yield Note("info", note)
            yield _Begun(model)
            yield cut.feed(text)
        else:
            with self.client.stream(prompt, **options) as stream:
                begun = False
                for event in stream.events():
                    if not isinstance(event, Text):
                        yield event
                        continue
                    if not begun:
                        begun = True
                        yield _Begun(self._model(request, stream.space))
                    yield cut.feed(event.piece)
                    if cut.done:
                        break
                if not begun:
                    yield _Begun(self._model(request, stream.space))
        yield cut.end()

    def _json(self, request: Request, prompt: Prompt, options: Dict[str, Any]) -> Tuple[str, str]:
        question = JsonQuestion(prompt, request.schema)
        values: List[Any] = []
        model = ""
        while not values:
            text, model = self._complete(request, question.prompt, options)
            values = question.read(text)
        return json.dumps(values[0], ensure_ascii=False), model

    def _complete(
        self, request: Request, prompt: Prompt, options: Dict[str, Any]
    ) -> Tuple[str, str]:
        if len(self.client.spaces) == 1:  # `complete` asks again when an answer breaks off
            text = self.client.complete(prompt, **options)
            return text, self.models.answering(self.client.space, request.model)
        with self.client.stream(prompt, **options) as stream:
            return stream.result(), self._model(request, stream.space)

    def _model(self, request: Request, name: str) -> str:
        """The model that has answered, at the Space of a name."""
        spaces = self.client.spaces
        space = next((each for each in spaces if name in (each.id, each.url)), spaces[0])
        return self.models.answering(space, request.model)

    def _options(self, request: Request) -> Tuple[Dict[str, Any], Optional[int], List[str]]:
        """Arguments for the client, the limit that is left to a cut, and what is to be told."""
        options: Dict[str, Any] = {
            "model": self.models.asked(request.model),
            "flatten": self._flatten,
        }
        limit = request.max_tokens
        wanted = dict(request.settings)
        if limit is not None:
            wanted["max_tokens"] = limit
        if not wanted:
            return options, limit, []
        # Of several Spaces, one may lack an input that another has.
        alone = len(self.client.spaces) == 1
        settings = fit(wanted, self.client.space.inputs if alone else ())
        if settings.inputs:
            options["inputs"] = settings.inputs
        if "max_tokens" in settings.kept:
            limit = None
        return options, limit, settings.notes


def _asked(request: Request) -> List[Prompt]:
    return [prompt for prompt in request.prompts for _ in range(request.n)]


def _note(event: Event, notes: List[str]) -> None:
    if isinstance(event, Note) and event.text not in notes:
        notes.append(event.text)
