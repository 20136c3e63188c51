"""What a terminal shows, for the few escape sequences that the command uses."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])|(.)", re.DOTALL)


class Screen:
    """A terminal of so many columns and lines, with all that has left it above.

    An escape sequence that it does not know fails the test: nothing else may reach a terminal.
    """

    def __init__(self, columns=80, lines=24):
        self._columns, self._height = columns, lines
        self._rows = [""]
        self._row = self._column = 0
        #: The styles that were set, such as `1` for bold.
        self.styles = set()

    def feed(self, text):
        """Show what was written; returns the lines that are there then."""
        for question, numbers, letter, character in _TOKEN.findall(text):
            if letter == "A":
                top = max(0, len(self._rows) - self._height)
                self._row = max(top, self._row - int(numbers))
            elif letter == "J" and not numbers:
                del self._rows[self._row + 1 :]
                self._rows[self._row] = self._rows[self._row][: self._column]
            elif letter == "K" and not numbers:
                self._rows[self._row] = self._rows[self._row][: self._column]
            elif letter == "K" and numbers == "2":
                self._rows[self._row] = ""
            elif letter == "m":
                self.styles.update(numbers.split(";"))
            elif question and numbers == "2004":
                pass  # readline tells the terminal how to paste
            elif letter:
                raise AssertionError(f"ESC [ {numbers} {letter}")
            else:
                self._put(character)
        return [row.rstrip() for row in self._rows]

    def _put(self, character):
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._column = 0
            self._down()
        else:
            assert character.isprintable(), ascii(character)
            if self._column == self._columns:
                self._column = 0
                self._down()
            row = self._rows[self._row].ljust(self._column)
            self._rows[self._row] = row[: self._column] + character + row[self._column + 1 :]
            self._column += 1

    def _down(self):
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append("")
