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

from ..display.control_characters import escape_controls
from ..display.live import Repainter

if "table_open" not in Markdown.elements:
    raise ImportError("this version of rich leaves out tables")

#: Seconds between two paintings, at least.
_EVERY = 0.05
_STYLING = re.compile(r"\x1b\[[0-9;]*m")


class Page:
    """Markdown that is repainted as it grows.

    Only lines that have changed are written again, all at once, so that nothing flickers; and a
    line that has left the screen is never touched, so that nothing is there twice.
    """

    def __init__(self) -> None:
        # Without HTML, of which rich would show nothing, and without definitions of links, which
        # would be hidden and come too late for blocks that are finished.
        self._parser = MarkdownIt("commonmark", {"html": False})
        self._parser.enable(["table", "strikethrough"]).disable("reference")
        self._console = Console(file=sys.stdout)
        self._width = self._console.width
        self._pieces: List[str] = []
        self._fixed = ""  # the finished blocks, which are not looked at again
        self._painted: List[str] = []  # the lines below them, as they are on the screen
        # A block of a thousand lines takes long to paint.
        self._repainter = Repainter(self._paint, every=_EVERY, share=2)

    def write(self, piece: str) -> None:
        """Add a piece."""
        self._pieces.append(piece)
        self._repainter.tell()

    def correct(self, piece: str, text: str) -> None:
        """The answer is this text, the piece included, whatever was written."""
        self._pieces = [text]
        self._repainter.tell()

    def __enter__(self) -> Page:
        self._repainter.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._repainter.__exit__()

    def _paint(self) -> None:
        text = escape_controls("".join(self._pieces))
        if not text.startswith(self._fixed):
            # What was finished has been rewritten. It may have left the screen: begin anew below.
            self._fixed, self._painted = "", []
        live = text[len(self._fixed) :]
        lines: List[str] = []
        finished = at = 0
        complete_lines = live.count("\n")
        for block in _blocks(self._parser.parse(live)):
            if lines:
                lines.append("")
                # A line that is not complete may yet turn out to belong to the block before it.
                if block.line < complete_lines:
                    finished, at = len(lines), block.line
            lines += self._rendered(block.tokens)
        self._draw(lines)
        if finished:
            self._fixed += "".join(f"{line}\n" for line in live.split("\n")[:at])
            del self._painted[:finished]

    def _rendered(self, tokens: List[Token]) -> List[str]:
        """A block as lines for the terminal."""
        # A link shows its target: a name alone can lie about it.
        markdown = Markdown("", hyperlinks=False)
        markdown.parsed = tokens
        # Again harmless, since Markdown can spell characters: &#8238;
        lines = [
            _trimmed([Segment(escape_controls(part.text), part.style) for part in line])
            for line in self._console.render_lines(markdown, pad=False)
        ]
        with self._console.capture() as capture:
            self._console.print(SegmentLines(lines, new_lines=True), end="")
        return capture.get().strip("\n").split("\n")

    def _draw(self, lines: List[str]) -> None:
        """Bring the screen from the lines that are painted to these."""
        width, height = self._console.size
        out = ""
        if width != self._width and self._painted:
            # The terminal has wrapped the lines anew: paint them all again.
            rows = sum(
                max(1, -(-cell_len(_STYLING.sub("", line)) // width)) for line in self._painted
            )
            out = f"\x1b[{min(rows, height - 1)}A\x1b[J"
            self._painted = []
        self._width = width
        painted = self._painted
        first = 0
        while first < min(len(lines), len(painted)) and lines[first] == painted[first]:
            first += 1
        if first < max(len(lines), len(painted)):
            first = max(first, len(painted) - (height - 1))
            if first < len(painted):
                out += f"\x1b[{len(painted) - first}A"
            out += "".join(f"\x1b[2K{line}\n" for line in lines[first:]) + "\x1b[J"
            self._painted = painted[:first] + lines[first:]
        if out:
            sys.stdout.write(out)
            sys.stdout.flush()


class _Block(NamedTuple):
    """A paragraph, a list, a table: what stands by itself."""

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
