"""What a terminal may see, and who is looking at one."""

from __future__ import annotations

import os
import sys
import unicodedata
from typing import IO, Any, Optional

from ..display.control_characters import escape_controls


def is_terminal(stream: Optional[IO[Any]]) -> bool:
    """Whether somebody looks at the stream; one that is closed is `None` in `sys`."""
    return stream is not None and stream.isatty()


def obeys(stream: Optional[IO[Any]]) -> bool:
    """Whether the stream is a terminal that understands escape sequences."""
    kind = os.environ.get("TERM", "" if os.name == "posix" else "windows")
    return is_terminal(stream) and kind not in ("", "dumb", "unknown")


def put(line: str) -> None:
    """Write a line to standard output."""
    print(escape_controls(line) if is_terminal(sys.stdout) else line)


def say(text: str) -> None:
    """Write to standard error, where what a server has said stands too; made harmless anywhere."""
    write_error(escape_controls(text) + "\n")


def notice(text: str) -> None:
    """Say something to a person; a program that reads standard error does not get it."""
    if is_terminal(sys.stderr):
        say(text)


def write_error(text: str) -> None:
    """Write to standard error as it is; one that cannot be written to is no reason to fail."""
    if sys.stderr is not None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            pass


def fit(text: str, columns: int) -> str:
    """One line that is no wider than so many columns."""
    text = " ".join(escape_controls(text).split())
    width = 0
    for index, character in enumerate(text):
        width += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if width > columns:
            return text[:index]
    return text
