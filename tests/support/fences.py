"""The blocks of code in a page of Markdown, in their order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import List, NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^( *)(`{3,}|~{3,}) *([^`]*)$")


class Block(NamedTuple):
    """A block between fences."""

    page: Path
    #: Of its first line, from 1.
    line: int
    #: The language after the fence; `{name}` is a directive of Sphinx.
    language: str
    text: str
    #: Whether nothing but empty lines stands between it and the block before.
    follows: bool

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> List[Path]:
    """Every page there is, the README first."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def blocks(page: Path) -> List[Block]:
    """All blocks of a page."""
    found: List[Block] = []
    fence = indent = language = ""
    first = 0
    text: List[str] = []
    follows = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        match = _FENCE.match(line)
        if not fence:
            if match:
                indent, fence, info = match.groups()
                language, first, text = (info.split() or [""])[0], number + 1, []
            elif line.strip():
                follows = False
        elif match and match[2].startswith(fence) and not match[3].strip():
            found.append(Block(page, first, language, "".join(text), follows))
            fence, follows = "", True
        else:
            text.append(line[len(indent) :] + "\n" if line.startswith(indent) else line + "\n")
    assert not fence, f"{page.name}: a block begins in line {first - 1} and does not end"
    return found
