"""A server that sends streams as Gradio does, in a process of its own.

Each event is an HTTP chunk of its own, as uvicorn sends it. Where events follow one another without
a pause, many chunks are written at once: the server is never what a contender waits for.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import subprocess
import sys
from typing import Any, Dict, Iterator, List

import requests
from streams import SHAPES, Script, config, events, recorded

from qwen25.testing import Reply, Request
from qwen25.testing.server import Connection, Server, head

#: Events that are written at once.
_LOT = 64
_STREAM_HEAD = head(
    200,
    {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"},
)
#: What gradio_client wants to know of the functions.
_INFO: Dict[str, Any] = {
    "named_endpoints": {"/model_chat": {"parameters": [], "returns": []}},
    "unnamed_endpoints": {},
}


class Replay:
    """A Space whose answers have one shape."""

    def __init__(self, shape: str) -> None:
        self.server = Server(self._handle)
        self._scripts: Dict[str, Script] = {}
        wiring = config(shape)
        self._pages = {
            "/config": lambda: wiring,
            "/info": lambda: _INFO,
            "/connections": lambda: self.server.connections,
        }
        estimation = recorded(shape, "answer").split(b"\n\n", 1)[0]
        self._event_id = json.loads(estimation[len(b"data: ") :])["event_id"]

    def _handle(self, connection: Connection, request: Request) -> bool:
        path = request.path
        path = path[len("/gradio_api") :] if path.startswith("/gradio_api/") else path
        if path == "/queue/data":
            self._stream(connection, self._scripts.pop(request.query["session_hash"]))
        elif path == "/queue/join":
            body = request.json
            self._scripts[body["session_hash"]] = Script.of(body["data"][0])
            connection.reply(Reply(200, {"event_id": self._event_id}))
        elif path in self._pages:
            connection.reply(Reply(200, self._pages[path]()))
        else:
            connection.reply(Reply(404, {"detail": "Not Found"}))
        return True

    def _stream(self, connection: Connection, script: Script) -> None:
        connection.write(_STREAM_HEAD)
        for lot in _lots(script) if script.every else _prepared(script):
            connection.write(lot)


def _lots(script: Script) -> Iterator[bytes]:
    chunks = (b"%x\r\n%s\r\n" % (len(event), event) for event in events(script))
    while True:
        lot = b"".join(itertools.islice(chunks, 1 if script.every else _LOT))
        if not lot:
            break
        yield lot
    yield b"0\r\n\r\n"


@functools.lru_cache(maxsize=4)  # long ones take much memory
def _prepared(script: Script) -> List[bytes]:
    return list(_lots(script))


@contextlib.contextmanager
def running() -> Iterator[Dict[str, str]]:
    """Start a Space for each shape; their addresses."""
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()  # which ends it
        process.wait()


def connections(url: str) -> int:
    """How many TCP connections the server has taken so far, this one included."""
    return int(requests.get(f"{url}/connections", timeout=10).json())


def main() -> None:
    servers = {shape: Replay(shape).server for shape in SHAPES}
    print(json.dumps({shape: server.start() for shape, server in servers.items()}), flush=True)
    sys.stdin.read()
    for server in servers.values():
        server.close()


if __name__ == "__main__":
    main()
