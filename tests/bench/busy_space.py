"""What `Client.map` gets out of Spaces that are always full, against what they allow.

    python tests/bench/busy_space.py [AT_ONCE [SECONDS [WORKERS [ANSWERS]]]]

Each Space is a `FakeSpace` in a process of its own: it takes AT_ONCE prompts (4; `1,2,4` is three
Spaces) at once, each for SECONDS (0.5), and refuses what is more; WORKERS (16) ask for 200 answers.
Prints a line of JSON about the answers after the first quarter, in which the map finds out what
room there is; exit code 1 when the Spaces answered less than 90 % of what they could, or a prompt
failed.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import List, Tuple

from qwen25 import Client
from qwen25.testing import Delay, FakeSpace

LIMIT = 0.9


def serve(pipe: Connection, at_once: int, seconds: float) -> None:
    """Be a Space until the other end is closed."""
    with FakeSpace([Delay(seconds), "Paris"], limit=at_once, queue_size=0) as space:
        pipe.send(space.url)
        try:
            pipe.recv()
        except EOFError:
            pass


def start(at_once: int, seconds: float) -> Tuple[BaseProcess, Connection, str]:
    """Start a Space; returns its process, the pipe that ends it, and its address."""
    pipe, other = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(
        target=serve, args=(other, at_once, seconds), daemon=True
    )
    server.start()
    other.close()
    return server, pipe, pipe.recv()


def main(spec: str = "4", seconds: float = 0.5, workers: int = 16, prompts: int = 200) -> int:
    limits = [int(word) for word in spec.split(",")]
    spaces = [start(at_once, seconds) for at_once in limits]
    client = Client([url for _, _, url in spaces])
    client.complete("Everything that is imported late is there now.")
    ends: List[float] = []
    failed = refused = 0
    for answer in client.map(map(str, range(prompts)), workers=workers, ordered=False):
        ends.append(time.monotonic())
        failed += answer.error is not None
        refused += answer.attempts - 1
    for server, pipe, _ in spaces:
        pipe.close()
        server.join()
    settled = ends[prompts // 4 :]
    rate = (len(settled) - 1) / (settled[-1] - settled[0])
    share = rate / (sum(limits) / seconds)
    said = {
        "at once": spec,
        "workers": workers,
        "failed": failed,
        "refused": refused,
        "answers a second": round(rate, 2),
        "of what the Spaces allow": round(share, 3),
    }
    print(json.dumps(said))
    return 0 if share >= LIMIT and not failed else 1


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(main(*(kind(word) for kind, word in zip((str, float, int, int), given))))
