"""`qwen25 batch`: asks each line of a file, and writes the answers to another file."""

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
        help="lines of text, or of JSON with prompt or messages, and optionally id, model and"
        " system; - is standard input",
    )
    parser.add_argument(
        "output",
        metavar="OUT",
        help="gets a line of JSON for each answer; what it holds already is not asked again",
    )
    parser.add_argument(
        "-w",
        "--workers",
        metavar="N",
        type=int,
        default=4,
        help="prompts in flight at once (default: 4)",
    )
    parser.add_argument("--limit", metavar="N", type=int, help="ask at most N prompts in this run")
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="ask again the prompts that failed in earlier runs",
    )
    add_model_options(parser)
    add_space_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask, and write the answers. Ctrl-C ends it when the answers in hand are written."""
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
            raise  # of standard input or output: the same message for every command
        print_message(f"qwen25: {error.strerror}: {error.filename}")
        if error.filename != arguments.input:
            print_message(
                "All lines in the file are complete. Make room or correct the path, and run the"
                " same command again."
            )
        return FAILED


def _run(batch: Batch) -> int:
    with _finishing_at_interrupt(batch) as interrupted:
        # After the second Ctrl-C, the next run asks again what was in hand.
        with contextlib.suppress(KeyboardInterrupt), _progress() as show:
            for summary in batch.each():
                show(summary)
    summary = batch.summary()
    print_message(_closing_words(summary))
    if interrupted():
        again = " ".join(map(shlex.quote, ["qwen25", *sys.argv[1:]]))
        print_message(f"Interrupted. To continue, run the same command again: {again}")
        return INTERRUPTED
    return FAILED if summary.failed or summary.failed_before else 0


@contextlib.contextmanager
def _finishing_at_interrupt(batch: Batch) -> Iterator[Callable[[], bool]]:
    """At the first Ctrl-C finish what is in hand, at the second stop at once."""
    seen = False

    def handle(number: int, frame: Optional[FrameType]) -> None:
        nonlocal seen
        seen = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        batch.finish()
        if batch.in_hand:
            # Not through sys.stderr: the signal may have interrupted a write to it.
            words = f"\nFinishing {batch.in_hand} in hand; Ctrl-C again stops at once.\n"
            with contextlib.suppress(OSError):
                os.write(2, words.encode())
        if batch.reading:
            raise KeyboardInterrupt  # the next line of the input may never come

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: seen
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[Summary], object]]:
    """A function to call with each summary: it draws a bar on a terminal, and nothing elsewhere."""
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
        words += f". The last error: {' '.join(summary.last_error.split()).rstrip('.')}"
    if summary.failed or summary.failed_before:
        words += ". --retry-failed asks the failed ones again"
    return f"{words}."


def _time(seconds: float) -> str:
    """Seconds as a short text, such as `2.5 s` or `1:05:00`."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
