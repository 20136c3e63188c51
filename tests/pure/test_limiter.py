"""The adaptive limiter of a map, with the test's own time and randomness."""

from __future__ import annotations

import heapq
import random
from typing import List, Tuple

import pytest

from qwen25 import ConnectionFailedError, QueueFullError, RateLimitError
from qwen25.client.limiter import AdaptiveLimiter, Permit, is_busy


def full(retry_after=None):
    return QueueFullError("full", status=503, retry_after=retry_after)


def limited(retry_after=None):
    return RateLimitError("too many", status=429, retry_after=retry_after)


def limiter_of(most: int) -> AdaptiveLimiter:
    return AdaptiveLimiter(most, chance=lambda: 1.0)


@pytest.mark.parametrize(
    ("error", "busy"),
    [
        pytest.param(full(), True, id="full queue"),
        pytest.param(limited(), True, id="429"),
        pytest.param(RateLimitError("no GPU left"), False, id="exhausted quota"),
        pytest.param(ConnectionFailedError("gone"), False, id="no connection"),
    ],
)
def test_busy_is_a_full_queue_and_a_429(error, busy):
    assert is_busy(error) is busy


def test_the_first_limit_is_the_number_of_workers():
    limiter = limiter_of(3)
    for _ in range(3):
        assert limiter.has_room(0.0)
        limiter.acquire()
    assert not limiter.has_room(0.0)


def test_a_full_queue_sets_the_limit_to_what_the_space_took():
    limiter = limiter_of(16)
    passes = [limiter.acquire() for _ in range(16)]
    for shown in passes[4:]:
        limiter.refused(full(), shown, 0.0)
    assert limiter.limit == limiter.in_flight == 4


def test_a_full_queue_needs_no_wait_while_others_are_in_flight():
    limiter = limiter_of(2)
    limiter.acquire()
    limiter.refused(full(), limiter.acquire(), 5.0)
    limiter.succeeded()
    assert limiter.has_room(5.0)


def test_with_none_in_flight_a_full_queue_means_longer_waits_each_time():
    limiter = limiter_of(1)
    now, waits = 100.0, []
    for _ in range(7):
        limiter.refused(full(), limiter.acquire(), now)
        waits.append(limiter.blocked_until - now)
        now = limiter.blocked_until
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_an_answer_makes_the_waits_short_again():
    limiter = limiter_of(1)
    for _ in range(3):
        limiter.refused(full(), limiter.acquire(), limiter.blocked_until)
    limiter.acquire()
    limiter.succeeded()
    now = limiter.blocked_until
    limiter.refused(full(), limiter.acquire(), now)
    assert limiter.blocked_until - now == 1


def test_room_that_became_free_after_the_refused_prompt_was_sent_is_used_at_once():
    limiter = limiter_of(2)
    limiter.acquire()
    refused = limiter.acquire()
    limiter.succeeded()
    limiter.refused(full(), refused, 5.0)
    assert limiter.has_room(5.0)


@pytest.mark.parametrize("error", [full, limited])
def test_no_prompt_is_sent_before_the_time_that_the_space_named(error):
    limiter = limiter_of(4)
    shown = limiter.acquire()
    limiter.refused(error(retry_after=60.0), shown, 100.0)
    assert not limiter.has_room(159.9)
    assert limiter.has_room(160.0)


def test_a_shorter_retry_after_does_not_end_the_wait_earlier():
    limiter = limiter_of(4)
    passes = [limiter.acquire(), limiter.acquire(), limiter.acquire()]
    for shown, seconds in zip(passes, (60.0, 1.0, None)):
        limiter.refused(limited(retry_after=seconds), shown, 100.0)
    assert limiter.blocked_until == 160.0


def test_a_429_halves_the_limit_once_for_all_in_flight():
    limiter = limiter_of(16)
    passes = [limiter.acquire() for _ in range(16)]
    for shown in passes:
        limiter.refused(limited(retry_after=1.0), shown, 0.0)
    assert limiter.limit == 8
    limiter.refused(limited(retry_after=1.0), limiter.acquire(), 1.0)
    assert limiter.limit == 4


def test_the_limit_never_falls_below_one():
    limiter = limiter_of(1)
    for _ in range(100):
        limiter.refused(limited(), limiter.acquire(), limiter.blocked_until)
    assert limiter.limit == 1
    assert limiter.has_room(limiter.blocked_until)


def test_the_limit_rises_by_one_after_each_round_of_answers():
    limiter = limiter_of(4)
    limiter.limit = 1
    answers = []
    for _ in range(1 + 2 + 3 + 5):
        limiter.acquire()
        limiter.succeeded()
        answers.append(limiter.limit)
    assert answers == [2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4]


def test_a_limit_that_was_too_high_is_tried_less_and_less_often():
    """A Space with room for one and four workers: refusals grow with the logarithm."""
    limiter = limiter_of(4)
    limiter.limit = 1
    refusals = []
    for answers in range(1, 1001):
        limiter.acquire()
        if limiter.has_room(0.0):
            limiter.refused(full(), limiter.acquire(), 0.0)
            refusals.append(answers)
        limiter.succeeded()
    assert refusals[:7] == [2, 4, 8, 16, 32, 64, 96]
    assert len(refusals) == 6 + (1000 - 64) // 32


def test_with_room_again_the_limit_rises_faster_and_faster():
    limiter = limiter_of(8)
    limiter.limit = 1
    for _ in range(100):
        limiter.acquire()
        if limiter.has_room(0.0):
            limiter.refused(full(), limiter.acquire(), 0.0)
        limiter.succeeded()
    rounds, before = [], 0.0
    for answers in range(1, 1000):
        places = limiter.limit
        limiter.acquire()
        limiter.succeeded()
        if limiter.limit > places:
            rounds.append((answers - before) / places)
            before = answers
    assert rounds[1:] == [32, 16, 8, 4, 2, 1]


@pytest.mark.parametrize("queue_size", [0, 1, 8])
@pytest.mark.parametrize("room", [1, 2, 4, 7])
@pytest.mark.parametrize("workers", [4, 16, 64])
def test_a_limited_space_is_busy_nine_tenths_of_the_time(workers, room, queue_size):
    """An hour in a simulated Space: answers take 1 to 20 s, a refusal comes after 50 ms."""
    chance = random.Random(workers * 100 + room * 10 + queue_size)
    limiter = AdaptiveLimiter(workers, chance.random)
    now = busy = 0.0
    # What comes back, and when: an answer, or None and the pass of one who was refused.
    back: List[Tuple[float, int, bool, Permit]] = []
    running, waiting, number = 0, 0, 0
    while now < 3600:
        while limiter.has_room(now):
            shown = limiter.acquire()
            number += 1
            if running < room:
                running += 1
                heapq.heappush(back, (now + chance.uniform(1, 20), number, True, shown))
            elif waiting < queue_size:
                waiting += 1
            else:
                heapq.heappush(back, (now + 0.05, number, False, shown))
        then = back[0][0] if back else limiter.blocked_until
        if not back or (limiter.in_flight < limiter.limit and limiter.blocked_until < then):
            then = limiter.blocked_until
        busy += (then - now) * running
        now = then
        if back and back[0][0] <= now:
            _, _, answered, shown = heapq.heappop(back)
            if not answered:
                limiter.refused(full(), shown, now)
                continue
            running -= 1
            if waiting:
                waiting -= 1
                running += 1
                heapq.heappush(back, (now + chance.uniform(1, 20), number, True, shown))
            limiter.succeeded()
    assert busy / (now * min(room, workers)) >= 0.9


def test_the_wait_of_a_long_outage_stays_at_its_cap():
    limiter = AdaptiveLimiter(1, chance=lambda: 1.0)
    now = 0.0
    for _ in range(2000):
        limiter.refused(RateLimitError("x", status=429), limiter.acquire(), now)
        assert limiter.blocked_until - now <= 30.0
        now = limiter.blocked_until
