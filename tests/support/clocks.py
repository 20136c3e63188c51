"""Clocks for tests that must not wait."""

import time


class FakeClock:
    """A clock that goes on only when somebody sleeps."""

    def __init__(self):
        self.time = 1000.0
        self.slept = []

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += seconds

    def wait(self, event, seconds):
        self.sleep(seconds)


class QuickClock:
    """The real time, for sockets, and waits between tries that take none."""

    now = staticmethod(time.monotonic)

    def __init__(self):
        self.slept = []

    def sleep(self, seconds):
        self.slept.append(seconds)

    def wait(self, event, seconds):
        self.sleep(seconds)
