"""What an event costs: this library, its peers and the floor over the same bytes."""

from __future__ import annotations

import random
import statistics
from typing import Any, Dict, List, Tuple

from contenders import CONTENDERS, FLOOR, GradioClient, Ours, OursComplete
from probe import probe
from report import Figure, Section, Table, in_turn, ratio
from streams import SHAPES, USUAL, Script

LENGTHS = (1_000, 10_000, 100_000)
#: A short answer is over in ten milliseconds, and what else the machine does then weighs much: it
#: is read this often in each round, spread over it.
_REPEATS = {1_000: 5, 10_000: 3, 100_000: 1}
#: Answers with much text, in few events or many.
_BIG = {
    "one event of 2 MB": Script(events=1, width=2_000_000),
    "one event of 20 MB": Script(events=1, width=20_000_000),
    "10 MB in pieces of 100": Script(events=100_000, width=100),
    "sse_v1, 1,000 events": Script("sse_v1, whole values", 1_000),
    "sse_v1, 4,000 events": Script("sse_v1, whole values", 4_000),
}

#: It takes a second for each answer, and is far from every limit: it is asked once a round.
_SLOW = GradioClient.name

Costs = Dict[str, List[Tuple[int, float]]]


def measure(spaces: Dict[str, str], rounds: int) -> Tuple[Section, Costs]:
    """The usual shape, at all lengths."""
    url = spaces[USUAL]
    turns = [
        (name, events)
        for events in LENGTHS
        for name, contender in CONTENDERS.items()
        if events <= contender.longest
    ]
    repeated = [turn for turn in turns for _ in range(_REPEATS[turn[1]] if turn[0] != _SLOW else 1)]

    def reading(round: int) -> Dict[Tuple[str, int], Dict[str, float]]:
        results: Dict[Tuple[str, int], List[Dict[str, float]]] = {turn: [] for turn in turns}
        # A busy moment that comes again and again must not meet the same one each time.
        for name, events in random.Random(round).sample(repeated, len(repeated)):
            results[name, events].append(probe("reading", name, url, Script(events=events)))
        return {
            turn: {
                "cpu": statistics.median(one["cpu"] for one in found) / turn[1] * 1e6,
                "wall": statistics.median(one["wall"] for one in found) / turn[1] * 1e6,
                "memory": max(one["memory"] for one in found),
            }
            for turn, found in results.items()
        }

    for events in LENGTHS:  # the server makes the bytes at the first request
        probe("reading", FLOOR, url, Script(events=events))
    read = [reading(round) for round in range(rounds * 2)]

    def column(name: str, events: int, field: str) -> List[float]:
        return [results[name, events][field] for results in read]

    tables = []
    for events in LENGTHS:
        rows = [
            [
                name,
                f"{statistics.median(column(name, events, 'cpu')):.2f}",
                f"{ratio(column(name, events, 'cpu'), column(FLOOR, events, 'cpu')):.2f}",
                f"{statistics.median(column(name, events, 'wall')):.2f}",
                f"{max(column(name, events, 'memory')):.1f}",
            ]
            for name, length in turns
            if length == events
        ]
        columns = [
            "",
            "CPU µs an event",
            "to the floor",
            "wall µs an event",
            "peak MiB over import",
        ]
        tables.append(Table(f"{events:,} events of 8 characters", columns, rows))

    ours = (Ours.name, OursComplete.name)
    figures = [
        Figure(
            f"CPU an event over the floor, {name}, {events:,} events",
            ratio(column(name, events, "cpu"), column(FLOOR, events, "cpu")),
            1.5,
        )
        for events in LENGTHS
        for name in ours
    ]
    figures += [
        Figure(
            f"CPU an event at 100,000 events over that at 1,000, {name}",
            ratio(column(name, 100_000, "cpu"), column(name, 1_000, "cpu")),
            1.15,
        )
        for name in ours
    ]
    figures += [
        Figure(
            f"Memory over the imported library, 100,000 events, {name}",
            max(column(name, 100_000, "memory")),
            16,
            "MiB",
        )
        for name in ours
    ]
    costs = {
        name: [
            (events, statistics.median(column(name, events, "cpu")))
            for events in LENGTHS
            if (name, events) in turns
        ]
        for name in CONTENDERS
    }
    return Section(tables, figures), costs


def shapes(spaces: Dict[str, str], rounds: int) -> Section:
    """The other protocols and layouts, and answers with much text."""
    scripts = {shape: Script(shape, 10_000) for shape in SHAPES if shape.startswith("sse_v3")}
    scripts.update(_BIG)
    names = (FLOOR, Ours.name, OursComplete.name)
    rows = []
    for what, script in scripts.items():

        def asking(name: str, script: Script = script) -> Dict[str, Any]:
            return probe("asking", name, spaces[script.shape], script)

        asking(FLOOR)
        results = in_turn(rounds, names, asking)
        cpu = {name: [result["cpu"] for result in results[name]] for name in names}
        rows.append(
            [
                what,
                *(f"{statistics.median(cpu[name]) * 1e3:.1f}" for name in names),
                *(f"{ratio(cpu[name], cpu[FLOOR]):.2f}" for name in names[1:]),
                f"{max(result['memory'] for result in results[Ours.name]):.1f}",
            ]
        )
    columns = ["", "floor, ms of CPU", "stream", "complete"]
    columns += ["stream to the floor", "complete to the floor", "peak MiB, stream"]
    return Section([Table("Other shapes, and big answers", columns, rows)], [])
