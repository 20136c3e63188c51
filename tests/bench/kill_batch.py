"""Rounds of `qwen25 batch`, killed at random moments until a run ends by itself.

    python tests/bench/kill_batch.py [ROUNDS [PROMPTS]]

In each round a batch is started, killed by SIGKILL after a random time, and started again, until it
is done. After one kill of four the last line is cut at a random place, because the system seldom
leaves half a line. At the end every prompt must be answered exactly once, by its own answer, and
every line must be JSON. Otherwise the exit code is 1, with what was wrong.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import List, Union

from qwen25.testing import Delay, FakeSpace, Question


def answer(question: Question) -> List[Union[str, Delay]]:
    """A long answer with characters of several bytes, so that a cut can fall inside of one."""
    return [Delay(0.005), f"<{question.prompt}> ", "Zürich 北京 " * 50]


def cut_last_line(out: Path, chance: random.Random) -> None:
    """Leave what an interrupted write leaves."""
    if out.exists() and out.stat().st_size:
        content = out.read_bytes()
        start = content.rstrip(b"\n").rfind(b"\n") + 1
        out.write_bytes(content[: chance.randrange(start, len(content))])


def killed_rounds(folder: Path, rounds: int, prompts: int, chance: random.Random) -> int:
    """Returns how many runs were killed.

    Raises:
        AssertionError: An answer is lost, there twice, or not JSON.
    """
    kills = 0
    source = folder / "in.txt"
    source.write_text("".join(f"prompt {number}\n" for number in range(prompts)))
    with FakeSpace(answer) as space:
        command = [sys.executable, "-m", "qwen25", "batch", str(source)]
        began = time.monotonic()
        subprocess.run([*command, str(folder / "whole"), "--space", space.url], check=True)
        longest = time.monotonic() - began
        for number in range(rounds):
            out = folder / f"{number}.jsonl"
            while True:
                run = subprocess.Popen(
                    [*command, str(out), "--space", space.url], stderr=subprocess.DEVNULL
                )
                try:
                    code = run.wait(chance.uniform(0.1, 1.1 * longest))
                    break
                except subprocess.TimeoutExpired:
                    run.kill()
                    run.wait()
                    kills += 1
                    if chance.random() < 0.25:
                        cut_last_line(out, chance)
            assert code == 0, f"round {number} ended with {code}"
            lines = [json.loads(line) for line in out.read_bytes().splitlines()]
            assert sorted(line["index"] for line in lines) == list(range(prompts)), number
            for line in lines:
                assert line["text"].startswith(f"<prompt {line['index']}> "), line
            out.unlink()
    return kills


def main(rounds: int = 200, prompts: int = 100) -> int:
    seed = random.randrange(10**6)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        kills = killed_rounds(Path(folder), rounds, prompts, random.Random(seed))
    print(
        f"{rounds} rounds of {prompts} prompts, seed {seed}: {kills} runs killed, every prompt"
        f" answered exactly once, every line valid; {time.monotonic() - began:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
