"""Many answers at once, and what is left after many."""

from __future__ import annotations

import statistics
from typing import Any, Dict, List

from contenders import ByHand, Ours
from probe import probe
from replay import connections
from report import Figure, Section, Table, in_turn, ratio
from streams import USUAL, Script

_SCRIPT = Script(events=20)
_THREADS = (1, 8, 32)
_ANSWERS = 960


def measure(spaces: Dict[str, str], rounds: int) -> Section:
    url = spaces[USUAL]
    names = (Ours.name, ByHand.name)
    rows = []
    figures = []
    for threads in _THREADS:

        def crowd(name: str, threads: int = threads) -> Dict[str, Any]:
            before = connections(url) + 1  # its own next question comes on a new one
            result = probe("crowd", name, url, _SCRIPT, threads, _ANSWERS)
            return {**result, "connections": connections(url) - before}

        results = in_turn(rounds, names, crowd)

        def column(name: str, field: str) -> List[float]:
            return [result[field] for result in results[name]]

        for name in names:
            rows.append(
                [
                    f"{name}, {threads} thread{'s' * (threads > 1)}",
                    f"{_ANSWERS / statistics.median(column(name, 'wall')):.0f}",
                    f"{statistics.median(column(name, 'cpu')) / _ANSWERS * 1e3:.2f}",
                    f"{ratio(column(name, 'cpu'), column(ByHand.name, 'cpu')):.2f}",
                    f"{max(column(name, 'connections')):.0f}",
                ]
            )
        if threads == 1:
            most = max(column(Ours.name, "connections"))
            figures.append(Figure("TCP connections opened by one thread", most, 1, ""))
    left = probe("left over", Ours.name, url, _SCRIPT, 1_000)
    figures.append(
        Figure(
            "Threads and sockets left after 1,000 answers", left["threads"] + left["sockets"], 0, ""
        )
    )
    left_over = Table(
        "After 1,000 answers: finished, abandoned and failed ones in turn",
        ["", "threads", "sockets"],
        [
            ["the client is open", "", f"{left['kept']}"],
            ["the client is closed", f"{left['threads']}", f"{left['sockets']}"],
        ],
    )
    columns = ["", "answers a second", "CPU ms an answer", "CPU to by hand", "connections"]
    table = Table(
        "Many at once: one client, against a session by hand for each thread", columns, rows
    )
    return Section([table, left_over], figures)
