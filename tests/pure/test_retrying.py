"""What is tried again, and after how long."""

import math

import pytest

from qwen25 import errors
from qwen25.client.retrying import BASE, CAP, Retries, may_try_again

BROKEN = errors.ConnectionFailedError("broken")


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (errors.ConnectionFailedError("x"), True),
        (errors.StreamInterruptedError("x"), True),
        (errors.QueueFullError("x", status=503), True),
        (errors.RateLimitError("x", status=429), True),
        (errors.RateLimitError("GPU quota"), False),
        (errors.SpaceUnavailableError("x", status=502), True),
        (errors.SpaceUnavailableError("x", status=503), True),
        (errors.SpaceUnavailableError("x", status=504), True),
        (errors.SpaceUnavailableError("x", status=500), False),
        (errors.SpaceUnavailableError("x", stage="PAUSED"), False),
        (errors.TimedOutError("x", phase="connect"), True),
        (errors.TimedOutError("x", phase="idle"), False),
        (errors.TimedOutError("x", phase="total"), False),
        (errors.GenerationError("x"), False),
        (errors.ProtocolError("x"), False),
        (errors.InvalidRequestError("x", status=400), False),
        (errors.AuthenticationError("x", status=401), False),
        (errors.EndpointNotFoundError("x", status=404), False),
        (errors.SpaceNotFoundError("x", status=404), False),
    ],
    ids=repr,
)
def test_only_what_may_pass_is_tried_again(error, again):
    assert may_try_again(error) is again
    assert (Retries(1).delay(error, math.inf) is not None) is again


def test_there_are_no_more_tries_than_asked_for():
    retries = Retries(2)
    assert retries.delay(BROKEN, math.inf) is not None
    assert retries.delay(BROKEN, math.inf) is not None
    assert retries.delay(BROKEN, math.inf) is None
    assert Retries(0).delay(BROKEN, math.inf) is None


def test_the_wait_doubles_up_to_a_cap_with_full_jitter():
    """Full jitter: anything from nothing to the whole wait."""
    longest = Retries(20, chance=lambda: 1.0)
    assert [longest.delay(BROKEN, math.inf) for _ in range(6)] == [
        BASE * factor for factor in (1, 2, 4, 8, 16)
    ] + [CAP]
    assert Retries(1, chance=lambda: 0.0).delay(BROKEN, math.inf) == 0


def test_the_servers_own_wait_is_the_least():
    error = errors.RateLimitError("x", status=429, retry_after=17.0)
    assert Retries(1, chance=lambda: 0.5).delay(error, math.inf) == 17.0


def test_a_wait_beyond_the_time_that_is_left_is_not_begun():
    error = errors.RateLimitError("x", status=429, retry_after=17.0)
    assert Retries(1).delay(error, left=16.0) is None
    assert Retries(1).delay(error, left=17.0) is None
    assert Retries(1).delay(error, left=17.5) is not None


def test_the_wait_of_a_long_outage_stays_at_its_cap():
    retries = Retries(5000, chance=lambda: 1.0)
    delays = [retries.delay(errors.ConnectionFailedError("x"), math.inf) for _ in range(2000)]
    assert delays[-1] == CAP


def test_a_space_that_is_paused_is_not_asked_again():
    paused = errors.SpaceUnavailableError("x", stage="PAUSED", status=503)
    assert not may_try_again(paused)
    assert may_try_again(errors.SpaceUnavailableError("x", stage="RUNNING", status=503))
