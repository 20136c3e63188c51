"""What an answer is written on: standard output, as bare text or as rendered Markdown."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Optional, Type, Union

from .. import Stream
from ..display.control_characters import escape_controls
from .terminal import is_terminal, obeys, say
from .waiting import Waiting

if TYPE_CHECKING:
    from .page import Page


class Plain:
    """Bare text, byte for byte, and a final newline; made harmless on a terminal."""

    def __init__(self) -> None:
        self._clean = escape_controls if is_terminal(sys.stdout) else str
        self._begun = False
        self._wrong = False

    def write(self, piece: str) -> None:
        """Add a piece."""
        self._begun = True
        sys.stdout.write(self._clean(piece))
        sys.stdout.flush()

    def correct(self, piece: str, text: str) -> None:
        """Add a piece to an answer that was rewritten: this paper cannot be erased."""
        self.write(piece)
        self._wrong = True

    def __enter__(self) -> Plain:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if self._begun or kind is None:
            sys.stdout.write("\n")
            sys.stdout.flush()
        if self._wrong:
            say(
                "qwen25: The Space rewrote what is printed above while it was printed."
                " `qwen25 ask --no-stream` waits for the last word."
            )


Paper = Union[Plain, "Page"]


def paper(plain: bool) -> Paper:
    """The paper for the standard output of this process."""
    encoding = (sys.stdout.encoding or "").lower()
    bare = plain or os.environ.get("NO_COLOR") or not obeys(sys.stdout)
    # Markdown is rendered with bullets and lines that other encodings lack.
    if bare or not encoding.startswith("utf"):
        return Plain()
    try:
        from .page import Page
    except ImportError:  # the extra `cli` is not installed, or rich is too old
        return Plain()
    return Page()


def write(stream: Stream, paper: Paper, waiting: Waiting) -> None:
    """Write an answer while it comes; an error or Ctrl-C on the way makes the Space stop."""
    # The line is gone before anything else happens, however this ends.
    with stream, paper, waiting:
        for piece in stream:
            waiting.clear()
            if stream.rewritten:
                paper.correct(piece, stream.text)
            else:
                paper.write(piece)
        if stream.rewritten:
            paper.correct("", stream.text)
