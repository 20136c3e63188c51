"""`qwen25 ask`: one question, one answer."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any, Dict, List, Optional

from .. import Client, InvalidRequestError
from ..client.client import ask
from ..events import Event, Started
from .options import add_model_options, add_plain_option, add_space_options, client_of
from .output import output_for, write_answer
from .status_line import StatusLine
from .terminal import is_terminal


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "prompt",
        nargs="*",
        help="what to ask; text on standard input comes before it, and - is that text alone",
    )
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options alone."""
    add_model_options(parser)
    add_space_options(parser)
    parser.add_argument("--no-stream", action="store_true", help="wait for the whole answer")
    add_plain_option(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="one JSON object: text, model, space, event_id, seconds, queue_seconds",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the answer."""
    prompt = _prompt(arguments.prompt)
    with client_of(arguments, model=arguments.model, system=arguments.system) as client:
        with StatusLine(f"Asking {_name(client)}", shown=not arguments.verbose) as status:
            if arguments.json:
                answer = _timed(client, prompt, arguments.model, status)
                status.clear()
                # Without an argument this is printable ASCII: whole in every encoding, and
                # harmless on every terminal.
                print(json.dumps(answer))
            elif arguments.no_stream:
                text = client.complete(prompt, on_event=status.update)
                status.clear()
                with output_for(arguments.plain) as output:
                    output.write(text)
            else:
                write_answer(
                    client.stream(prompt, on_event=status.update),
                    output_for(arguments.plain),
                    status,
                )
    return 0


def _prompt(words: List[str]) -> str:
    # Bytes that are no text in this locale come as half characters, which no Space could read.
    prompt = " ".join(words).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    text = ""
    if words == ["-"] or not is_terminal(sys.stdin):
        text = sys.stdin.read().rstrip("\n") if sys.stdin is not None else ""
    if words == ["-"] or not words:
        prompt = text
    elif text:
        prompt = f"{text}\n\n{prompt}"
    if not prompt.strip():
        raise InvalidRequestError(
            "There is nothing to ask.",
            hint='Give a prompt: qwen25 "What is the capital of France?"',
        )
    return prompt


def _timed(client: Client, prompt: str, model: str, status: StatusLine) -> Dict[str, Any]:
    began = time.monotonic()
    started: Optional[float] = None

    def tell(event: Event) -> None:
        nonlocal started
        if isinstance(event, Started):
            started = time.monotonic()
        status.update(event)

    # A stream, since it has an event id; its pieces are not shown, so that it may start over.
    with ask(client, prompt, whole=True, on_event=tell) as stream:
        queued = time.monotonic()
        text = stream.result()
    return {
        "text": text,
        "model": next(each for each in client.spaces if each.name == stream.space).size(model),
        "space": stream.space,
        "event_id": stream.event_id,
        "seconds": round(time.monotonic() - began, 3),
        "queue_seconds": None if started is None else round(started - queued, 3),
    }


def _name(client: Client) -> str:
    return client.space.name
