"""The line that a person sees until the answer begins."""

from __future__ import annotations

import shutil
import sys

from ..display.status import status_text
from ..events import Event, Note
from .terminal import print_notice, supports_escapes, truncate, write_stderr

_ERASE = "\r\x1b[K"


class StatusLine:
    """One line on standard error, replaced at each event; only on a terminal.

    A context manager: the line is erased at the end of the block.
    """

    def __init__(self, first: str, *, shown: bool) -> None:
        self._shown = shown and supports_escapes(sys.stderr)
        self._visible = False
        self._show(first)

    def update(self, event: Event) -> None:
        """Show an event; for `on_event`."""
        if isinstance(event, Note) and event.level != "info":
            # A warning of the app stays true when the answer comes.
            self.clear()
            print_notice(f"{event.level}: {status_text(event)}")
        else:
            self._show(status_text(event))

    def clear(self) -> None:
        """Erase the line."""
        if self._visible:
            write_stderr(_ERASE)
            self._visible = False

    def _show(self, text: str) -> None:
        if self._shown:
            # A line as wide as the terminal would wrap, and only its end could be erased.
            columns = shutil.get_terminal_size().columns - 1
            write_stderr(_ERASE + truncate(text, columns))
            self._visible = True

    def __enter__(self) -> StatusLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()
