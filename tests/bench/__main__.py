"""Measure all that `docs/benchmarks.md` tells: `python tests/bench [--rounds N] [SECTION ...]`.

Prints the tables, and writes them into the page when all sections were measured. The
exit code is 1 when a figure is above its limit.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import List

import crowd
import door
import latency
import local_space
import startup
import throughput
from replay import running
from report import Figure, Section, Table, figures_table, plain, plot, write

_DOCS = Path(__file__).parents[2] / "docs"
_SECTIONS = ("throughput", "shapes", "latency", "startup", "crowd", "door", "local")
_PACKAGES = ("requests", "urllib3", "sseclient-py", "httpx", "httpx-sse", "gradio_client")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(_SECTIONS))
    arguments = parser.parse_args()
    rounds, chosen = arguments.rounds, arguments.sections or _SECTIONS
    unknown = set(chosen) - set(_SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(unknown)}")
    tables: List[Table] = []
    figures: List[Figure] = []

    def add(section: Section) -> None:
        tables.extend(section.tables)
        figures.extend(section.figures)
        for table in section.tables:
            print(plain(table), flush=True)

    with running() as spaces:
        if "throughput" in chosen:
            section, costs = throughput.measure(spaces, rounds)
            add(section)
        if "shapes" in chosen:
            add(throughput.shapes(spaces, rounds))
        if "latency" in chosen:
            add(latency.measure(spaces, rounds))
        if "startup" in chosen:
            add(startup.measure(spaces, rounds))
        if "crowd" in chosen:
            add(crowd.measure(spaces, rounds))
        if "door" in chosen:
            add(door.measure(spaces, rounds))
    if "local" in chosen:
        add(local_space.measure(rounds))
    verdict = figures_table(figures)
    print(plain(verdict))
    if set(chosen) == set(_SECTIONS):
        write(_DOCS / "benchmarks.md", [verdict, *tables], _machine())
        plot(_DOCS / "benchmarks.svg", costs)
    return 0 if all(figure.met for figure in figures) else 1


def _machine() -> str:
    versions = [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    return (
        f"Python {platform.python_version()} on {platform.system()}, {os.cpu_count()} cores; "
        + ", ".join(versions)
        + "."
    )


if __name__ == "__main__":
    sys.exit(main())
