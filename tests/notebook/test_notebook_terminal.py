"""Answers where no Markdown can be shown: in a terminal IPython, and in plain Python."""

import os
import select
import signal
import subprocess
import sys
import time

import pytest
from kernels import PATIENCE, environment

from qwen25.testing import Fail, FakeSpace, Gate, Hang, Replace


class Terminal:
    """A terminal IPython; what it writes is `output`."""

    def __init__(self, home):
        pytest.importorskip("IPython")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(home, TERM="dumb", LC_ALL="C.UTF-8"),
        )
        self.output = ""

    def type(self, line):
        """Write a line into it."""
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def until(self, text):
        """Read on until this has been written."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.output:
            ready = select.select([self._process.stdout], [], [], deadline - time.monotonic())[0]
            assert ready, self.output
            read = os.read(self._process.stdout.fileno(), 65536).decode()
            assert read, self.output
            self.output += read

    def interrupt(self):
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def terminal(tmp_path):
    with Terminal(tmp_path) as terminal:
        yield terminal


def asking(space):
    return f"import qwen25; qwen25.Client({space.url!r}).stream('Hi')"


def test_a_stream_is_written_piece_by_piece(terminal):
    gate = Gate()
    with FakeSpace(["**Hel", gate, "lo**\n", "you"]) as space:
        terminal.type(asking(space))
        terminal.until("**Hel")
        gate.set()
        terminal.until("\nyou\n")
    assert "**Hello**\nyou\n" in terminal.output
    assert "<Stream" not in terminal.output


def test_control_characters_are_harmless(terminal):
    with FakeSpace(["a\x1b[2Jb\x9bc", "\rd\x07 \u202ee", " end"]) as space:
        terminal.type(asking(space))
        terminal.until("end")
    assert "a\u241b[2Jb\ufffdcd\u2407 \ufffde end" in terminal.output


def test_an_interrupt_stops_the_space_and_keeps_what_came(terminal):
    with FakeSpace(["Half of", Hang()]) as space:
        terminal.type(asking(space))
        terminal.until("Half of")
        terminal.interrupt()
        space.wait_for(lambda: space.left == 1)
        terminal.until("Half of\nKeyboardInterrupt: The answer was stopped; what came is kept.\n")
        terminal.type("print(6 * 7)")
        terminal.until("42")


def test_an_error_follows_the_text(terminal):
    with FakeSpace(["Half of", Fail("No \x1b[2Jmemory.")]) as space:
        terminal.type(asking(space))
        terminal.until("`partial` holds what came")
    assert "Half of\nGenerationError: " in terminal.output
    assert "No \u241b[2Jmemory." in terminal.output
    assert "Traceback" not in terminal.output


def test_an_answer_that_is_rewritten_is_written_again(terminal):
    with FakeSpace(["Lyon", Replace("Paris")]) as space:
        terminal.type(asking(space))
        terminal.until("The Space has rewritten its answer:\n\nParis\n")


def test_a_magic_asks(terminal):
    with FakeSpace(["There."]) as space:
        terminal.type(f"%env QWEN25_SPACE={space.url}")
        terminal.type("%load_ext qwen25")
        terminal.type("%qwen -o kept Where is Paris?")
        terminal.type("print(kept.upper())")
        terminal.until("THERE.")
    assert "There.\n" in terminal.output


def test_a_conversation_is_a_transcript(terminal):
    with FakeSpace(["\x1b[2JThere."]) as space:
        terminal.type(f"import qwen25; talk = qwen25.Client({space.url!r}).conversation()")
        terminal.type("talk")
        terminal.until("<Conversation of 0 messages>")
        terminal.type("answer = talk.send('Where?'); talk")
        terminal.until("User: Where?\n\nAssistant: \u241b[2JThere.")


def test_plain_python_writes_the_text_and_imports_neither_ipython_nor_asyncio(tmp_path):
    with FakeSpace(["Hel", "lo\x1b"]) as space:
        code = (
            f"import sys, qwen25\nfrom qwen25.notebook import show\n"
            f"client = qwen25.Client({space.url!r})\nshow(client.stream('Hi'))\n"
            "talk = client.conversation(); talk.send('Hi'); talk._repr_markdown_()\n"
            "assert not {'IPython', 'asyncio', 'jupyter_client'} & set(sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            env=environment(tmp_path, PYTHONIOENCODING="utf-8"),
            timeout=PATIENCE,
            check=True,
        )
    assert done.stdout.decode() == "Hello\u241b\n"
