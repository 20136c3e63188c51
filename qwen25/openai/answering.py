"""From a request in OpenAI's shape to the Space, and back; for the server and in process alike."""

from __future__ import annotations

import contextlib
import json
from typing import Any, Dict, Generator, List, Optional, Tuple, Union

from ..client.client import Client
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
        options.update(more)
        choices = []
        for prompt in _asked(request):
            cut = Cut(request.stop, limit)
            text = self._text(request, prompt, options, limit, notes)
            choices.append(Choice(cut.feed(text) + cut.end(), cut.finish_reason))
        told = usage(request.prompts, (choice.text for choice in choices))
        return whole(self._head(request), choices, told), notes

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
            begun = False
            with contextlib.closing(self._pieces(request, prompt, options, cut)) as items:
                for item in items:
                    if not isinstance(item, str):
                        yield item
                        continue
                    if chunks is None:
                        # The Space is known by now, whatever it took to reach it.
                        chunks = Chunks(self._head(request), request.include_usage)
                    if request.chat and not begun:
                        yield chunks.role(index)
                    begun = True
                    if item:
                        said.append(item)
                        yield chunks.piece(index, item)
            assert chunks is not None  # there is an item at the end
            yield chunks.end(index, cut.finish_reason)
        if chunks is not None and request.include_usage:
            yield chunks.usage(usage(request.prompts, ["".join(said)]))

    def _head(self, request: Request) -> Head:
        return Head.new(request.chat, self.models.answering(self.client, request.model))

    def _text(
        self,
        request: Request,
        prompt: Prompt,
        options: Dict[str, Any],
        limit: Optional[int],
        notes: List[str],
    ) -> str:
        """One whole answer, or what came of it until its cut."""

        def note(event: Event) -> None:
            _note(event, notes)

        if request.json:
            return self._json(request, prompt, options, notes)
        if not request.stop and limit is None:
            return self.client.complete(prompt, on_event=note, **options)
        cut = Cut(request.stop, limit)
        with self.client.stream(prompt, on_event=note, **options) as stream:
            for piece in stream:
                cut.feed(piece)
                if cut.done and not stream.rewritten:
                    break
            return stream.text

    def _pieces(
        self, request: Request, prompt: Prompt, options: Dict[str, Any], cut: Cut
    ) -> Generator[Union[str, Event], None, None]:
        """One answer as it comes, and a last piece that may be empty."""
        if request.json:
            notes: List[str] = []
            text = self._json(request, prompt, options, notes)
            for note in notes:
                yield Note("info", note)
            yield cut.feed(text)
        else:
            with self.client.stream(prompt, **options) as stream:
                for event in stream.events():
                    if not isinstance(event, Text):
                        yield event
                        continue
                    text = cut.feed(event.piece)
                    if text:
                        yield text
                    if cut.done:
                        break
        yield cut.end()

    def _json(
        self, request: Request, prompt: Prompt, options: Dict[str, Any], notes: List[str]
    ) -> str:
        def note(event: Event) -> None:
            _note(event, notes)

        value = self.client.json(prompt, request.schema, on_event=note, **options)
        return json.dumps(value, ensure_ascii=False)

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
        settings = fit(wanted, self.client.space.inputs)
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
