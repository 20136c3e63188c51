"""The memory of a long answer, in a process of its own beside the Space."""

import subprocess
import sys

import pytest

from qwen25.testing import FakeSpace

#: Bytes over the imported library, at most. 16 MiB are promised; here it takes 6.5, and more than
#: 13 where the old pieces are not joined.
LIMIT = 11 * 2**20
#: Characters beyond ASCII take two bytes each; a piece by itself would take four times as many.
PIECES = ["слово1234", "деревцо5 "] * 50_000

READ = """if True:
    import gc, sys
    from qwen25 import Client

    def status(field):
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field))

    with Client(sys.argv[1]) as client:
        client.complete("Short", timeout=100)
        gc.collect()
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        before = status("VmRSS")
        stream = client.stream("Long", timeout=100)
        for _ in stream:
            pass
        print(len(stream.text), status("VmHWM") - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's /proc")
def test_an_answer_of_100_000_pieces_takes_16_mib_at_most():
    def answer(question):
        return PIECES if question.prompt == "Long" else PIECES[:20]

    with FakeSpace(answer) as space:
        done = subprocess.run(
            [sys.executable, "-c", READ, space.url],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=120,
        )
    length, memory = map(int, done.stdout.split())
    assert length == sum(map(len, PIECES))
    assert memory <= LIMIT
