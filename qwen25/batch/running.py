"""A batch: reads prompts from one file and writes the answers to another."""

from __future__ import annotations

import contextlib
import html
import itertools
import sys
import time
from concurrent.futures import Executor
from typing import Any, Dict, Generator, Iterator, List, NamedTuple, Optional, Union

from ..client import arguments
from ..client.client import Client
from ..client.map import MapRun
from ..client.worker import Request
from ..control_characters import escape_controls
from ..errors import InvalidRequestError, QwenError, describe
from ..files import Path
from ..timeouts import Timeout
from .input import Entry, Lines
from .journal import Journal


class Summary(NamedTuple):
    """The progress of a batch, or its result; a notebook shows it as a table."""

    #: The file with the answers.
    out: str
    #: How many prompts were answered in this run, and how many failed.
    answered: int
    failed: int
    #: How many answers and failures the file held when the run began.
    answered_before: int
    failed_before: int
    #: How long the run has taken.
    seconds: float
    #: The fraction of all prompts that is done, from 0 to 1; `None` if it cannot be known.
    share: Optional[float]
    #: The estimated seconds until the end; `None` if they cannot be known.
    left: Optional[float]
    #: Seconds that a prompt waits at present until the Space starts to work on it.
    queue_wait: float
    #: The last error of this run, as it stands in the file; `None` if nothing failed.
    last_error: Optional[str]

    @property
    def rate(self) -> float:
        """Prompts per second in this run."""
        return (self.answered + self.failed) / self.seconds if self.seconds else 0.0

    def _repr_html_(self) -> str:
        rows = [
            ("Answered", f"{self.answered:,}"),
            ("Failed", f"{self.failed:,}"),
            ("Answered in earlier runs", f"{self.answered_before:,}"),
            ("Failed in earlier runs", f"{self.failed_before:,}"),
            ("Seconds", f"{self.seconds:,.1f}"),
            ("Prompts per second", f"{self.rate:,.2f}"),
            ("Last error", _html(self.last_error or "none")),
            ("File", _html(self.out)),
        ]
        cells = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
        return f"<table>{cells}</table>"


class Batch:
    """One run of a batch, in steps; `run` does all of it in one call.

    Making one opens both files and reads `out`. It is a context manager, which closes them. The
    arguments and the errors are those of `run`.
    """

    def __init__(
        self,
        source: Path,
        out: Path,
        *,
        client: Client,
        workers: int = 4,
        executor: Optional[Executor] = None,
        timeout: Union[None, float, Timeout] = None,
        limit: Optional[int] = None,
        retry_failed: bool = False,
    ) -> None:
        if not isinstance(client, Client):
            raise InvalidRequestError(f"client={describe(client)} is not a Client.")
        if limit is not None:
            arguments.count("limit", limit, 1, "prompts", most=sys.maxsize)
        arguments.flag("retry_failed", retry_failed)
        #: Whether it waits for a line of the input at this moment.
        self.reading = False
        self._limit = limit
        self._finishing = False
        self._in_hand: Dict[int, Entry] = {}  # by their places among the prompts of this run
        self._answered = self._failed = 0
        self._last_error: Optional[str] = None
        self._start = time.monotonic()
        self._read_before = 0
        self._run = MapRun(
            client,
            self._requests(),
            workers=workers,
            executor=executor,
            timeout=timeout,
            ordered=False,
        )
        self._lines = Lines(source)
        try:
            self._journal = Journal(out, retry_failed=retry_failed)
        except BaseException:
            self._lines.close()
            raise
        self._before = (self._journal.answered, self._journal.failed)

    def each(self) -> Generator[Summary, None, None]:
        """Ask, and write each answer to the file; yields the progress after each."""
        with contextlib.closing(self._run.each()) as answers:
            for answer in answers:
                entry = self._in_hand.pop(answer.index)
                said = {"text": answer.text} if answer.error is None else _failure(answer.error)
                said["space"] = answer.space
                self._write(entry, said, round(answer.seconds, 3), answer.attempts)
                yield self.summary()

    def finish(self) -> None:
        """Finish the lines in hand, and take no others. A signal handler may call it."""
        self._finishing = True
        self._run.finish()

    @property
    def in_hand(self) -> int:
        """How many lines were taken whose answers are not written yet."""
        return len(self._in_hand)

    def summary(self) -> Summary:
        """The progress so far."""
        seconds = time.monotonic() - self._start
        share, part = None, 0.0  # of all, and of what this run has to do
        written = self._answered + self._failed
        if self._limit is not None:
            share = part = written / self._limit
        elif self._lines.size:
            before, size = self._read_before, self._lines.size
            # Lines in hand are read, and not done.
            taken = written + self.in_hand
            done = written / taken if taken else 1.0
            part = done * ((self._lines.read - before) / (size - before) if size > before else 1.0)
            share = (before + part * (size - before)) / size
        return Summary(
            self._journal.path,
            self._answered,
            self._failed,
            *self._before,
            seconds,
            share,
            seconds / part - seconds if part else None,
            self._run.queue_wait,
            self._last_error,
        )

    def close(self) -> None:
        """Close both files. Closing twice is fine."""
        self._lines.close()
        self._journal.close()

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _requests(self) -> Iterator[Request]:
        entries = self._entries()
        missing = self._compare(entries)
        todo = itertools.islice(itertools.chain(missing, entries), self._limit)
        asked = 0
        for entry in todo:
            if isinstance(entry.request, QwenError):
                self._write(entry, _failure(entry.request), 0.0, 0)
                continue
            self._in_hand[asked] = entry
            asked += 1
            yield entry.request

    def _compare(self, entries: Iterator[Entry]) -> List[Entry]:
        """Make sure that the output file belongs to the input, before anything is asked.

        Returns the entries without an answer that come before the last one with an answer.
        """
        missing = []
        for _ in range(self._journal.end):
            entry = next(entries, None)
            if entry is None:
                if self._finishing:
                    return []
                raise self._journal.foreign("the input has fewer prompts than it has answers")
            if not self._journal.has(entry):
                missing.append(entry)
        self._journal.forget_failed()
        self._before = (self._journal.answered, self._journal.failed)
        self._start = time.monotonic()
        self._read_before = self._lines.read
        return missing

    def _entries(self) -> Iterator[Entry]:
        lines = iter(self._lines)
        while not self._finishing:
            try:
                self.reading = True
                entry = next(lines, None)
                # Inside the `try`: until here a signal handler may raise KeyboardInterrupt.
                self.reading = False
            except KeyboardInterrupt:
                self.reading = False
                if self._finishing:
                    return
                raise
            if entry is None:
                return
            yield entry

    def _write(self, entry: Entry, said: Dict[str, Any], seconds: float, attempts: int) -> None:
        self._journal.write(entry, {**said, "seconds": seconds, "attempts": attempts})
        self._answered += "error" not in said
        self._failed += "error" in said
        self._last_error = said.get("error", self._last_error)


def _html(text: str) -> str:
    return html.escape(escape_controls(text))


def _failure(error: QwenError) -> Dict[str, Any]:
    return {"error": f"{type(error).__name__}: {error}"}


def run(
    source: Path,
    out: Path,
    *,
    client: Optional[Client] = None,
    workers: int = 4,
    executor: Optional[Executor] = None,
    timeout: Union[None, float, Timeout] = None,
    limit: Optional[int] = None,
    retry_failed: bool = False,
) -> Summary:
    """Ask each line of a file, and write the answers to another file.

    After an interruption the same call continues: what `out` holds is not asked again.

    Args:
        source: The input: lines of text, or of JSON with `prompt` or `messages`, and optionally
            `id`, `model` and `system`; in UTF-8. `-` is standard input.
        out: The output: for each answer a line of JSON with `index`, `id`, `text` or `error`,
            `space`, `seconds`, `attempts`, and a `digest` of the input line.
        client: The client that asks; default `Client()`.
        workers: The highest number of prompts in flight at once.
        executor: Where the workers run, as for `Client.map`.
        timeout: Seconds for each answer, or a `Timeout`; default the client's.
        limit: The highest number of prompts that this run asks; default all.
        retry_failed: Whether to ask again the prompts that failed in earlier runs.

    Raises:
        InvalidRequestError: `out` belongs to another input, another run is writing to it, the
            input is not UTF-8, or an argument is invalid.
        OSError: A file cannot be read or written; what was written stays valid.
    """
    with contextlib.ExitStack() as stack:
        if client is None:
            client = stack.enter_context(Client())
        batch = Batch(
            source,
            out,
            client=client,
            workers=workers,
            executor=executor,
            timeout=timeout,
            limit=limit,
            retry_failed=retry_failed,
        )
        with batch:
            for _ in batch.each():
                pass
            return batch.summary()
