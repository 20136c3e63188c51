"""The local Space at the command line: `qwen25 serve`, and one question to a Space of its own."""

from __future__ import annotations

import sys
from typing import Optional

from ..errors import QwenError
from .space import serve


def serve_until_interrupted(
    gguf: Optional[str] = None,
    model: Optional[str] = None,
    host: str = "127.0.0.1",
    port: Optional[int] = None,
) -> int:
    """Run a local Space until Ctrl-C; the exit code is 130 then, and 1 when it cannot start."""
    try:
        _say("Starting a local Space: loading the model and importing Gradio, some ten seconds ...")
        with serve(gguf, model=model, host=host, port=port) as space:
            _say(f"{space.description}, answers at {space.url} (Ctrl-C ends it)")
            space.wait()
    except QwenError as error:
        return _failed(error)
    except KeyboardInterrupt:
        return 130
    return 0


def ask_once(prompt: str) -> int:
    """Start a local Space, ask it one question through the client, and stop it.

    The answer goes to standard output as it comes, all else to standard error. The exit code is 0,
    1 when something failed, or 130 after Ctrl-C.
    """
    from .. import Client

    try:
        _say("Starting a local Space: loading the model and importing Gradio, some ten seconds ...")
        with serve() as space, Client(space.url) as client:
            _say(f"{space.description}, answers at {space.url}")
            with client.stream(prompt) as stream:
                for piece in stream:
                    print(piece, end="", flush=True)
            print()
    except QwenError as error:
        return _failed(error)
    except KeyboardInterrupt:
        return 130
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _failed(error: QwenError) -> int:
    _say(f"qwen25: {error}")
    return 1
