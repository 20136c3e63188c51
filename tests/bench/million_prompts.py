"""A generator of a million prompts through `Client.map`: its memory, and its cost an answer.

    python tests/bench/million_prompts.py [PROMPTS [WORKERS]]

The Space is a `FakeSpace` in a process of its own, which answers at once. Prints a line of JSON for
the first and the last ten thousand answers and for tenths between, then the verdict; exit code 1
when memory rose by more than 30 MiB over the start, or an answer among the last cost more than 1.15
times the CPU of one among the first of another map, begun when the million is done: a run takes an
hour, and what else the machine does at its beginning and at its end makes answers dearer by more
than that. Both costs are the best of a few blocks of ten thousand.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import sys
import time
from multiprocessing.connection import Connection
from typing import List

from qwen25 import Client
from qwen25.testing import FakeSpace

BLOCK = 10_000
BLOCKS = 3
MEMORY_LIMIT = 30.0
COST_LIMIT = 1.15


def serve(pipe: Connection) -> None:
    """Be a Space until the other end is closed."""
    with FakeSpace(["Paris"]) as space:
        pipe.send(space.url)
        try:
            pipe.recv()
        except EOFError:
            pass


def resident() -> float:
    """This process's memory, in MiB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def fresh_costs(client: Client, workers: int) -> List[float]:
    """The CPU of an answer in the first blocks of a new map, in seconds."""
    costs = []
    cpu = time.process_time()
    for answer in client.map(map(str, range(BLOCKS * BLOCK)), workers=workers):
        if (answer.index + 1) % BLOCK == 0:
            costs.append((time.process_time() - cpu) / BLOCK)
            cpu = time.process_time()
    return costs


def main(prompts: int = 1_000_000, workers: int = 4) -> int:
    pipe, other = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(other,), daemon=True)
    server.start()
    other.close()
    client = Client(pipe.recv())
    client.complete("Everything that is imported late is there now.")
    gc.collect()
    before = most = resident()
    started = block_started = time.monotonic()
    cpu = time.process_time()
    failed = 0
    costs = []
    answers = client.map((f"prompt {number}" for number in range(prompts)), workers=workers)
    for answer in answers:
        failed += answer.error is not None
        done = answer.index + 1
        if done % BLOCK:
            continue
        now, used = time.monotonic(), time.process_time()
        most = max(most, resident())
        costs.append((used - cpu) / BLOCK)
        if done == BLOCK or done == prompts or done % (prompts // 10) == 0:
            line = {
                "answers": done,
                "failed": failed,
                "MiB over the start": round(resident() - before, 1),
                "ms of CPU an answer": round(costs[-1] * 1e3, 3),
                "ms an answer": round((now - block_started) / BLOCK * 1e3, 3),
            }
            print(json.dumps(line), flush=True)
        block_started, cpu = time.monotonic(), time.process_time()
    minutes = (time.monotonic() - started) / 60
    last, anew = min(costs[-BLOCKS:]), min(fresh_costs(client, workers))
    pipe.close()
    server.join()
    verdict = {
        "prompts": prompts,
        "workers": workers,
        "failed": failed,
        "minutes": round(minutes, 1),
        "most MiB over the start": round(most - before, 1),
        "ms of CPU an answer, last and anew": [round(last * 1e3, 3), round(anew * 1e3, 3)],
    }
    print(json.dumps(verdict))
    flat = most - before <= MEMORY_LIMIT and last <= COST_LIMIT * anew
    return 0 if flat and not failed else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
