"""Ctrl-C at every line of a map and of a batch: no worker and no request is left."""

from __future__ import annotations

import contextlib
import linecache
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import qwen25.batch.running
import qwen25.client.cancellation
import qwen25.client.limiter
import qwen25.client.map
import qwen25.client.worker
from qwen25 import Client
from qwen25.batch import Batch
from qwen25.testing import FakeSpace, Hang

MODULES = (
    qwen25.client.map,
    qwen25.client.worker,
    qwen25.client.limiter,
    qwen25.client.cancellation,
    qwen25.batch.running,
)


FILES = {module.__file__ for module in MODULES}


class Tracer:
    """Notes each line of the modules that runs, and raises KeyboardInterrupt at one of them.

    Args:
        place: A file, a line, and which time that it runs; `None` raises nothing.
    """

    def __init__(self, place=None):
        self.place = place
        self.runs = {}
        self.raised = False

    def __call__(self, frame, event, argument):
        return self.line if frame.f_code.co_filename in FILES else None

    def line(self, frame, event, argument):
        where = (frame.f_code.co_filename, frame.f_lineno)
        # Python looks for signals after a call, and not between the end of a `with` block and the
        # release of its lock, where a tracer is called.
        if event == "line" and not linecache.getline(*where).strip().startswith("with "):
            self.runs[where] = self.runs.get(where, 0) + 1
            if (*where, self.runs[where]) == self.place:
                self.raised = True
                raise KeyboardInterrupt
        return self.line

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self)
        return self

    def __exit__(self, *_):
        sys.settrace(self.before)


def some_answers(client, executor, tmp_path):
    """A loop that is left after two answers, while other prompts hang."""
    options = {"workers": 3, "executor": executor, "ordered": False}
    with contextlib.closing(client.map(map(str, range(9)), **options)) as answers:
        for answer in answers:
            if answer.text == "<1>":
                break


def all_answers(client, executor, tmp_path):
    list(client.map(["0", "1"], workers=2, executor=executor))


def a_batch(client, executor, tmp_path):
    tmp_path.joinpath("in").write_text("0\n1\n2\n")
    out = tmp_path / f"out{len(os.listdir(tmp_path))}"
    with Batch(tmp_path / "in", out, client=client, executor=executor) as batch:
        with contextlib.closing(batch.each()) as summaries:
            for summary in summaries:
                if summary.answered == 2:
                    break


def places(what):
    """Each line, the first time that it runs and the second."""
    with Tracer() as tracer:
        what()
    return [(*where, time) for where, runs in tracer.runs.items() for time in (1, 2)[:runs]]


# Files that an interrupt has left open are closed by the garbage collector.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored (in|while finalizing).*<_io:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("own_threads", [True, False], ids=["own threads", "executor"])
@pytest.mark.parametrize("use", [some_answers, all_answers, a_batch])
def test_no_worker_is_left_by_an_interrupt_at_any_line(use, own_threads, tmp_path):
    with FakeSpace(
        lambda question: f"<{question.prompt}>" if question.prompt in "01" else Hang()
    ) as space, Client(space.url) as client, ThreadPoolExecutor(3) as pool:

        def once():
            try:
                use(client, None if own_threads else pool, tmp_path)
            except KeyboardInterrupt:
                pass

        once()
        others = set(threading.enumerate())
        interrupted = 0
        for place in places(once):
            with Tracer(place) as tracer:
                once()
            interrupted += tracer.raised
            for thread in set(threading.enumerate()) - others:
                if thread.name.startswith("qwen25-map"):
                    thread.join(10)
                    assert not thread.is_alive(), place
            if not own_threads:  # the workers are free again
                for future in [pool.submit(int) for _ in range(3)]:
                    assert future.result(10) == 0, place
        assert interrupted > 100
