"""The README's table against its peers: cells of the benchmarks' page, so that both agree."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, List

_ROOT = Path(__file__).parents[2]
_BEGIN, _END = "<!-- measured -->\n", "\n<!-- /measured -->"
_CONTENDERS = {
    "qwen25": "qwen25 stream",
    "by hand": "requests with sseclient-py",
    "gradio_client": "gradio_client",
}
#: A row's name, the table and the column that it is taken from, and its unit.
_ROWS = (
    ("CPU an event, of 10,000", "10,000 events of 8 characters", "CPU µs an event", "µs"),
    ("memory for them", "10,000 events of 8 characters", "peak MiB over import", "MiB"),
    (
        "from the Space's write to your loop, median",
        "From the server's write to the user's loop, 100 events a second",
        "median ms",
        "ms",
    ),
    (
        "CPU in 10 s of silence",
        "From the server's write to the user's loop, 100 events a second",
        "CPU ms in 10 s of silence",
        "ms",
    ),
)


def comparison() -> str:
    """The table, made from what the page of benchmarks says now."""
    tables = _tables((_ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8"))
    lines = ["| | " + " | ".join(_CONTENDERS) + " |", "|---" + "|---:" * len(_CONTENDERS) + "|"]
    for what, title, column, unit in _ROWS:
        cells = [f"{tables[title][name][column]} {unit}" for name in _CONTENDERS.values()]
        lines.append("| " + " | ".join([what, *cells]) + " |")
    return "\n".join(lines)


def shown() -> str:
    """The table that the README has."""
    _, _, rest = _readme().read_text(encoding="utf-8").partition(_BEGIN)
    return rest.partition(_END)[0]


def write() -> None:
    """Put the table into the README."""
    text = _readme().read_text(encoding="utf-8")
    _readme().write_text(text.replace(shown(), comparison(), 1), encoding="utf-8")


def _readme() -> Path:
    return _ROOT / "README.md"


def _tables(page: str) -> Dict[str, Dict[str, Dict[str, str]]]:
    """A page's tables by title, row and column."""
    tables = {}
    for title, table in re.findall(r"^### (.+)\n\n((?:\|.*\n)+)", page, re.MULTILINE):
        columns, _, *rows = (_cells(line) for line in table.splitlines())
        tables[title] = {row[0]: dict(zip(columns, row)) for row in rows}
    return tables


def _cells(line: str) -> List[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]
