"""The local Space against its engine alone: tokens a second, and the time to the first answer.

As a script it is the engine alone: it writes an answer for each line that it reads.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Any, Dict, List

from report import Section, Table, in_turn

from qwen25 import Client

_QUESTION = "What is the capital of France?"
_LONG = "Explain in one paragraph why the sky is blue."


def measure(rounds: int) -> Section:
    starts = in_turn(rounds, ["start"], lambda _: _first_answer())["start"]
    space = subprocess.Popen(
        [sys.executable, "-m", "qwen25", "serve"], stderr=subprocess.PIPE, text=True
    )
    engine = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert space.stderr and engine.stdin and engine.stdout
    try:
        line = next(line for line in space.stderr if " answers at " in line)
        client = Client(line.split(" answers at ")[1].split()[0])

        def writing(name: str) -> Dict[str, Any]:
            if name == "engine":
                print(_LONG, file=engine.stdin, flush=True)
                result: Dict[str, Any] = json.loads(engine.stdout.readline())
                return result
            begin = time.monotonic()
            came: List[float] = []
            with client.stream(_LONG) as stream:
                for _ in stream:
                    came.append(time.monotonic() - begin)
                return {
                    "first": came[0],
                    "wall": came[-1],
                    "text": stream.text,
                    "pieces": len(came),
                }

        in_turn(1, ["engine", "space"], writing)
        results = in_turn(rounds, ["engine", "space"], writing)
    finally:
        for process in (space, engine):
            process.kill()
            process.wait()
    tokens = results["engine"][0]["pieces"]
    rows = []
    for name, what in (("engine", "llama.cpp alone"), ("space", "through the local Space")):
        same = all(result["text"] == results["engine"][0]["text"] for result in results[name])
        assert same, "The engine and the Space write different answers."
        rows.append(
            [
                what,
                f"{tokens / statistics.median(result['wall'] for result in results[name]):.1f}",
                f"{statistics.median(result['first'] for result in results[name]) * 1e3:.0f}",
                f"{results[name][0]['pieces']}",
            ]
        )
    return Section(
        [
            Table(
                f"The local Space: an answer of {tokens} tokens",
                ["", "tokens a second", "ms to the first piece", "pieces"],
                rows,
            ),
            Table(
                "The local Space from its start",
                ["", "seconds"],
                [
                    [
                        "to the first answer's first word",
                        f"{statistics.median(f for f, _ in starts):.1f}",
                    ],
                    ["to the end of the process", f"{statistics.median(e for _, e in starts):.1f}"],
                ],
            ),
        ],
        [],
    )


def _first_answer() -> Any:
    """Seconds from the start of `python -m qwen25.local` to its first word, and to its end."""
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "qwen25.local", _QUESTION],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    process.stdout.read(1)
    first = time.monotonic() - begin
    process.stdout.read()
    process.wait()
    return first, time.monotonic() - begin


def _engine_alone() -> None:
    from qwen25.local.app import NEUTRAL_SYSTEM
    from qwen25.local.gguf import find
    from qwen25.local.model import Model

    model = Model(find())
    for prompt in sys.stdin:
        messages = [
            {"role": "system", "content": NEUTRAL_SYSTEM},
            {"role": "user", "content": prompt.strip()},
        ]
        begin = time.monotonic()
        came: List[float] = []
        text: List[str] = []

        def hand_over(chunk: Dict[str, Any]) -> bool:
            choices = chunk.get("choices")
            content = choices and choices[0]["delta"].get("content")
            if content:
                came.append(time.monotonic() - begin)
                text.append(content)
            return False

        # The request that the Space makes, without its thread and its pieces of 30 ms.
        model._write(messages, hand_over)
        result = {"first": came[0], "wall": came[-1], "text": "".join(text), "pieces": len(came)}
        print(json.dumps(result), flush=True)
    model.close()


if __name__ == "__main__":
    _engine_alone()
