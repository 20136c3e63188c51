"""Ways to read one answer of a Space: this library, its peers, and loops written by hand.

Each imports what it needs when it is made, so that a process knows one of them only.
"""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Dict, Iterable, Iterator, List, Type

Started = Callable[[], None]


#: The number of the first event with text: two others come before it.
_FIRST = 3


class Contender:
    """Reads answers from one Space over one session."""

    name: str
    #: Events of the longest answer that is asked of it.
    longest = 100_000
    #: It picks the text out of the messages, and does not merely decode them.
    reads_text = True

    def __init__(self, url: str, queue: str) -> None:
        self.url = url
        #: The address of the queue, which for this library and gradio_client stands in /config.
        self.queue = queue

    def pieces(self, prompt: str) -> Iterator[str]:
        """The text of an answer, as it comes."""
        raise NotImplementedError

    def read(self, prompt: str, started: Started) -> int:
        """Read an answer to its end; `started` is called at its first piece.

        Returns:
            How many characters it has, or messages.
        """
        length = 0
        for piece in self.pieces(prompt):
            if not length:
                started()
            length += len(piece)
        return length

    def for_another_thread(self) -> Contender:
        """What a further thread is to ask: a session may not be shared."""
        return type(self)(self.url, self.queue)

    def close(self) -> None:
        """Close the connection."""


class BareLoop(Contender):
    """The floor: the bytes as http.client hands them out, cut into events, and json.loads.

    Nothing is checked and nothing picked out of a message, but each is there as soon as its bytes
    are, and a large event is copied once. Of such loops it is the cheapest that was found:
    json.loads is quicker with a text than with bytes, and read1 than readline.
    """

    name = "http.client and json.loads"
    reads_text = False

    def __init__(self, url: str, queue: str) -> None:
        super().__init__(url, queue)
        import http.client
        from urllib.parse import urlsplit

        parts = urlsplit(queue)
        self._path = parts.path
        self._connection = http.client.HTTPConnection(parts.netloc)

    def read(self, prompt: str, started: Started) -> int:
        response = self._open(prompt)
        loads, read1 = json.loads, response.read1
        count = 0
        parts: List[bytes] = []  # of an event that is not complete
        while True:
            data = read1(65536)
            if not data:
                break
            if b"\n" not in data:
                parts.append(data)
                continue
            if parts:
                data = b"".join([*parts, data])
                parts = []
            *events, rest = data.split(b"\n\n")
            if rest:
                parts.append(rest)
            for event in events:
                loads(event[6:].decode())
                count += 1
                if count == _FIRST:
                    started()
        return count

    def _open(self, prompt: str) -> Any:
        session = _new_session()
        body = json.dumps(_body(prompt, session))
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", f"{self._path}/join", body, headers)
        self._connection.getresponse().read()
        self._connection.request("GET", f"{self._path}/data?session_hash={session}")
        return self._connection.getresponse()

    def close(self) -> None:
        self._connection.close()


class BareLines(BareLoop):
    """The same with readline."""

    name = "http.client readline and json.loads"

    def read(self, prompt: str, started: Started) -> int:
        loads = json.loads
        count = 0
        for line in self._open(prompt):
            if line != b"\n":
                loads(line[6:].decode())
                count += 1
                if count == _FIRST:
                    started()
        return count


class ByHand(Contender):
    """requests with sseclient-py, as one writes it: live in every framing."""

    name = "requests with sseclient-py"

    def __init__(self, url: str, queue: str) -> None:
        super().__init__(url, queue)
        import requests
        import sseclient

        self._session = requests.Session()
        self._events = lambda chunks: sseclient.SSEClient(chunks).events()

    def pieces(self, prompt: str) -> Iterator[str]:
        with self._open(prompt) as response:
            chunks = iter(lambda: response.raw.read1(65536, decode_content=True), b"")
            yield from _texts(json.loads(event.data) for event in self._events(chunks))

    def _open(self, prompt: str) -> Any:
        session = _new_session()
        self._session.post(f"{self.queue}/join", json=_body(prompt, session)).raise_for_status()
        return self._session.get(
            f"{self.queue}/data", params={"session_hash": session}, stream=True
        )

    def close(self) -> None:
        self._session.close()


class IterLines(ByHand):
    """requests' own way to read lines."""

    name = "requests.iter_lines"

    def pieces(self, prompt: str) -> Iterator[str]:
        with self._open(prompt) as response:
            yield from _texts(json.loads(line[6:]) for line in response.iter_lines() if line)


class HttpxSse(Contender):
    """httpx with httpx-sse."""

    name = "httpx-sse"

    def __init__(self, url: str, queue: str) -> None:
        super().__init__(url, queue)
        import httpx
        import httpx_sse

        self._client = httpx.Client(timeout=None)
        self._connect = httpx_sse.connect_sse

    def pieces(self, prompt: str) -> Iterator[str]:
        session = _new_session()
        self._client.post(f"{self.queue}/join", json=_body(prompt, session)).raise_for_status()
        parameters = {"session_hash": session}
        with self._connect(self._client, "GET", f"{self.queue}/data", params=parameters) as source:
            yield from _texts(event.json() for event in source.iter_sse())

    def close(self) -> None:
        self._client.close()


class GradioClient(Contender):
    """Gradio's own client."""

    name = "gradio_client"
    longest = 10_000

    def __init__(self, url: str, queue: str) -> None:
        super().__init__(url, queue)
        from gradio_client import Client

        self._client = Client(url, verbose=False, analytics_enabled=False, download_files=False)

    def pieces(self, prompt: str) -> Iterator[str]:
        job = self._client.submit(prompt, [], "", "72B", api_name="/model_chat")
        length = 0
        for outputs in job:
            text = _text(outputs[1])
            yield text[length:]
            length = len(text)

    def read(self, prompt: str, started: Started) -> int:
        started()  # its reader runs ahead of the first piece
        return super().read(prompt, _nothing)

    def close(self) -> None:
        self._client.close()


class Ours(Contender):
    """This library, piece by piece."""

    name = "qwen25 stream"

    def __init__(self, url: str, queue: str) -> None:
        super().__init__(url, queue)
        from qwen25 import Client

        self._client = Client(url)

    def pieces(self, prompt: str) -> Iterator[str]:
        return iter(self._client.stream(prompt))

    def for_another_thread(self) -> Contender:
        return self

    def close(self) -> None:
        self._client.close()


class OursComplete(Ours):
    """This library, the whole answer at once."""

    name = "qwen25 complete"

    def read(self, prompt: str, started: Started) -> int:
        from qwen25 import Started as Begun

        def on_event(event: object) -> None:
            if isinstance(event, Begun):
                started()

        return len(self._client.complete(prompt, on_event=on_event))


class OursAsync(Contender):
    """This library in an event loop."""

    name = "qwen25.aio stream"

    def __init__(self, url: str, queue: str) -> None:
        super().__init__(url, queue)
        import asyncio

        from qwen25.aio import AsyncClient

        self._loop = asyncio.new_event_loop()
        self._client = AsyncClient(url)

    def read(self, prompt: str, started: Started) -> int:
        started()  # its thread runs ahead of the first piece
        return self._loop.run_until_complete(self._read(prompt))

    async def _read(self, prompt: str) -> int:
        length = 0
        async for piece in self._client.stream(prompt):
            length += len(piece)
        return length

    def close(self) -> None:
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()


CONTENDERS: Dict[str, Type[Contender]] = {
    contender.name: contender
    for contender in (
        BareLoop,
        BareLines,
        Ours,
        OursComplete,
        OursAsync,
        ByHand,
        IterLines,
        HttpxSse,
        GradioClient,
    )
}
FLOOR = BareLoop.name


def _new_session() -> str:
    return os.urandom(5).hex()


def _body(prompt: str, session: str) -> Dict[str, Any]:
    return {
        "data": [prompt, [], "", "72B"],
        "event_data": None,
        "fn_index": 3,
        "trigger_id": 25,
        "session_hash": session,
    }


def _texts(messages: Iterable[Dict[str, Any]]) -> Iterator[str]:
    """The pieces of text in a stream, as one picks them out by hand: growing answers only."""
    started = False
    for message in messages:
        if message["msg"] == "process_generating":
            value = message["output"]["data"][1]
            if not started:
                started = True
                yield _text(value)
            else:
                for action, _, text in value:
                    if action == "append":
                        yield text


def _text(value: List[Any]) -> str:
    """The answer in a chatbot's value, in all layouts."""
    answer = value[-1]
    answer = answer["content"] if isinstance(answer, dict) else answer[1]
    answer = answer[0] if isinstance(answer, list) else answer
    text: str = answer["text"] if isinstance(answer, dict) else answer
    return text


def _nothing() -> None:
    """Where the beginning was marked already."""
