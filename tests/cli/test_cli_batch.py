"""`qwen25 batch`: what it says; what it does is in `tests/batch`."""

from __future__ import annotations

import os
import subprocess

import pytest
from command import COMMAND, PATIENCE, environment

from qwen25.cli.batch import _time
from qwen25.testing import FakeSpace


@pytest.mark.parametrize(
    "seconds, words",
    [
        (0, "0.0 s"),
        (2.5, "2.5 s"),
        (10, "10 s"),
        (99.4, "99 s"),
        (100, "1:40"),
        (3599, "59:59"),
        (3600, "1:00:00"),
        (3905, "1:05:05"),
    ],
)
def test_a_time_is_as_short_as_it_can_be_read(seconds, words):
    assert _time(seconds) == words


@pytest.mark.skipif(os.name != "posix", reason="descriptors as POSIX has them")
def test_an_input_that_cannot_be_read_is_said_as_every_command_says_it(tmp_path):
    unreadable = os.open(os.devnull, os.O_WRONLY)
    try:
        with FakeSpace() as space:
            done = subprocess.run(
                [*COMMAND, "batch", "-", str(tmp_path / "out")],
                stdin=unreadable,
                stderr=subprocess.PIPE,
                env=environment(space.url),
                timeout=PATIENCE,
            )
            assert not any(request.path.endswith("/join") for request in space.requests)
    finally:
        os.close(unreadable)
    assert done.returncode == 1
    assert done.stderr == (
        b"qwen25: Bad file descriptor. Check where standard input and output lead.\n"
    )
