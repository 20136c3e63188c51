"""The limits, and their deadline."""

import math
import pickle

import pytest
from clocks import FakeClock

from qwen25 import InvalidRequestError, Timeout
from qwen25.timeouts import Deadline


@pytest.fixture
def clock():
    return FakeClock()


def test_the_defaults_are_those_of_the_contract():
    assert Timeout() == (10, 60, None, 180, 600)
    assert Timeout.of(None) == Timeout()


def test_a_number_is_the_total():
    assert Timeout.of(5) == Timeout(total=5)
    assert Timeout.of(Timeout(idle=3)) == Timeout(idle=3)


@pytest.mark.parametrize("seconds", [0, -1, math.inf, math.nan, "5", True, [5], 1j], ids=repr)
def test_what_is_no_time_is_refused(seconds):
    with pytest.raises(InvalidRequestError, match="time limit"):
        Timeout.of(seconds)
    for limit in Timeout._fields:
        with pytest.raises(InvalidRequestError, match=limit):
            Timeout(**{limit: seconds})


def test_limits_can_be_pickled_and_not_be_changed():
    limits = Timeout(idle=None, queue=3)
    assert pickle.loads(pickle.dumps(limits)) == limits
    with pytest.raises(AttributeError):
        limits.idle = 5


def test_a_read_may_wait_for_the_nearest_limit(clock):
    deadline = Deadline(Timeout(idle=60, queue=100, total=600), clock)
    assert deadline.read_timeout() == 60
    clock.sleep(70)
    assert deadline.read_timeout() == 30
    deadline.started()
    assert deadline.read_timeout() == 60
    clock.sleep(500)
    assert deadline.read_timeout() == 30


def test_none_is_no_limit(clock):
    deadline = Deadline(Timeout(None, None, None, None, None), clock)
    assert deadline.read_timeout() == deadline.left() == math.inf
    assert deadline.connect_limit() is None


def test_connecting_has_no_more_time_than_the_whole(clock):
    deadline = Deadline(Timeout(connect=10, total=12), clock)
    assert deadline.connect_limit() == 10
    clock.sleep(5)
    assert deadline.connect_limit() == 7
    clock.sleep(50)
    assert deadline.connect_limit() > 0  # what a socket takes; it fails at once


def test_the_queues_limit_counts_once_for_all_tries(clock):
    deadline = Deadline(Timeout(queue=100, idle=None, total=None), clock)
    clock.sleep(30)
    deadline.started()
    deadline.queued()
    assert deadline.read_timeout() == 70


@pytest.mark.parametrize(
    ("limits", "passed", "phase"),
    [
        (Timeout(idle=5), 5, "idle"),
        (Timeout(idle=5, queue=5), 5, "queue"),
        (Timeout(idle=5, queue=5, total=5), 5, "total"),
    ],
)
def test_the_error_names_the_limit_that_was_reached(clock, limits, passed, phase):
    deadline = Deadline(limits, clock)
    clock.sleep(passed)
    error = deadline.timeout_error()
    assert error.phase == phase
    assert "5 seconds" in str(error)
    assert isinstance(error, TimeoutError)
