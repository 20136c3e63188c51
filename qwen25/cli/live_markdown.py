"""An answer on a terminal, rendered as Markdown while it is written; needs rich."""

from __future__ import annotations

import re
import sys
from typing import List, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.cells import cell_len
from rich.console import Console
from rich.markdown import Markdown
from rich.segment import Segment, SegmentLines

from ..control_characters import escape_controls
from ..display.live import LiveUpdater

if "table_open" not in Markdown.elements:
    raise ImportError("this version of rich leaves out tables")

#: Seconds between two updates, at least.
_EVERY = 0.05
_STYLING = re.compile(r"\x1b\[[0-9;]*m")


class LiveMarkdown:
    """Markdown that is updated as it grows.

    Only changed lines are written again, all at once, so that nothing flickers. A line that has
    left the screen is never written again, so that nothing is there twice.
    """

    def __init__(self) -> None:
        # Without HTML, which rich leaves out, and without link definitions, which would be
        # hidden and come too late for finished blocks.
        self._parser = MarkdownIt("commonmark", {"html": False})
        self._parser.enable(["table", "strikethrough"]).disable("reference")
        self._console = Console(file=sys.stdout)
        self._width = self._console.width
        self._pieces: List[str] = []
        self._fixed = ""  # the finished blocks, which are not parsed again
        self._drawn: List[str] = []  # the lines below them, as they are on the screen
        # Rendering a block of a thousand lines takes long.
        self._updater = LiveUpdater(self._update, every=_EVERY, share=2)

    def write(self, piece: str) -> None:
        """Add a piece."""
        self._pieces.append(piece)
        self._updater.changed()

    def rewrite(self, piece: str, text: str) -> None:
        """Replace all that was written by this text, the new piece included."""
        self._pieces = [text]
        self._updater.changed()

    def __enter__(self) -> LiveMarkdown:
        self._updater.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._updater.__exit__()

    def _update(self) -> None:
        text = escape_controls("".join(self._pieces))
        if not text.startswith(self._fixed):
            # A finished block was rewritten. It may have left the screen: start again below it.
            self._fixed, self._drawn = "", []
        live = text[len(self._fixed) :]
        lines: List[str] = []
        finished = at = 0
        complete_lines = live.count("\n")
        for block in _blocks(self._parser.parse(live)):
            if lines:
                lines.append("")
                # A line that is not complete may still become part of the block before it.
                if block.line < complete_lines:
                    finished, at = len(lines), block.line
            lines += self._rendered(block.tokens)
        self._draw(lines)
        if finished:
            self._fixed += "".join(f"{line}\n" for line in live.split("\n")[:at])
            del self._drawn[:finished]

    def _rendered(self, tokens: List[Token]) -> List[str]:
        """A block as lines for the terminal."""
        # A link shows its target: a name alone can lie about it.
        markdown = Markdown("", hyperlinks=False)
        markdown.parsed = tokens
        # Once more, since Markdown can write a character as a reference: &#8238;
        lines = [
            _trimmed([Segment(escape_controls(part.text), part.style) for part in line])
            for line in self._console.render_lines(markdown, pad=False)
        ]
        with self._console.capture() as capture:
            self._console.print(SegmentLines(lines, new_lines=True), end="")
        return capture.get().strip("\n").split("\n")

    def _draw(self, lines: List[str]) -> None:
        """Change the screen from the lines that are there to these."""
        width, height = self._console.size
        out = ""
        if width != self._width and self._drawn:
            # The terminal has wrapped the lines in another way: write all of them again.
            rows = sum(
                max(1, -(-cell_len(_STYLING.sub("", line)) // width)) for line in self._drawn
            )
            out = f"\x1b[{min(rows, height - 1)}A\x1b[J"
            self._drawn = []
        self._width = width
        drawn = self._drawn
        first = 0
        while first < min(len(lines), len(drawn)) and lines[first] == drawn[first]:
            first += 1
        if first < max(len(lines), len(drawn)):
            first = max(first, len(drawn) - (height - 1))
            if first < len(drawn):
                out += f"\x1b[{len(drawn) - first}A"
            out += "".join(f"\x1b[2K{line}\n" for line in lines[first:]) + "\x1b[J"
            self._drawn = drawn[:first] + lines[first:]
        if out:
            sys.stdout.write(out)
            sys.stdout.flush()


class _Block(NamedTuple):
    """A top-level block: a paragraph, a list, a table."""

    #: The number of its first line.
    line: int
    tokens: List[Token]


def _blocks(tokens: List[Token]) -> List[_Block]:
    """Markdown block by block; a newline in a paragraph stays one, as on the Space's own page."""
    blocks: List[_Block] = []
    for token in tokens:
        if token.level == 0 and token.map is not None:
            blocks.append(_Block(token.map[0], []))
        blocks[-1].tokens.append(token)
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"
    return blocks


def _trimmed(line: List[Segment]) -> List[Segment]:
    """Without the spaces at its end, which would wrap when the terminal becomes narrower."""
    while line and not (line[-1].style and line[-1].style.bgcolor):
        last = line.pop()
        text = last.text.rstrip(" ")
        if text:
            line.append(Segment(text, last.style))
            break
    return line
