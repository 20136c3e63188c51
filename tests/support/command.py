"""The command in a process of its own, over pipes or on a pseudo-terminal."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time

#: Seconds after which a test gives up, so that none can hang.
PATIENCE = 30

COMMAND = [sys.executable, "-m", "qwen25"]


def environment(space=None, **changes):
    """What the command finds in its environment; `None` takes a variable out."""
    changes = {
        "QWEN25_SPACE": space,
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": None,
        "PYTHONWARNINGS": None,
        "COLUMNS": None,
        "LINES": None,
        "QWEN25_AUTH": None,
        **changes,
    }
    variables = {**os.environ, **changes}
    return {name: value for name, value in variables.items() if value is not None}


def run(*arguments, space=None, input=b"", **changes):
    """Run it to its end over pipes."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=input,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(space, **changes),
        timeout=PATIENCE,
    )


class Process:
    """It while it runs: over pipes, or on a terminal whose output is `output`.

    Args:
        arguments: Those of the command.
        space: The address in `$QWEN25_SPACE`.
        terminal: Which of `stdin`, `stdout` and `stderr` are the terminal; the other two outputs
            are pipes, and standard input is empty.
        changes: To the environment.
    """

    def __init__(
        self,
        *arguments,
        space=None,
        terminal=("stdin", "stdout", "stderr"),
        size=(80, 24),
        **changes,
    ):
        self.output = b""
        self.seen = 0
        streams = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }
        self.master, slave = None, None
        if terminal:
            import pty

            self.master, slave = pty.openpty()
            _set_size(slave, *size)
            streams.update(dict.fromkeys(terminal, slave))
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            env=environment(space, **changes),
            start_new_session=True,
            **streams,
        )
        if slave is not None:
            os.close(slave)
        self.source = self.process.stdout.fileno() if self.master is None else self.master

    def until(self, text, seconds=PATIENCE):
        """Read until the text has come, after what an earlier call has found; returns what came."""
        wanted = text.encode()
        deadline = time.monotonic() + seconds
        while wanted not in self.output[self.seen :]:
            left = deadline - time.monotonic()
            ready = select.select([self.source], [], [], max(left, 0))[0]
            data = _read(self.source) if ready else b""
            assert data, f"{text!r} did not come; there was {self.output!r}"
            self.output += data
        before, self.seen = self.seen, self.output.index(wanted, self.seen) + len(wanted)
        return self.output[before : self.seen].decode()

    def type(self, text):
        """What a person types."""
        os.write(self.master, text.encode())

    def resize(self, columns, lines):
        """What a person does to the window."""
        _set_size(self.master, columns, lines)

    def interrupt(self):
        """What Ctrl-C does."""
        os.kill(self.process.pid, signal.SIGINT)

    def interrupt_until(self, text):
        """Press Ctrl-C, and again when nothing happens, until the text has come.

        Python misses a signal in the instant between looking for one and beginning to wait, such
        as right after a prompt was written.
        """
        for _ in range(PATIENCE):
            self.interrupt()
            try:
                return self.until(text, seconds=2)
            except AssertionError:
                pass
        raise AssertionError(f"{text!r} did not come; there was {self.output!r}")

    def end(self, interrupting=False):
        """Read all that comes, and wait; returns the exit code."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if interrupting:
                self.interrupt()
            if select.select([self.source], [], [], 2)[0]:
                interrupting = False
                data = _read(self.source)
                if not data:
                    return self.process.wait(PATIENCE)
                self.output += data
        raise AssertionError(f"it did not end; there was {self.output!r}")

    @property
    def text(self):
        """All output so far, with the newlines that were written; a terminal adds returns."""
        return self.output.decode("utf-8", "replace").replace("\r\n", "\n")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        if self.master is not None:
            os.close(self.master)


def _set_size(terminal, columns, lines):
    import fcntl
    import struct
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def _read(source):
    try:
        return os.read(source, 65536)
    except OSError:  # the last one has left the terminal
        return b""
