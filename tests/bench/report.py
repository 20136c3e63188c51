"""Tables and figures: what the measurements say, on the terminal and in the documentation."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    Hashable,
    Iterable,
    List,
    NamedTuple,
    Sequence,
    Tuple,
    TypeVar,
)

Name = TypeVar("Name", bound=Hashable)

#: Between these two lines of the documentation stands what was measured last.
_BEGIN, _END = "<!-- measured -->", "<!-- /measured -->"


class Table(NamedTuple):
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


class Figure(NamedTuple):
    """A number that has a limit."""

    what: str
    measured: float
    limit: float
    unit: str = "times"

    @property
    def met(self) -> bool:
        return self.measured <= self.limit


class Section(NamedTuple):
    tables: Sequence[Table]
    figures: Sequence[Figure]


def in_turn(
    rounds: int, names: Iterable[Name], measure: Callable[[Name], Any]
) -> Dict[Name, List[Any]]:
    """Measure each in turn, several rounds: A B A B, so that a busy moment meets all alike."""
    results: Dict[Name, List[Any]] = {name: [] for name in names}
    for _ in range(rounds):
        for name, measured in results.items():
            measured.append(measure(name))
    return results


def ratio(values: Sequence[float], others: Sequence[float]) -> float:
    """The median of the ratios within each round."""
    return statistics.median(value / other for value, other in zip(values, others))


def figures_table(figures: Sequence[Figure]) -> Table:
    rows = [
        [
            figure.what,
            f"{figure.measured:.3g} {figure.unit}".strip(),
            f"{figure.limit:g} {figure.unit}".strip(),
            "met" if figure.met else "NOT MET",
        ]
        for figure in figures
    ]
    return Table("Figures", ["what", "measured", "at most", ""], rows)


def plain(table: Table) -> str:
    """A table for a terminal."""
    lines = [list(table.columns), *map(list, table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    text = [f"\n{table.title}"]
    for line in lines:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)


def markdown(table: Table) -> str:
    """A table for the documentation."""
    lines = [
        f"### {table.title}",
        "",
        *([table.note, ""] if table.note else []),
        "| " + " | ".join(table.columns) + " |",
        "|---" + "|---:" * (len(table.columns) - 1) + "|",
        *("| " + " | ".join(row) + " |" for row in table.rows),
    ]
    return "\n".join(lines)


def write(page: Path, tables: Sequence[Table], head: str) -> None:
    """Put the tables into the documentation."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    measured = "\n\n".join([head, *map(markdown, tables)])
    page.write_text(f"{before}{_BEGIN}\n{measured}\n{_END}{after}", encoding="utf-8")


def plot(image: Path, costs: Dict[str, List[Tuple[int, float]]]) -> None:
    """Draw microseconds of CPU an event against the number of events."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    # Else the file differs each time it is drawn.
    pyplot.rcParams["svg.hashsalt"] = "qwen25"
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for name, points in costs.items():
        style = {"linewidth": 2.5} if name.startswith("qwen25") else {"linewidth": 1.2}
        axes.plot(*zip(*points), marker="o", label=name, **style)
    axes.set(xscale="log", yscale="log", xlabel="events", ylabel="µs of CPU an event")
    axes.grid(True, which="both", alpha=0.25)
    axes.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(image, metadata={"Date": None})
