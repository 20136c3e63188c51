"""`qwen25 status`: is the Space up, and how would it be asked."""

from __future__ import annotations

import argparse
import platform
import time
from typing import Callable, List, Optional, TypeVar

from .. import QwenError, Space, TimedOutError, Timeout
from .failure import report
from .options import add_space_options, client_of
from .terminal import print_line

_T = TypeVar("_T")

#: Seconds for one look, unless `--timeout` says otherwise.
_PATIENCE = 30.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_space_options(parser)
    parser.add_argument(
        "--report",
        action="store_true",
        help="print what a bug report needs: versions, and the app's functions; no secret",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what is known of each Space; the exit code is 0 when one of them is up."""
    seconds = _PATIENCE if arguments.timeout is None else arguments.timeout
    # The state of a sleeping Space is the answer: do not wait until it is up.
    limits = Timeout(total=seconds, wake=0.001)
    if arguments.report:
        _show_versions()
    codes: List[int] = []
    with client_of(arguments, timeout=limits) as client:
        for space in client.spaces:
            if codes:
                print_line("")
            try:
                _report(space) if arguments.report else _show(space)
                codes.append(0)
            except QwenError as error:
                if len(client.spaces) == 1:
                    raise
                codes.append(report(error, arguments.verbose))
    return min(codes)


def _show(space: Space) -> None:
    print_line(f"Space     {f'{space.id} at ' if space.id else ''}{space.url}")
    began = time.monotonic()
    try:
        plan = space.plan
    except TimedOutError as error:
        if error.phase == "wake" and error.__cause__ is not None:
            raise error.__cause__  # says in which stage the Space is
        raise
    print_line(f"State     up, answered in {time.monotonic() - began:.2f} s")
    print_line(f"Gradio    {plan.version}, protocol {plan.protocol}")
    for line in plan.describe():
        print_line(line)
    waiting = _unless_refused(space.queue_size)
    print_line(
        f"Queue     {'the Space does not tell' if waiting is None else f'{waiting} waiting'}"
    )
    quota = _unless_refused(space.quota)
    if quota is not None:
        again = "" if quota.resets_at is None else f", whole again at {quota.resets_at}"
        print_line(f"Quota     {quota.left:g} of {quota.base:g} s of ZeroGPU left{again}")


def _show_versions() -> None:
    from importlib import metadata

    print_line(f"Python    {platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in ("qwen25", "requests", "urllib3", "sseclient-py"):
        try:
            found = metadata.version(package)
        except metadata.PackageNotFoundError:
            found = "not installed"
        print_line(f"Package   {package} {found}")


def _report(space: Space) -> None:
    print_line(f"Space     {f'{space.id} at ' if space.id else ''}{space.url}")
    for line in space.report():
        print_line(line)


def _unless_refused(ask: Callable[[], Optional[_T]]) -> Optional[_T]:
    """What is told; `None` otherwise, since a Space that is up and does not tell is still up."""
    try:
        return ask()
    except QwenError:
        return None
