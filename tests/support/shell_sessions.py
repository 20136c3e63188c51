"""What the pictures of a terminal show: a shell on a pseudo-terminal, and what is typed in it."""

from __future__ import annotations

import codecs
import os
import re
import select
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple, Tuple

from command import PATIENCE, environment
from screen import Screen

ROOT = Path(__file__).resolve().parents[2]

PROMPTS = "".join(
    f"What is the capital of {country}?\n"
    for country in ("France", "Italy", "Spain", "Japan", "Egypt", "Peru", "Kenya", "Norway")
)


class Session(NamedTuple):
    """A picture of a terminal: its lines, each with the prompt that it is typed at."""

    typed: Tuple[Tuple[str, str], ...]
    lines: int
    columns: int = 80
    #: What may differ at each run or between Spaces.
    varies: str = r"(?!)"


SESSIONS = {
    "ask": Session((("$ ", 'qwen25 "Explain in two sentences why the sky is blue."'),), 9),
    "chat": Session(
        (
            ("$ ", "qwen25 chat"),
            (">>> ", "What is the capital of France?"),
            (">>> ", "And of Italy?"),
            (">>> ", "/exit"),
        ),
        14,
    ),
    # What stands behind the names is the Space's.
    "status": Session((("$ ", "qwen25 status"),), 11, 100, r"(?<=^\w{4}......).*"),
    "batch": Session((("$ ", "qwen25 batch questions.txt answers.jsonl"),), 7, 80, r"[\d.]+ (?=s)"),
}


def record(session, space, folder, pause=0.0):
    """Type the session into a shell; returns what the terminal was told, as `(seconds, text)`."""
    import fcntl
    import pty
    import struct
    import termios

    (folder / "questions.txt").write_text(PROMPTS)
    command = folder / "qwen25"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m qwen25 "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    variables = environment(space, PS1="$ ", PATH=path, PYTHONPATH=str(ROOT), HOME=str(folder))
    master, slave = pty.openpty()
    size = struct.pack("HHHH", session.lines, session.columns, 0, 0)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, size)
    shell = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "--noediting", "-i"],
        env=variables,
        cwd=folder,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    told = []
    start = time.monotonic()
    decoder = codecs.getincrementaldecoder("utf-8")()  # a read may end inside a character

    def until(prompt):
        seen = ""
        while not seen.endswith(prompt):
            seen += hear()

    def hear():
        ready = select.select([master], [], [], PATIENCE * 3)[0]
        data = os.read(master, 65536) if ready else b""
        assert data, f"nothing more came after {told[-3:]}"
        text = decoder.decode(data)
        told.append((round(time.monotonic() - start, 3), text))
        return text

    try:
        for prompt, line in session.typed:
            until(prompt)
            for character in line:
                os.write(master, character.encode())
                hear()
                time.sleep(pause)
            os.write(master, b"\n")
        until("$ ")
    finally:
        shell.kill()
        shell.wait()
        os.close(master)
    return told


def shown(session, told):
    """The lines on the terminal at the end, without what varies and without the last prompt."""
    text = "".join(data for _, data in told)
    # Before the first prompt, bash says that it controls no jobs here.
    text = re.sub(r"\x1b\[\?25[hl]", "", text[text.index("$ ") :])  # the cursor is hidden or shown
    lines = Screen(session.columns, session.lines).feed(text)
    return [re.sub(session.varies, "…", line) for line in lines if line != "$"]
