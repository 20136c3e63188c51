"""One measurement in a fresh process: `python probe.py MEASUREMENT CONTENDER URL SCRIPT`.

Prints a line of JSON. The parent calls `probe`.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Dict, List

from contenders import CONTENDERS, Contender
from streams import Script

Result = Dict[str, Any]


def probe(measurement: str, contender: str, url: str, script: Script, *more: object) -> Result:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, measurement, contender, url, script.prompt]
    done = subprocess.run(
        [*command, *map(str, more)], stdout=subprocess.PIPE, text=True, check=True, timeout=600
    )
    result: Result = json.loads(done.stdout)
    return result


def reading(contender: Contender, script: Script) -> Result:
    """What it costs to read an answer, from its first piece to its end."""
    at: List[float] = []

    def started() -> None:
        at[:] = time.process_time(), time.monotonic()

    _warm_up(contender, script)
    before = _resident()
    _forget_peak()
    length = contender.read(script.prompt, started)
    cpu, wall = time.process_time() - at[0], time.monotonic() - at[1]
    assert length == _length(contender, script), length
    return {"cpu": cpu, "wall": wall, "memory": (_peak() - before) / 2**20}


def asking(contender: Contender, script: Script) -> Result:
    """The same from the question on, for answers of few and large events."""
    _warm_up(contender, script)
    before = _resident()
    _forget_peak()
    cpu = time.process_time()
    length = contender.read(script.prompt, _nothing)
    cpu = time.process_time() - cpu
    assert length == _length(contender, script), length
    return {"cpu": cpu, "memory": (_peak() - before) / 2**20}


def latency(contender: Contender, script: Script) -> Result:
    """How long each piece takes from the server's write to the loop, and what it costs."""
    _warm_up(contender, script)
    delays: List[float] = []
    now = time.monotonic
    cpu = 0.0
    for piece in contender.pieces(script.prompt):
        came = now()
        if piece:
            delays.append(came - float(piece.split()[-1]))
            cpu = cpu or time.process_time()
    cpu = time.process_time() - cpu
    return {"delays": delays, "cpu": cpu}


def crowd(contender: Contender, script: Script, threads: str, answers: str) -> Result:
    """Many threads ask: on one client, or each on a session of its own."""
    count = int(threads)
    asking = [contender, *(contender.for_another_thread() for _ in range(count - 1))]
    prompt = script.prompt

    def ask(mine: Contender) -> None:
        for _ in range(int(answers) // count):
            mine.read(prompt, _nothing)

    contender.read(prompt, _nothing)
    workers = [threading.Thread(target=ask, args=(mine,)) for mine in asking]
    cpu, wall = time.process_time(), time.monotonic()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return {"cpu": time.process_time() - cpu, "wall": time.monotonic() - wall}


def left_over(contender: Contender, script: Script, answers: str) -> Result:
    """Threads and sockets after many answers: finished, abandoned and failed ones in turn."""
    from qwen25 import GenerationError

    threads = len(os.listdir("/proc/self/task"))
    sockets = _sockets()
    failing = script._replace(fails=True).prompt
    for number in range(int(answers)):
        if number % 3 == 0:
            contender.read(script.prompt, _nothing)
        elif number % 3 == 1:
            pieces = contender.pieces(script.prompt)
            next(pieces)
            pieces.close()  # type: ignore[attr-defined]
        else:
            try:
                contender.read(failing, _nothing)
            except GenerationError:
                continue
            raise AssertionError("The answer that fails did not.")
    kept = _sockets() - sockets
    contender.close()
    return {
        "threads": len(os.listdir("/proc/self/task")) - threads,
        "sockets": _sockets() - sockets,
        "kept": kept,
    }


def _length(contender: Contender, script: Script) -> int:
    return script.events * script.width if contender.reads_text else script.messages


def _warm_up(contender: Contender, script: Script) -> None:
    """Everything that is imported late is there afterwards, and the connection is open."""
    contender.read(Script(script.shape, events=20).prompt, _nothing)
    gc.collect()


def _nothing() -> None:
    pass


def _status(field: str) -> int:
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(field))
    return int(line.split()[1]) * 1024


def _resident() -> int:
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _forget_peak() -> None:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def _sockets() -> int:
    count = 0
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")
        except FileNotFoundError:
            pass  # that of the listing itself
    return count


_MEASUREMENTS: Dict[str, Callable[..., Result]] = {
    "reading": reading,
    "asking": asking,
    "latency": latency,
    "crowd": crowd,
    "left over": left_over,
}


def main(measurement: str, contender: str, url: str, prompt: str, *more: str) -> None:
    script = Script.of(prompt)
    opened = CONTENDERS[contender](url, url + script.queue)
    print(json.dumps(_MEASUREMENTS[measurement](opened, script, *more)))
    opened.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
