"""`qwen25 status`: is the Space up, and how would it be asked."""

from __future__ import annotations

import argparse
import time
from typing import Optional

from .. import Client, QwenError, TimedOutError, Timeout
from .options import add_space_options, client_of
from .terminal import print_line

#: Seconds for one look, unless `--timeout` says otherwise.
_PATIENCE = 30.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_space_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what is known of the Space."""
    seconds = _PATIENCE if arguments.timeout is None else arguments.timeout
    # The state of a sleeping Space is the answer: do not wait until it is up.
    limits = Timeout(total=seconds, wake=0.001)
    with client_of(arguments, timeout=limits) as client:
        name = f"{client.space.id} at " if client.space.id else ""
        print_line(f"Space     {name}{client.space.url}")
        began = time.monotonic()
        try:
            plan = client.space.plan
        except TimedOutError as error:
            if error.phase == "wake" and error.__cause__ is not None:
                raise error.__cause__  # says in which stage the Space is
            raise
        print_line(f"State     up, answered in {time.monotonic() - began:.2f} s")
        print_line(f"Gradio    {plan.version}, protocol {plan.protocol}")
        for line in plan.describe():
            print_line(line)
        waiting = _waiting(client)
        print_line(
            f"Queue     {'the Space does not tell' if waiting is None else f'{waiting} waiting'}"
        )
    return 0


def _waiting(client: Client) -> Optional[int]:
    """How many requests wait in the Space's queue, as every Gradio since 4 tells."""
    try:
        return client.space.queue_size()
    except QwenError:
        return None  # a Space that is up and does not tell is still up
