"""The same map on 1, 2 and 4 workers of every executor that is installed: prompts a second.

    python tests/bench/scale_executors.py [SECONDS]

The Space is a `FakeSpace` in a process of its own, in which an answer takes so many seconds
(default 0.25) and any number run at once; so the best is workers divided by seconds. A second
column has it answer at once: what is left is what asking costs, on all cores of the machine
together. Prints one line of JSON for each executor and number of workers.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, Callable, Dict, Iterator

from qwen25 import Client
from qwen25.testing import Delay, FakeSpace


def serve(pipe: Connection, seconds: float) -> None:
    """Be a Space until the other end is closed."""
    pause = [Delay(seconds / 4)] if seconds else []
    with FakeSpace(
        [*pause, "The capital", *pause, " of France", *pause, " is Paris.", *pause]
    ) as space:
        pipe.send(space.url)
        with contextlib.suppress(EOFError):
            pipe.recv()


@contextlib.contextmanager
def space(seconds: float) -> Iterator[str]:
    """The address of a Space in a process of its own."""
    pipe, other = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    server = context.Process(target=serve, args=(other, seconds), daemon=True)
    server.start()
    other.close()
    yield pipe.recv()
    pipe.close()
    server.join()


def threads(workers: int) -> Any:
    return ThreadPoolExecutor(workers)


def processes(workers: int) -> Any:
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


@contextlib.contextmanager
def dask(workers: int) -> Iterator[Executor]:
    """So many processes of one thread each."""
    import distributed

    with distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=None
    ) as cluster, distributed.Client(cluster) as client, client.get_executor() as executor:
        yield executor


@contextlib.contextmanager
def ray(workers: int) -> Iterator[Executor]:
    """Ray has no executor of its own; this one is that of docs/outgrowing-one-machine.md."""
    import ray

    class RayExecutor(Executor):
        def submit(self, function: Callable[..., Any], *arguments: Any) -> Future:  # type: ignore
            task = ask.remote(function, *arguments)
            future = task.future()
            future.add_done_callback(lambda end: end.cancelled() and ray.cancel(task))
            return future

    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)

    @ray.remote
    def ask(function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    try:
        yield RayExecutor()
    finally:
        ray.shutdown()


def rate(url: str, executor: Executor, workers: int, prompts: int) -> float:
    """Prompts a second, once all workers are up."""
    client = Client(url)
    warm = [f"warm up {number}" for number in range(4 * workers)]
    assert all(answer.text for answer in client.map(warm, workers=workers, executor=executor))
    asked = (f"prompt {number}" for number in range(prompts))
    began = time.monotonic()
    for answer in client.map(asked, workers=workers, executor=executor, ordered=False):
        assert answer.error is None, answer.error
    return prompts / (time.monotonic() - began)


def main(seconds: float = 0.25) -> int:
    with space(seconds) as slow, space(0) as quick:
        for make in (threads, processes, dask, ray):
            for workers in (1, 2, 4):
                try:
                    with make(workers) as executor:
                        line: Dict[str, Any] = {
                            "executor": make.__name__,
                            "workers": workers,
                            "prompts a second": round(
                                rate(slow, executor, workers, 20 * workers), 2
                            ),
                            "best": workers / seconds,
                            "at once": round(rate(quick, executor, workers, 300)),
                        }
                except ImportError as error:
                    print(json.dumps({"executor": make.__name__, "skipped": str(error)}))
                    break
                print(json.dumps(line), flush=True)
    print(json.dumps({"cores": os.cpu_count(), "load": os.getloadavg()}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:])))
