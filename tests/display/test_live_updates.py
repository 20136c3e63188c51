"""Updates from a thread: the newest state soon, the last one surely, and no waiting for them."""

import contextvars
import os
import signal
import subprocess
import sys
import threading

import pytest

from qwen25.display.live import LiveUpdater

SECONDS = 30


class Board:
    """What is painted, and what of it has been seen."""

    def __init__(self):
        self.text = ""
        self.seen = []
        self.threads = set()
        self.entered = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()

    def update(self):
        self.seen.append(self.text)
        self.threads.add(threading.current_thread())
        self.entered.set()
        assert self.may_end.wait(SECONDS)


def test_a_change_is_painted_although_nothing_comes_after_it():
    board = Board()
    with LiveUpdater(board.update, every=0, share=0) as updater:
        board.text = "first"
        updater.changed()
        assert board.entered.wait(SECONDS)
        assert board.seen == ["first"]
    assert threading.current_thread() in board.threads
    assert len(board.threads) == 2


def test_a_change_that_comes_while_the_thread_ends_is_painted():
    board, second = Board(), threading.Event()

    class LateLock:
        """Just before the first release something changes."""

        def __init__(self):
            self.lock = threading.Lock()
            self.acquire = self.lock.acquire
            self.late = ["late"]

        def release(self):
            while self.late:
                board.text = self.late.pop()
                updater.changed()
            self.lock.release()

    def update():
        board.update()
        if board.text == "late":
            second.set()

    updater = LiveUpdater(update, every=0, share=0)
    updater._running = LateLock()
    with updater:
        updater.changed()
        assert second.wait(SECONDS)


def test_nobody_waits_for_the_painting_and_the_last_is_painted():
    board = Board()
    board.may_end.clear()
    with LiveUpdater(board.update, every=0, share=0) as updater:
        updater.changed()
        assert board.entered.wait(SECONDS)
        for number in range(1000):
            board.text = str(number)
            updater.changed()
        board.may_end.set()
    assert board.seen[-1] == "999"
    assert len(board.seen) <= 4


@pytest.mark.parametrize("limit", [{"every": 3600, "share": 0}, {"every": 0, "share": 1e8}])
def test_it_pauses_between_two_paintings_but_not_at_the_end(limit):
    board = Board()
    with LiveUpdater(board.update, **limit) as updater:
        updater.changed()
        assert board.entered.wait(SECONDS)
        board.text = "next"
        updater.changed()
    assert board.seen == ["", "next"]


def test_a_block_in_which_nothing_happens_is_painted_at_its_end():
    board = Board()
    with LiveUpdater(board.update, every=0, share=0):
        pass
    assert board.seen and set(board.seen) == {""}


def test_what_ends_the_painting_is_raised():
    def update():
        raise BrokenPipeError("nobody reads")

    with pytest.raises(BrokenPipeError):  # and at the end of the block
        with LiveUpdater(update, every=0, share=0) as updater:
            with pytest.raises(BrokenPipeError):
                while True:
                    updater.changed()


def test_it_paints_in_the_context_of_its_owner():
    cell = contextvars.ContextVar("cell")
    cell.set("the third")
    seen = []
    with LiveUpdater(lambda: seen.append(cell.get(None)), every=0, share=0):
        pass
    assert set(seen) == {"the third"}


def test_no_thread_is_left():
    before = set(threading.enumerate())
    with LiveUpdater(lambda: None, every=3600, share=0) as updater:
        updater.changed()
    assert set(threading.enumerate()) <= before


def interrupted_at(number):
    """Use an updater, with a Ctrl-C at a line of its module; whether there are that many lines."""
    lines = 0

    def trace(frame, event, _):
        nonlocal lines
        if not frame.f_code.co_filename.endswith("live.py"):
            return None
        if event == "line":
            lines += 1
            if lines == number:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with LiveUpdater(lambda: None, every=0.001, share=0) as updater:
            updater.changed()
            updater.changed()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_an_interrupt_at_any_line_leaves_no_thread():
    before = set(threading.enumerate())
    number = 1
    while interrupted_at(number):
        number += 1
        for thread in set(threading.enumerate()) - before:
            if thread.is_alive():
                assert thread.daemon
                thread.join(SECONDS)
                assert not thread.is_alive()
    assert number > 15


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_a_process_that_is_interrupted_often_ends_by_itself():
    """Python loses a KeyboardInterrupt that comes in a weak reference's callback: signals count."""
    code = """if True:
        import signal, threading
        from qwen25.display.live import LiveUpdater
        signals = []
        def interrupt(*_):
            signals.append(None)
            raise KeyboardInterrupt
        signal.signal(signal.SIGINT, interrupt)
        for number in range(40):
            try:
                print("ready", flush=True)
                while len(signals) == number:
                    with LiveUpdater(lambda: None, every=0, share=0) as updater:
                        updater.changed()
            # An interrupt inside `Thread.start` can come out of it as a RuntimeError.
            except (KeyboardInterrupt, RuntimeError):
                pass
        for thread in threading.enumerate():
            if thread.daemon and thread.is_alive():
                thread.join()
        print("ended", flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        watchdog = threading.Timer(SECONDS * 3, process.kill)
        watchdog.start()
        try:
            for number in range(40):
                assert process.stdout.readline() == "ready\n"
                # Later and later, into other moments of it.
                watchdog.finished.wait(0.0007 * number)
                process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "ended\n"
            assert process.wait() == 0
        finally:
            watchdog.cancel()
