"""What the OpenAI-shaped door adds to an answer, and what is left of many answers in it.

The replay server, the door and the reader are a process each. The reader takes the same answers
from the Space with `Client.stream` and from the door with a loop by hand.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parent))

from report import Figure, Section, Table, in_turn  # noqa: E402
from streams import USUAL, Script  # noqa: E402

#: How many streams at once, and the seconds between two pieces of each.
_LOADS = {1: 0.01, 32: 0.05}
_PIECES = 100
_WAYS = ("direct", "door")
#: Streams at once whose memory is measured, and answers after which nothing may be left.
_MANY, _ANSWERS = 64, 1_000


class Running:
    """A door in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url = self._line()

    def state(self) -> Dict[str, float]:
        """CPU seconds, memory in MiB, threads and sockets, now."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        state: Dict[str, float] = json.loads(self._line())
        return state

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextlib.contextmanager
def running(space: str) -> Iterator[Running]:
    """Start a door to a Space."""
    process = subprocess.Popen(
        [sys.executable, __file__, "serve", space],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Running(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()  # which ends it
        process.wait()


def measure(spaces: Dict[str, str], rounds: int) -> Section:
    space = spaces[USUAL]
    rows: List[List[str]] = []
    figures: List[Figure] = []
    for streams, every in _LOADS.items():
        script = Script(events=_PIECES, every=every)
        with running(space) as door:
            _read("door", door.url, streams, Script(events=20))

            def ask(way: str) -> Dict[str, Any]:
                before = door.state()["cpu"]
                result = _read(way, space if way == "direct" else door.url, streams, script)
                return {**result, "door": door.state()["cpu"] - before}

            results = in_turn(min(rounds, 3), _WAYS, ask)
        medians = {}
        for way in _WAYS:
            firsts = _sorted(results[way], "firsts")
            delays = _sorted(results[way], "delays")
            medians[way] = statistics.median(delays)
            cpu = statistics.median(each["door"] for each in results[way])
            numbers = [statistics.median(firsts), _high(firsts), medians[way], _high(delays)]
            rows.append(
                [
                    f"{way}, {streams} at once",
                    *(f"{number * 1e3:.2f}" for number in numbers),
                    f"{cpu / (streams * _PIECES) * 1e6:.0f}" if way == "door" else "",
                ]
            )
        added = (medians["door"] - medians["direct"]) * 1e3
        what = f"What the OpenAI door adds to a piece, {streams} at once, median"
        figures.append(Figure(what, max(added, 0.0), 2, "ms"))
    columns = ["", "first piece ms", "99th", "a piece ms", "99th", "the door's CPU µs a piece"]
    title = (
        "The OpenAI door, against `Client.stream`: from the question, and from the server's write"
    )
    table = Table(title, columns, rows)
    return Section([table, _left_over(space)], figures)


def _left_over(space: str) -> Table:
    with running(space) as door:
        _read("door", door.url, 1, Script(events=10))
        before = door.state()
        _read("door", door.url, _MANY, Script(events=1_000, width=80, every=0.01))
        many = door.state()
        _read("door", door.url, 8, Script(events=10), _ANSWERS // 8)
        time.sleep(1)  # the last connections close
        after = door.state()
    columns = ["the door", "peak MiB", "threads", "sockets"]
    fields = ("memory", "threads", "sockets")
    rows = [
        [name, *(f"{state[field]:.0f}" for field in fields)]
        for name, state in (
            ("after one answer", before),
            (f"after {_MANY} streams at once, of 1,000 pieces each", many),
            (f"after {_ANSWERS:,} answers more", after),
        )
    ]
    return Table("What many answers leave in the OpenAI door", columns, rows)


def _sorted(results: List[Dict[str, Any]], field: str) -> List[float]:
    return sorted(value for result in results for value in result[field])


def _high(values: List[float]) -> float:
    return values[len(values) * 99 // 100]


def _read(way: str, url: str, streams: int, script: Script, times: int = 1) -> Dict[str, Any]:
    """Read in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, way, url, str(streams), script.prompt, str(times)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=600,
    )
    result: Dict[str, Any] = json.loads(done.stdout)
    return result


# In the other processes


def serve(space: str) -> None:
    """Be a door until standard input ends; tell the state for each line."""
    import qwen25.openai
    from qwen25 import Client

    with Client(space) as client:
        with qwen25.openai.serve(client, workers=_MANY) as server:
            print(server.base_url, flush=True)
            for _ in sys.stdin:
                print(json.dumps(_state()), flush=True)


def _state() -> Dict[str, float]:
    with open("/proc/self/status") as file:
        fields = dict(line.split(":", 1) for line in file)
    descriptors = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    links = [os.readlink(each) for each in descriptors if os.path.lexists(each)]
    return {
        "cpu": time.process_time(),
        "memory": int(fields["VmHWM"].split()[0]) / 1024,
        "threads": int(fields["Threads"]),
        "sockets": sum(link.startswith("socket:") for link in links),
    }


def direct(url: str) -> Callable[[str], Iterator[str]]:
    """Ask the Space itself."""
    from qwen25 import Client

    return Client(url).stream


def door(url: str) -> Callable[[str], Iterator[str]]:
    """Ask the door, by hand."""
    parts = urlsplit(url)
    kept = threading.local()

    def pieces(prompt: str) -> Iterator[str]:
        messages = [{"role": "user", "content": prompt}]
        body = json.dumps({"model": "72B", "stream": True, "messages": messages})
        if not hasattr(kept, "connection"):
            kept.connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        kept.connection.request("POST", f"{parts.path}/chat/completions", body)
        with kept.connection.getresponse() as response:
            for line in response:
                if line.startswith(b"data: {"):
                    delta = json.loads(line[6:])["choices"][0]["delta"]
                    if delta.get("content"):
                        yield delta["content"]

    return pieces


def read(way: str, url: str, streams: str, prompt: str, times: str) -> None:
    """Read some streams at once; print how long the first piece and each piece took."""
    ask = {"direct": direct, "door": door}[way](url)
    timed = bool(Script.of(prompt).every)
    firsts: List[float] = []
    delays: List[float] = []
    ready = threading.Barrier(int(streams))

    def one() -> None:
        for _ in ask(Script(events=2).prompt):  # all is imported and connected
            pass
        ready.wait()
        for _ in range(int(times)):
            asked = time.monotonic()
            for number, piece in enumerate(ask(prompt)):
                came = time.monotonic()
                if number == 0:
                    firsts.append(came - asked)
                if timed:
                    delays.append(came - float(piece.split()[-1]))

    threads = [threading.Thread(target=one) for _ in range(int(streams))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"firsts": firsts, "delays": delays}))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        read(*sys.argv[1:])
