"""Rounds of `qwen25 batch`, killed at random moments until a run ends by itself.

    python tests/bench/kill_batch.py [ROUNDS [PROMPTS]]

The batch has three Spaces: one that is well, one that is full most of the time, and one that breaks
off in some answers and takes no further prompts after a while, until the next round.

In each round a batch is started, killed by SIGKILL after a random time, and started again, until it
is done. After one kill of four the last line is cut at a random place, because the system seldom
leaves half a line. At the end every prompt must be answered exactly once, by its own answer, and
every line must be JSON. Otherwise the exit code is 1, with what was wrong.
"""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import List, Tuple, Union

from qwen25.testing import Delay, Drop, FakeSpace, Question, Reply


def answer(question: Question) -> List[Union[str, Delay]]:
    """A long answer with characters of several bytes, so that a cut can fall inside of one."""
    return [Delay(0.005), f"<{question.prompt}> ", "Zürich 北京 " * 50]


def broken_off(question: Question) -> List[Union[str, Delay, Drop]]:
    """Of every fifth prompt no more than the beginning of its answer."""
    whole: List[Union[str, Delay, Drop]] = [*answer(question)]
    return [*whole[:2], Drop()] if question.prompt.endswith(("3", "8")) else whole


def cut_last_line(out: Path, chance: random.Random) -> None:
    """Leave what an interrupted write leaves."""
    if out.exists() and out.stat().st_size:
        content = out.read_bytes()
        start = content.rstrip(b"\n").rfind(b"\n") + 1
        out.write_bytes(content[: chance.randrange(start, len(content))])


def killed_rounds(
    folder: Path, rounds: int, prompts: int, chance: random.Random
) -> Tuple[int, List[int]]:
    """Returns how many runs were killed, and how many answers each Space gave.

    Raises:
        AssertionError: An answer is lost, there twice, or not JSON.
    """
    kills = 0
    answered: Counter[str] = Counter()
    source = folder / "in.txt"
    source.write_text("".join(f"prompt {number}\n" for number in range(prompts)))
    with contextlib.ExitStack() as stack:
        dying = stack.enter_context(FakeSpace(broken_off))
        full = stack.enter_context(FakeSpace(answer, limit=1, queue_size=0))
        well = stack.enter_context(FakeSpace(answer))
        named = [part for space in (dying, full, well) for part in ("--space", space.url)]
        command = [sys.executable, "-m", "qwen25", "batch", str(source)]
        began = time.monotonic()
        subprocess.run([*command, str(folder / "whole"), *named], check=True)
        longest = time.monotonic() - began
        for number in range(rounds):
            out = folder / f"{number}.jsonl"
            dying.join = [None] * chance.randrange(prompts // 4) + [Reply(500, b"")] * 1000
            while True:
                with open(folder / "said.txt", "wb") as said:
                    run = subprocess.Popen([*command, str(out), *named], stderr=said)
                try:
                    code = run.wait(chance.uniform(0.1, 1.1 * longest))
                    break
                except subprocess.TimeoutExpired:
                    run.kill()
                    run.wait()
                    kills += 1
                    if chance.random() < 0.25:
                        cut_last_line(out, chance)
            said_last = (folder / "said.txt").read_text("utf-8")
            assert code == 0, f"round {number} ended with {code}: {said_last}"
            lines = [json.loads(line) for line in out.read_bytes().splitlines()]
            assert sorted(line["index"] for line in lines) == list(range(prompts)), number
            for line in lines:
                assert line["text"].startswith(f"<prompt {line['index']}> "), line
                assert line["text"].endswith("北京 "), line
                answered[line["space"]] += 1
            out.unlink()
        shares = [answered[space.url] for space in (dying, full, well)]
    return kills, shares


def main(rounds: int = 200, prompts: int = 100) -> int:
    seed = random.randrange(10**6)
    began = time.monotonic()
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        kills, shares = killed_rounds(Path(folder), rounds, prompts, random.Random(seed))
    print(
        f"{rounds} rounds of {prompts} prompts, seed {seed}: {kills} runs killed, every prompt"
        f" answered exactly once, every line valid; by the Space that dies, the full one and the"
        f" one that is well {shares}; {time.monotonic() - began:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
