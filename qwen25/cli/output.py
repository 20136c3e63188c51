"""Standard output for an answer: as plain text, or as rendered Markdown."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Optional, Type, Union

from .. import Stream
from ..control_characters import escape_controls
from .status_line import StatusLine
from .terminal import is_terminal, print_message, supports_escapes

if TYPE_CHECKING:
    from .live_markdown import LiveMarkdown


class PlainOutput:
    """The text, byte for byte, and a final newline; on a terminal without control characters."""

    def __init__(self) -> None:
        self._clean = escape_controls if is_terminal(sys.stdout) else str
        self._begun = False
        self._rewritten = False

    def write(self, piece: str) -> None:
        """Add a piece."""
        self._begun = True
        sys.stdout.write(self._clean(piece))
        sys.stdout.flush()

    def rewrite(self, piece: str, text: str) -> None:
        """Add a piece to an answer that was rewritten; what is written cannot be taken back."""
        self.write(piece)
        self._rewritten = True

    def __enter__(self) -> PlainOutput:
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
        if self._rewritten:
            print_message(
                "qwen25: The Space rewrote its answer while it was printed above."
                " `qwen25 ask --no-stream` waits for the final text."
            )


Output = Union[PlainOutput, "LiveMarkdown"]


def output_for(plain: bool) -> Output:
    """The output for the standard output of this process."""
    encoding = (sys.stdout.encoding or "").lower()
    bare = plain or os.environ.get("NO_COLOR") or not supports_escapes(sys.stdout)
    # Rendered Markdown has bullets and lines, which other encodings lack.
    if bare or not encoding.startswith("utf"):
        return PlainOutput()
    try:
        from .live_markdown import LiveMarkdown
    except ImportError:  # the extra `cli` is not installed, or rich is too old
        return PlainOutput()
    return LiveMarkdown()


def write_answer(stream: Stream, output: Output, status: StatusLine) -> None:
    """Write an answer as it comes; after an error or Ctrl-C the Space stops writing."""
    # The status line is erased first, however this ends.
    with stream, output, status:
        for piece in stream:
            status.clear()
            if stream.rewritten:
                output.rewrite(piece, stream.text)
            else:
                output.write(piece)
        if stream.rewritten:
            output.rewrite("", stream.text)
