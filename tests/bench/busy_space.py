"""What `Client.map` gets out of Spaces that are always full, against what they allow.

    python tests/bench/busy_space.py [AT_ONCE [SECONDS [WORKERS [ANSWERS]]]]

Each Space is a `FakeSpace` in a process of its own: it takes AT_ONCE prompts (4; `1,2,4` is three
Spaces) at once, each for SECONDS (0.5), and refuses what is more; WORKERS (16) ask for 200 answers.
In `1,2,4,dies,full` there are two more: one for 4 at once that is killed after a quarter of the
answers, and one that refuses all.

Prints a line of JSON about the answers after the first quarter, in which the map finds out what
room there is. The exit code is 1 when the numbered Spaces answered less than 90 % of what they
could, a prompt failed, or an answer is lost or there twice.
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
from qwen25.testing import Delay, FakeSpace, Reply

LIMIT = 0.9


FULL = Reply(503, b'{"detail": "Queue is full. Max size is 2 and size is 2."}')


def serve(pipe: Connection, at_once: str, seconds: float) -> None:
    """Be a Space until the other end is closed."""
    limit = int(at_once) if at_once.isdigit() else 4
    join = FULL if at_once == "full" else None
    with FakeSpace([Delay(seconds), "Paris"], limit=limit, queue_size=0, join=join) as space:
        pipe.send(space.url)
        try:
            pipe.recv()
        except EOFError:
            pass


def start(at_once: str, seconds: float) -> Tuple[BaseProcess, Connection, str]:
    """Start a Space; returns its process, the pipe that ends it, and its address."""
    pipe, other = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(
        target=serve, args=(other, at_once, seconds), daemon=True
    )
    server.start()
    other.close()
    return server, pipe, pipe.recv()


def main(spec: str = "4", seconds: float = 0.5, workers: int = 16, prompts: int = 200) -> int:
    words = spec.split(",")
    spaces = [start(word, seconds) for word in words]
    dying = [server for word, (server, _, _) in zip(words, spaces) if word == "dies"]
    client = Client([url for _, _, url in spaces])
    client.complete("Everything that is imported late is there now.")
    ends: List[float] = []
    indexes = set()
    failed = refused = 0
    for answer in client.map(map(str, range(prompts)), workers=workers, ordered=False):
        ends.append(time.monotonic())
        failed += answer.error is not None
        refused += answer.attempts - 1
        indexes.add(answer.index)
        if len(ends) == prompts // 4:
            for server in dying:
                server.kill()
    assert indexes == set(range(prompts)) and len(ends) == prompts
    for server, pipe, _ in spaces:
        pipe.close()
        server.join()
    settled = ends[prompts // 4 :]
    rate = (len(settled) - 1) / (settled[-1] - settled[0])
    share = rate / (sum(int(word) for word in words if word.isdigit()) / seconds)
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
