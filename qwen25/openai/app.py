"""The server that speaks OpenAI's protocol, as an ASGI app."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from typing import Any, AsyncIterator, Callable, Collection, List, Mapping, Optional, Tuple, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ..aio.client import AsyncClient
from ..client.client import Client
from ..errors import InvalidRequestError, QwenError
from ..events import Note, Queued
from . import responses
from .access import Access, check_origin
from .admission import Admission
from .answering import Answering, Item
from .errors import Problem, RequestRefusedError, body, fault, problem
from .event_stream import ClientLeft, EventStream, Output, left, unless_left
from .models import Models
from .requests import Request, chat_request, completion_request, loads

_log = logging.getLogger("qwen25")
T = TypeVar("T")

#: How many lists of models are made at once, and how many more wait.
LOOKS, LOOKS_WAITING = 4, 64
#: The largest body of a request, in bytes.
LARGEST_BODY = 8 * 1024 * 1024
#: Seconds for a body to come.
BODY_TIME = 30.0
#: The longest header that tells a note.
LONGEST_NOTE = 500


def create_app(
    client: Optional[Client] = None,
    *,
    aliases: Mapping[str, str] = {},
    key: Optional[str] = None,
    origins: Collection[str] = (),
    workers: int = 8,
    waiting: int = 64,
    flatten: bool = True,
) -> Starlette:
    """The OpenAI-shaped door to a Space, for uvicorn, hypercorn or gunicorn.

    Args:
        client: Asks the Space; default `Client()`, which the app closes when it ends.
        aliases: Other names of models, such as `{"gpt-4o-mini": "72B"}`.
        key: What callers have to send as their API key; default `$QWEN25_API_KEY`. Without one
            only callers on this machine are answered.
        origins: The origins of pages in a browser that may ask, such as `http://localhost:3000`.
        workers: How many requests are asked at once, at most; fewer while the Space is busy.
        waiting: How many more may wait; one more is refused with status 429.
        flatten: Whether a system prompt or a history that the Space has no place for goes into the
            prompt, which the header `x-qwen25-note` tells; otherwise it is refused.

    Raises:
        InvalidRequestError: An argument is invalid.
    """
    for name, number, least in (("workers", workers, 1), ("waiting", waiting, 0)):
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            raise InvalidRequestError(f"{name}={number!r} is not a number from {least} up.")
    allowed = [check_origin(origin) for origin in origins]
    asking = Client() if client is None else client
    answering = Answering(asking, Models(aliases), flatten)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        if client is None:
            asking.close()

    middleware = [Middleware(Access, key=api_key(key), origins=allowed)]
    if allowed:
        rules: Mapping[str, Any] = {
            "allow_origins": allowed,
            "allow_methods": ["GET", "POST"],
            "allow_headers": ["*"],
            "expose_headers": ["x-qwen25-note", "retry-after"],
        }
        middleware.append(Middleware(CORSMiddleware, **rules))
    return Starlette(
        routes=_Routes(answering, Admission(workers, waiting)).routes(),
        middleware=middleware,
        lifespan=lifespan,
        exception_handlers={
            QwenError: _tell_error,
            ClientLeft: _tell_nobody,
            ClientDisconnect: _tell_nobody,
            HTTPException: _tell_http_error,
            Exception: _tell_fault,
        },
    )


class _Json(JSONResponse):
    """JSON in ASCII: text from a Space may have what UTF-8 cannot encode."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode()


class _Routes:
    """What each path does."""

    def __init__(self, answering: Answering, admission: Admission) -> None:
        self._answering = answering
        self._admission = admission
        self._client = AsyncClient.of(answering.client)
        # A list of models does not wait for answers, and neither takes a thread for each caller.
        self._looks = Admission(LOOKS, LOOKS_WAITING)

    def routes(self) -> List[Route]:
        return [
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/completions", self._completion, methods=["POST"]),
            Route("/v1/models", self._models),
            Route("/v1/models/{name:path}", self._model),
            Route("/healthz", self._health),
        ]

    async def _chat(self, http: HttpRequest) -> Any:
        return await self._answer(http, chat_request)

    async def _completion(self, http: HttpRequest) -> Any:
        return await self._answer(http, completion_request)

    async def _models(self, http: HttpRequest) -> Response:
        names = await self._look(http, self._answering.models.names)
        return _Json(responses.model_list(names))

    async def _model(self, http: HttpRequest) -> Response:
        name = http.path_params["name"]
        await self._look(http, lambda client: self._answering.models.find(client, name))
        return _Json(responses.model(name))

    async def _look(self, http: HttpRequest, work: Callable[[Client], T]) -> T:
        async def look() -> T:
            async with self._looks.place():
                return await self._client.run(work)

        return await unless_left(look(), left(http.receive))

    async def _health(self, http: HttpRequest) -> Response:
        admission = self._admission
        return _Json({"status": "ok", "asked": admission.asked, "waiting": admission.waiting})

    async def _answer(self, http: HttpRequest, read: Callable[[Any], Request]) -> Any:
        request = read(loads(await _body(http)))
        if request.stream:
            return EventStream(lambda output: self._stream(request, output))
        answer, notes = await unless_left(self._whole(request), left(http.receive))
        return _Json(answer, headers=_note(notes))

    async def _whole(self, request: Request) -> Tuple[Any, List[str]]:
        async with self._admission.place():
            return await self._client.run(lambda client: self._answering.answer(request))

    async def _stream(self, request: Request, output: Output) -> Optional[ASGIApp]:
        """Write the answer; an error before it has begun is a response of its own."""

        async def tell(rank: int, size: int) -> None:
            await output.comment(f"waiting here: {rank} of {size} before this")

        try:
            async with self._admission.place(tell):
                items = self._client.iterate(lambda client: self._answering.stream(request))
                try:
                    await _write(items, output)
                finally:
                    await items.aclose()
        except Exception as error:  # each is told to the client, and a fault to the log too
            told = _problem(error)
            if not output.begun:
                return _response(told)
            await output.data(told.body)
        else:
            await output.done()
        return None


async def _write(items: AsyncIterator[Item], output: Output) -> None:
    notes: List[str] = []
    async for item in items:
        if isinstance(item, dict):
            if not output.begun:
                output.headers.update(_note(notes))
            await output.data(item)
        elif isinstance(item, Queued):
            await output.comment(f"in the Space's queue: {item.rank} before this")
        elif isinstance(item, Note):
            notes.append(item.text)


async def _body(http: HttpRequest) -> bytes:
    """The body of a request, within its bounds."""
    try:
        return await asyncio.wait_for(_bounded(http), BODY_TIME)
    except asyncio.TimeoutError:
        raise RequestRefusedError(
            f"The body did not come within {BODY_TIME:.0f} seconds.", status=408
        ) from None


async def _bounded(http: HttpRequest) -> bytes:
    parts: List[bytes] = []
    size = 0
    async for part in http.stream():
        size += len(part)
        if size > LARGEST_BODY:
            raise RequestRefusedError(
                f"The body is larger than {LARGEST_BODY} bytes.", status=413, code="too_large"
            )
        parts.append(part)
    return b"".join(parts)


def api_key(key: Optional[str]) -> Optional[str]:
    """The key that callers have to send: the one given, else `$QWEN25_API_KEY`; `None` is none."""
    if key is not None and (not isinstance(key, str) or not key.strip()):
        raise InvalidRequestError("key is not an API key.", hint="Give a string, or none.")
    return key or os.environ.get("QWEN25_API_KEY") or None


def _note(notes: List[str]) -> Mapping[str, str]:
    """The header for the notes, in the characters that a header may have."""
    text = " ".join(" ".join(notes).split())[:LONGEST_NOTE]
    if not text:
        return {}
    return {"x-qwen25-note": "".join(each if " " <= each <= "~" else "?" for each in text)}


def _problem(error: Exception) -> Problem:
    if isinstance(error, QwenError):
        _log.info("refused: %s", error)
        return problem(error)
    _log.error("a fault while answering", exc_info=error)
    return fault()


def _response(told: Problem) -> Response:
    return _Json(told.body, told.status, told.headers)


async def _tell_error(http: HttpRequest, error: Exception) -> Response:
    return _response(_problem(error))


async def _tell_fault(http: HttpRequest, error: Exception) -> Response:
    return _response(fault())  # the server writes the error to the log


async def _tell_nobody(http: HttpRequest, error: Exception) -> Response:
    return Response(status_code=499)


async def _tell_http_error(http: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    hint = ""
    if error.status_code == 404 and http.url.path.startswith("/v1/"):
        hint = " This server has /v1/chat/completions, /v1/completions and /v1/models."
    elif error.status_code == 404:
        hint = " The base URL ends with /v1."
    told = body(f"{error.detail}.{hint}", "invalid_request_error", None, None)
    return _Json(told, error.status_code, error.headers)
