"""`qwen25 batch`: every line of a file, every answer into another."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import sys
from types import FrameType
from typing import Any, Callable, Iterator, Optional

from ..batch.running import Batch, Summary
from .failure import FAILED, INTERRUPTED
from .options import add_model_options, add_space_options, client_of
from .terminal import is_terminal, print_message, supports_escapes, truncate, write_stderr

_ERASE = "\r\x1b[K"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "input",
        metavar="IN",
        help="lines of text, or of JSON with prompt or messages and, if need be, id, model and"
        " system; - is standard input",
    )
    parser.add_argument(
        "output",
        metavar="OUT",
        help="a line of JSON for each answer; what it holds already is not asked again",
    )
    parser.add_argument(
        "-w", "--workers", metavar="N", type=int, default=4, help="ask so many at once (default: 4)"
    )
    parser.add_argument("--limit", metavar="N", type=int, help="ask so many in this run, at most")
    parser.add_argument(
        "--retry-failed", action="store_true", help="ask those anew that failed in earlier runs"
    )
    add_model_options(parser)
    add_space_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask, and write the answers; Ctrl-C ends it when the answers in hand are written."""
    try:
        with client_of(arguments, model=arguments.model, system=arguments.system) as client, Batch(
            arguments.input,
            arguments.output,
            client=client,
            workers=arguments.workers,
            limit=arguments.limit,
            retry_failed=arguments.retry_failed,
        ) as batch:
            return _run(batch)
    except OSError as error:
        if error.filename is None or isinstance(error, BrokenPipeError):
            raise  # of standard input or output, which every command tells in the same way
        print_message(f"qwen25: {error.strerror}: {error.filename}")
        if error.filename != arguments.input:
            print_message(
                "What was written is whole. Make room or correct the path, and run the same again."
            )
        return FAILED


def _run(batch: Batch) -> int:
    with _finishing_at_interrupt(batch) as interrupted:
        # The second Ctrl-C: what was in hand is asked again by the next run.
        with contextlib.suppress(KeyboardInterrupt), _progress() as show:
            for summary in batch.each():
                show(summary)
    summary = batch.summary()
    print_message(_closing_words(summary))
    if interrupted():
        again = " ".join(map(shlex.quote, ["qwen25", *sys.argv[1:]]))
        print_message(f"Interrupted. To go on, run the same again: {again}")
        return INTERRUPTED
    return FAILED if summary.failed or summary.failed_before else 0


@contextlib.contextmanager
def _finishing_at_interrupt(batch: Batch) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C lets the batch come to an end, the second stops it at once."""
    seen = False

    def handle(number: int, frame: Optional[FrameType]) -> None:
        nonlocal seen
        seen = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        batch.finish()
        if batch.in_hand:
            # Not through sys.stderr, in the midst of whose writing a signal may come.
            words = f"\nFinishing {batch.in_hand} in hand; Ctrl-C again leaves them.\n"
            with contextlib.suppress(OSError):
                os.write(2, words.encode())
        if batch.reading:
            raise KeyboardInterrupt  # it may be long until the next line comes

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: seen
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[Summary], object]]:
    """What is called with each summary: a bar on a terminal, nothing anywhere else."""
    if not is_terminal(sys.stderr):
        yield lambda summary: None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
    except ImportError:  # the extra `cli` is not installed
        yield _line
        if supports_escapes(sys.stderr):
            write_stderr(_ERASE)
        return
    columns: Any = [BarColumn(bar_width=None), TextColumn("{task.description}", markup=False)]
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        task = bar.add_task("", total=None)

        def show(summary: Summary) -> None:
            total = None if summary.share is None else 1.0
            bar.update(
                task, total=total, completed=summary.share or 0.0, description=_words(summary)
            )

        yield show


def _line(summary: Summary) -> None:
    if supports_escapes(sys.stderr):
        share = "" if summary.share is None else f"{summary.share:4.0%} "
        write_stderr(
            _ERASE + truncate(share + _words(summary), shutil.get_terminal_size().columns - 1)
        )


def _words(summary: Summary) -> str:
    done = summary.answered + summary.answered_before
    failed = summary.failed + summary.failed_before
    left = "" if summary.left is None else f", {_time(summary.left)} left"
    return (
        f"{done:,} done, {failed:,} failed, {summary.rate:.1f}/s{left},"
        f" queue {_time(summary.queue_wait)}"
    )


def _closing_words(summary: Summary) -> str:
    words = f"{summary.answered:,} answered, {summary.failed:,} failed"
    if summary.answered_before or summary.failed_before:
        words += f"; earlier {summary.answered_before:,} answered, {summary.failed_before:,} failed"
    if summary.last_error is not None:
        words += f". The last that failed: {' '.join(summary.last_error.split()).rstrip('.')}"
    if summary.failed or summary.failed_before:
        words += ". --retry-failed asks the failed ones again"
    return f"{words}."


def _time(seconds: float) -> str:
    """Seconds in few characters."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
