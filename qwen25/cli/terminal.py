"""Writing to a terminal, and what kind of terminal it is."""

from __future__ import annotations

import os
import sys
import unicodedata
from typing import IO, Any, Optional

from ..control_characters import escape_controls


def is_terminal(stream: Optional[IO[Any]]) -> bool:
    """Whether the stream is a terminal; `sys` has `None` for a closed one."""
    return stream is not None and stream.isatty()


def supports_escapes(stream: Optional[IO[Any]]) -> bool:
    """Whether the stream is a terminal that understands escape sequences."""
    kind = os.environ.get("TERM", "" if os.name == "posix" else "windows")
    return is_terminal(stream) and kind not in ("", "dumb", "unknown")


def print_line(line: str) -> None:
    """Write a line to standard output; on a terminal without control characters."""
    print(escape_controls(line) if is_terminal(sys.stdout) else line)


def print_message(text: str) -> None:
    """Write a line to standard error, without control characters: it may quote a server."""
    write_stderr(escape_controls(text) + "\n")


def print_notice(text: str) -> None:
    """Write a line to standard error if it is a terminal: for a person, not for a program."""
    if is_terminal(sys.stderr):
        print_message(text)


def write_stderr(text: str) -> None:
    """Write to standard error as it is; a closed or full one is ignored."""
    if sys.stderr is not None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            pass


def truncate(text: str, columns: int) -> str:
    """The text as one line, cut off at a number of columns."""
    text = " ".join(escape_controls(text).split())
    width = 0
    for index, character in enumerate(text):
        width += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if width > columns:
            return text[:index]
    return text
