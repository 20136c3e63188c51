"""Server-Sent Events on ASGI, to a client that may leave at any time."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Awaitable, Callable, Dict, Optional, TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

#: Seconds to wait for the first piece before the response begins: until then an error has a status
#: of its own.
HOLD = 2.0
#: Seconds between two comments, which keep proxies and clients awake.
PING = 15.0
#: Seconds for which a client may take nothing.
STALL = 60.0

T = TypeVar("T")


class ClientLeft(Exception):
    """The client of a request has left, so its answer is not wanted."""


async def unless_left(work: Awaitable[T], *signs: Awaitable[None]) -> T:
    """Do the work, or cancel it when one of the signs that the client has left comes true.

    Raises:
        ClientLeft: It has left.
    """
    working = asyncio.ensure_future(work)
    tasks = [working, *map(asyncio.ensure_future, signs)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientLeft
        return working.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def left(receive: Receive) -> None:
    """Until the client closes its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Output:
    """The stream as it is written. It begins with the first data, or after `HOLD`."""

    def __init__(self, send: Send) -> None:
        #: The response has begun, with status 200.
        self.begun = False
        #: Sent when the response begins.
        self.headers: Dict[str, str] = {}
        self._send = send
        self._sending = asyncio.Lock()
        self._comment = "working"

    async def data(self, value: Any) -> None:
        """Send a value as JSON."""
        await self._write(f"data: {json.dumps(value)}\n\n")

    async def done(self) -> None:
        """Send the mark after which nothing comes."""
        await self._write("data: [DONE]\n\n")

    async def comment(self, text: str) -> None:
        """Tell what is no part of the answer, once the response has begun."""
        self._comment = text
        if self.begun:
            await self._write(f": {text}\n\n")

    async def keep_awake(self) -> None:
        """Begin after a while, and send comments; returns when the client takes nothing more."""
        await asyncio.sleep(HOLD)
        try:
            while True:
                await asyncio.wait_for(self._write(f": {self._comment}\n\n"), STALL)
                await asyncio.sleep(PING)
        except asyncio.TimeoutError:
            return

    async def end(self) -> None:
        """End the response."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, event: str) -> None:
        async with self._sending:
            if not self.begun:
                self.begun = True
                headers = {
                    "content-type": "text/event-stream; charset=utf-8",
                    "cache-control": "no-cache",
                    "x-accel-buffering": "no",  # nginx holds answers back otherwise
                    **self.headers,
                }
                raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
                await self._send({"type": "http.response.start", "status": 200, "headers": raw})
            body = {"type": "http.response.body", "body": event.encode(), "more_body": True}
            await self._send(body)


class EventStream:
    """A response that a function writes, until it ends or the client leaves.

    Args:
        write: Writes the events. It may return another response while nothing has begun.
    """

    def __init__(self, write: Callable[[Output], Awaitable[Optional[ASGIApp]]]) -> None:
        self._write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        output = Output(send)
        try:
            instead = await unless_left(self._write(output), left(receive), output.keep_awake())
        except ClientLeft:
            return
        if instead is None:
            await output.end()
        else:
            await instead(scope, receive, send)
