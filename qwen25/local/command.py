"""The local Space at the command line: `qwen25 serve`, and one question to a Space of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType
from typing import Iterator, Optional

from ..errors import QwenError
from .space import serve

_STARTING = "Starting a local Space (loading the model, importing Gradio): some ten seconds ..."


def serve_until_interrupted(
    gguf: Optional[str] = None,
    model: Optional[str] = None,
    host: str = "127.0.0.1",
    port: Optional[int] = None,
) -> int:
    """Run a local Space until Ctrl-C or SIGTERM.

    The exit code is 130 after Ctrl-C, 143 after SIGTERM, and 1 when the Space cannot start.
    """
    try:
        with _stopped_by_signals():
            _say(_STARTING)
            with serve(gguf, model=model, host=host, port=port) as space:
                _say(f"{space.description}, answers at {space.url} (Ctrl-C ends it)")
                space.wait()
    except QwenError as error:
        return _failed(error)
    except _Stopped as stopped:
        return stopped.exit_code
    return 0


def ask_once(prompt: str) -> int:
    """Start a local Space, ask it one question through the client, and stop it.

    The answer goes to standard output as it comes, all else to standard error. The exit code is 0,
    1 when something failed, 130 after Ctrl-C, or 143 after SIGTERM.
    """
    from .. import Client

    try:
        with _stopped_by_signals():
            _say(_STARTING)
            with serve() as space, Client(space.url) as client:
                _say(f"{space.description}, answers at {space.url}")
                with client.stream(prompt) as stream:
                    for piece in stream:
                        print(piece, end="", flush=True)
                print()
    except QwenError as error:
        return _failed(error)
    except _Stopped as stopped:
        return stopped.exit_code
    return 0


class _Stopped(KeyboardInterrupt):
    """A signal asked for the end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Raise `_Stopped` at the first Ctrl-C or SIGTERM, and leave the process at the second."""

    def stop(number: int, frame: Optional[FrameType]) -> None:
        for other in before:
            signal.signal(other, leave)
        raise _Stopped(number)

    def leave(number: int, frame: Optional[FrameType]) -> None:
        # llama.cpp aborts the process when Python ends while one of its threads is writing, and
        # the user does not want to wait for it any longer.
        os._exit(128 + number)

    before = {
        number: signal.signal(number, stop)
        for number in (signal.SIGINT, signal.SIGTERM)
        # A shell starts what is in its background with Ctrl-C ignored.
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _failed(error: QwenError) -> int:
    _say(f"qwen25: {error}")
    return 1
