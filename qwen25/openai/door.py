"""From a request in OpenAI's shape to the Space, and back; it knows no HTTP."""

from __future__ import annotations

import json
import time
from typing import Awaitable, Callable, Dict, List, Tuple

from ..aio.client import AsyncClient
from ..events import Event, Note, Queued, Text
from ..protocol.prompt import Prompt
from .admission import Admission
from .cut import Cut
from .estimate import usage
from .models import Model, Models
from .requests import Request
from .responses import Choice, Chunks, Head, whole

#: Seconds for which the meaning of a model's name is remembered.
REMEMBERED = 60.0
#: How many names are remembered.
MOST_NAMES = 1000

#: Takes a chunk.
Put = Callable[[Dict[str, object]], Awaitable[None]]
#: Takes a word about the waiting.
Tell = Callable[[str], Awaitable[None]]


class Door:
    """Answers requests, as many at once as `admission` lets through."""

    def __init__(self, client: AsyncClient, models: Models, admission: Admission) -> None:
        self.admission = admission
        self._client = client
        self._models = models
        self._found: Dict[str, Tuple[float, Model]] = {}

    async def names(self) -> List[str]:
        """The models on offer."""
        return await self._client.run(self._models.names)

    async def find(self, name: str) -> Model:
        """The model of a name; raises `UnknownModelError`."""
        now = time.monotonic()
        expires, model = self._found.get(name, (0.0, None))
        if model is None or expires < now:
            model = await self._client.run(lambda client: self._models.find(client, name))
            if len(self._found) >= MOST_NAMES:
                self._found.clear()
            self._found[name] = (now + REMEMBERED, model)
        return model

    async def answer(self, request: Request, notes: List[str]) -> Dict[str, object]:
        """The whole answer to a request; what there is to say about it is added to `notes`."""
        model = await self.find(request.model)
        choices = []
        for prompt in request.prompts:
            for _ in range(request.n):
                text = await self._text(request, model, prompt, notes)
                cut = _cut(request)
                choices.append(Choice(cut.feed(text) + cut.end(), cut.finish_reason))
        told = usage(request.prompts, (choice.text for choice in choices))
        return whole(Head.new(request.chat, model.name), choices, told)

    async def stream(self, request: Request, put: Put, tell: Tell, notes: List[str]) -> None:
        """Answer a request in chunks, several choices one after another."""
        model = await self.find(request.model)
        chunks = Chunks(Head.new(request.chat, model.name), request.include_usage)
        said: List[str] = []
        index = 0
        for prompt in request.prompts:
            for _ in range(request.n):
                cut = _cut(request)
                begun = False

                async def hand_on(text: str) -> None:
                    nonlocal begun
                    role = None if begun else chunks.role(index)
                    begun = True
                    if role is not None:
                        await put(role)
                    if text:
                        said.append(text)
                        await put(chunks.piece(index, text))

                await self._pieces(request, model, prompt, cut, hand_on, tell, notes)
                await hand_on(cut.end())
                await put(chunks.end(index, cut.finish_reason))
                index += 1
        if request.include_usage:
            await put(chunks.usage(usage(request.prompts, ["".join(said)])))

    async def _text(self, request: Request, model: Model, prompt: Prompt, notes: List[str]) -> str:
        """One whole answer, or what came of it until its cut."""
        note = _noting(notes)
        async with self.admission.place(_silent):
            if request.json:
                return await self._json(request, model, prompt, note)
            if not request.stop and request.max_tokens is None:
                return await self._client.complete(prompt, model=model.asked, on_event=note)
            cut = _cut(request)
            async with self._client.stream(prompt, model=model.asked, on_event=note) as stream:
                async for piece in stream:
                    cut.feed(piece)
                    if cut.done and not stream.rewritten:
                        break
                return stream.text

    async def _pieces(
        self,
        request: Request,
        model: Model,
        prompt: Prompt,
        cut: Cut,
        hand_on: Callable[[str], Awaitable[None]],
        tell: Tell,
        notes: List[str],
    ) -> None:
        """One answer, handed on as it comes."""
        note = _noting(notes)

        async def place(rank: int, size: int) -> None:
            await tell(f"waiting here: {rank} of {size} before this")

        async with self.admission.place(place):
            if request.json:
                await hand_on(cut.feed(await self._json(request, model, prompt, note)))
                return
            async with self._client.stream(prompt, model=model.asked) as stream:
                async for event in stream.events():
                    if isinstance(event, Text):
                        text = cut.feed(event.piece)
                        if text:
                            await hand_on(text)
                        if cut.done:
                            return
                    else:
                        note(event)
                        if isinstance(event, Queued):
                            await tell(f"in the Space's queue: {event.rank} before this")

    async def _json(
        self, request: Request, model: Model, prompt: Prompt, note: Callable[[Event], None]
    ) -> str:
        value = await self._client.json(prompt, request.schema, model=model.asked, on_event=note)
        return json.dumps(value, ensure_ascii=False)


def _cut(request: Request) -> Cut:
    return Cut(request.stop, request.max_tokens)


def _noting(notes: List[str]) -> Callable[[Event], None]:
    def note(event: Event) -> None:
        if isinstance(event, Note) and event.text not in notes:
            notes.append(event.text)

    return note


async def _silent(rank: int, size: int) -> None:
    pass
