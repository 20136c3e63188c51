"""A batch, from the file that asks to the file that is answered into."""

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
from ..errors import InvalidRequestError, QwenError, describe
from ..files import Path
from ..timeouts import Timeout
from .input import Entry, Lines
from .journal import Journal


class Summary(NamedTuple):
    """How far a batch is, or what came of it; shows itself as a table in a notebook."""

    #: The file with the answers.
    out: str
    #: How many prompts this run has had an answer for, and how many failed in it.
    answered: int
    failed: int
    #: How many the file held answers for, and failures, when the run began.
    answered_before: int
    failed_before: int
    #: How long the run has taken.
    seconds: float
    #: Which part of all prompts is done, from 0 to 1; `None` when nobody can know.
    share: Optional[float]
    #: Seconds until the end, as they may be expected; `None` when nobody can know.
    left: Optional[float]
    #: Seconds that a prompt waits at present before a worker of the Space begins with it.
    queue_wait: float
    #: The newest error of this run, as the file has it; `None` when nothing failed in it.
    last_error: Optional[str]

    @property
    def rate(self) -> float:
        """How many prompts this run did in a second."""
        return (self.answered + self.failed) / self.seconds if self.seconds else 0.0

    def _repr_html_(self) -> str:
        rows = [
            ("Answered", f"{self.answered:,}"),
            ("Failed", f"{self.failed:,}"),
            ("Answered in earlier runs", f"{self.answered_before:,}"),
            ("Failed in earlier runs", f"{self.failed_before:,}"),
            ("Seconds", f"{self.seconds:,.1f}"),
            ("Prompts a second", f"{self.rate:,.2f}"),
            ("Last error", html.escape(self.last_error or "none")),
            ("File", html.escape(self.out)),
        ]
        cells = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
        return f"<table>{cells}</table>"


class Batch:
    """One run of a batch; `run` is all of it in one call.

    Opening it reads what `out` holds. A context manager.
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
        #: Whether it waits for a line of the input just now.
        self.reading = False
        self._limit = limit
        self._finishing = False
        self._in_hand: Dict[int, Entry] = {}  # by their places among what this run asks
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
        """Ask, and write down each answer; tells after each how far it is."""
        with contextlib.closing(self._run.each()) as answers:
            for answer in answers:
                entry = self._in_hand.pop(answer.index)
                said = {"text": answer.text} if answer.error is None else _failure(answer.error)
                self._write(entry, said, round(answer.seconds, 3), answer.attempts)
                yield self.summary()

    def finish(self) -> None:
        """Bring the lines in hand to their end, and take no others; may be called by a signal."""
        self._finishing = True
        self._run.finish()

    @property
    def in_hand(self) -> int:
        """How many lines were taken and are not written down yet."""
        return len(self._in_hand)

    def summary(self) -> Summary:
        """How far it is."""
        seconds = time.monotonic() - self._start
        share, part = None, 0.0  # of all, and of what this run has to do
        if self._limit is not None:
            share = part = (self._answered + self._failed) / self._limit
        elif self._lines.size:
            share = self._lines.read / self._lines.size
            rest = self._lines.size - self._read_before
            part = (self._lines.read - self._read_before) / rest if rest else 1.0
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
        """Make sure that the journal belongs to the input, before anything is asked.

        Returns the entries that it has no answers for among those it has.
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
    """Ask every line of a file, and write every answer into another; go on where that was ended.

    Args:
        source: The file to ask: lines of text, or of JSON with `prompt` or `messages` and, if need
            be, `id`, `model` and `system`; `-` is standard input.
        out: The file to write: a line of JSON an answer, with `index`, `id`, `text` or `error`,
            `seconds`, `attempts`, and a `digest` of the line that was asked. What it holds already
            is not asked again.
        client: Who asks; default `Client()`.
        workers: How many prompts are on their way at once, at most.
        executor: Where the workers are, as for `Client.map`.
        timeout: Seconds for each answer, or a `Timeout`; default the client's.
        limit: How many prompts this run asks, at most; default all.
        retry_failed: Whether to ask those anew that failed in earlier runs.

    Raises:
        InvalidRequestError: `out` belongs to another input or another run is writing to it, or an
            argument is invalid.
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
