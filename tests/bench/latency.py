"""How long a piece takes from the server's write to the user's loop, and what waiting costs."""

from __future__ import annotations

import statistics
from typing import Dict, List

from contenders import ByHand, GradioClient, Ours
from probe import probe
from report import Figure, Section, Table, in_turn, ratio
from streams import USUAL, Script

#: A hundred events a second, for ten seconds.
_STEADY = Script(events=1_000, every=0.01)
#: Two events, and ten seconds of silence between them.
_SILENT = Script(events=2, every=10.0)


def measure(spaces: Dict[str, str], rounds: int) -> Section:
    url = spaces[USUAL]
    names = (Ours.name, ByHand.name, GradioClient.name)
    results = in_turn(min(rounds, 3), names, lambda name: probe("latency", name, url, _STEADY))
    silent = in_turn(1, names, lambda name: probe("latency", name, url, _SILENT)["cpu"])

    def medians(name: str) -> List[float]:
        return [statistics.median(result["delays"]) for result in results[name]]

    rows = []
    for name in names:
        delays = sorted(delay for result in results[name] for delay in result["delays"])
        cpu = statistics.median(result["cpu"] / len(result["delays"]) for result in results[name])
        rows.append(
            [
                name,
                *(
                    f"{delay * 1e3:.2f}"
                    for delay in (
                        statistics.median(medians(name)),
                        delays[len(delays) * 99 // 100],
                        delays[-1],
                    )
                ),
                f"{cpu * 1e6:.0f}",
                f"{silent[name][0] * 1e3:.1f}",
            ]
        )
    columns = ["", "median ms", "99th percentile", "worst", "CPU µs an event"]
    columns.append("CPU ms in 10 s of silence")
    return Section(
        [Table("From the server's write to the user's loop, 100 events a second", columns, rows)],
        [
            Figure(
                "Latency, over the loop by hand",
                ratio(medians(Ours.name), medians(ByHand.name)),
                1.25,
            ),
            Figure("CPU over 10 s of a silent stream", silent[Ours.name][0], 0.05, "s"),
        ],
    )
