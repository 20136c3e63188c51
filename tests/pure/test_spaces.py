"""Which of several Spaces is asked, in what order, and which is left alone for a while."""

import pytest

from qwen25 import (
    AuthenticationError,
    ConnectionFailedError,
    EndpointNotFoundError,
    GenerationError,
    InvalidRequestError,
    NoSpaceAnsweredError,
    ProtocolError,
    QueueFullError,
    RateLimitError,
    SpaceNotFoundError,
    SpaceOptions,
    SpaceUnavailableError,
    StreamInterruptedError,
    TimedOutError,
    UnknownModelError,
)
from qwen25.client.spaces import Failover, Target, may_move, read_spaces
from qwen25.transport.address import Address

NOW = 1000.0
FULL = QueueFullError("The queue is full.")


def targets(count):
    return [Target(Address.of(f"me/copy-{number}"), lambda: None) for number in range(count)]


def named(error):
    return f"{type(error).__name__} {getattr(error, 'phase', '')}".strip()


@pytest.mark.parametrize(
    "error",
    [
        SpaceNotFoundError("x"),
        SpaceUnavailableError("x", stage="PAUSED"),
        EndpointNotFoundError("x"),
        UnknownModelError("x"),
        ConnectionFailedError("x"),
        StreamInterruptedError("x"),
        FULL,
        RateLimitError("x"),
        *[TimedOutError("x", phase=phase) for phase in ("connect", "wake", "queue", "idle")],
    ],
    ids=named,
)
def test_another_space_may_do_better_after(error):
    assert may_move(error)


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequestError("x"),
        AuthenticationError("x"),
        GenerationError("x"),
        ProtocolError("x"),
        TimedOutError("x", phase="total"),
    ],
    ids=named,
)
def test_no_other_space_is_asked_after(error):
    first, second = targets(2)
    failover = Failover([first, second], NOW)
    assert not failover.move(error, NOW)
    assert failover.target is first
    assert not failover.names_all(error)


def test_spaces_are_asked_in_order_and_share_the_time_that_is_left():
    first, second, third = targets(3)
    failover = Failover([first, second, third], NOW)
    seen = [(failover.target, failover.share, failover.waits)]
    while failover.move(FULL, NOW):
        seen.append((failover.target, failover.share, failover.waits))
    assert seen == [(first, 3, False), (second, 2, False), (third, 1, False)]


def test_the_error_of_all_lists_each_space_with_its_reason():
    failover = Failover(targets(2), NOW)
    full = QueueFullError("The queue is full.", retry_after=9)
    gone = SpaceNotFoundError("There is no such Space.")
    assert failover.move(full, NOW)
    assert not failover.move(gone, NOW)
    assert failover.names_all(gone)
    error = failover.error(gone)
    assert type(error) is NoSpaceAnsweredError
    assert error.errors == (full, gone)
    assert "me/copy-0: The queue is full; me/copy-1: There is no such Space." in str(error)
    assert error.retry_after == 9


def test_a_further_round_asks_those_that_may_still_answer_and_waits_for_them():
    first, second, third = targets(3)
    failover = Failover([first, second, third], NOW)
    asleep = SpaceUnavailableError("x", stage="SLEEPING")
    failover.move(asleep, NOW)
    failover.move(SpaceNotFoundError("x"), NOW)
    failover.move(ConnectionFailedError("x"), NOW)
    assert failover.start_round(NOW) is asleep
    assert (failover.target, failover.waits) == (first, True)
    assert failover.move(TimedOutError("x", phase="wake"), NOW)
    assert failover.target is third


def test_there_is_no_further_round_when_no_space_will_answer():
    failover = Failover(targets(2), NOW)
    failover.move(SpaceNotFoundError("x"), NOW)
    failover.move(SpaceUnavailableError("x", stage="PAUSED"), NOW)
    assert failover.start_round(NOW) is None


def test_a_space_that_failed_comes_last_and_is_preferred_again_after_its_rest():
    first, second = targets(2)
    first.failed(FULL, NOW)
    assert Failover([first, second], NOW + 29).target is second
    assert Failover([first, second], NOW + 31).target is first


def test_the_rest_doubles_up_to_ten_minutes_and_ends_with_an_answer():
    (target,) = targets(1)
    now, rests = NOW, []
    for _ in range(7):
        target.failed(FULL, now)
        rests.append(target.rest(now))
        now += rests[-1]
    assert rests == [30, 60, 120, 240, 480, 600, 600]
    target.succeeded()
    assert target.rest(now) == 0
    target.failed(FULL, now)
    assert target.rest(now) == 30


def test_failures_of_many_threads_at_once_are_one():
    (target,) = targets(1)
    for _ in range(9):
        target.failed(FULL, NOW)
    assert target.rest(NOW) == 30


def test_a_space_rests_as_long_as_it_says():
    (target,) = targets(1)
    target.failed(RateLimitError("slow down", retry_after=7), NOW)
    assert target.rest(NOW) == 7


def test_a_space_without_the_model_is_not_left_alone():
    (target,) = targets(1)
    target.failed(UnknownModelError("no 72B"), NOW)
    assert target.rest(NOW) == 0


def test_the_state_is_told_in_words():
    (target,) = targets(1)
    assert target.state(NOW) == "not asked yet"
    target.failed(FULL, NOW)
    assert target.state(NOW) == "left alone for 30 s: The queue is full."
    assert target.state(NOW + 31) == "failed before: The queue is full."
    target.succeeded()
    assert target.state(NOW) == "answers"


def test_with_one_space_nothing_changes():
    """Its own error comes out, and it is waited for from the start."""
    (target,) = targets(1)
    failover = Failover([target], NOW)
    assert failover.waits
    assert not failover.move(FULL, NOW)
    assert failover.start_round(NOW) is None
    assert not failover.names_all(FULL)


def test_a_conversation_begins_with_its_own_space():
    first, second = targets(2)
    failover = Failover([first, second], NOW, first=second)
    assert failover.target is second
    assert failover.move(FULL, NOW)
    assert failover.target is first


def names(space):
    return [each.space for each in read_spaces(space)]


def test_one_space_or_several_may_be_named(monkeypatch):
    assert names("me/copy") == ["me/copy"]
    assert names(["me/copy", "http://127.0.0.1:7860"]) == ["me/copy", "http://127.0.0.1:7860"]
    assert names(None) == ["Qwen/Qwen2.5"]
    monkeypatch.setenv("QWEN25_SPACE", "me/copy, Qwen/Qwen2.5,")
    assert names(None) == ["me/copy", "Qwen/Qwen2.5"]


@pytest.mark.parametrize("space", [[], (), ["me/copy", "me/copy"], [None], [3], 3, {"me/copy"}])
def test_a_list_that_names_no_spaces_is_refused(space):
    with pytest.raises(InvalidRequestError):
        read_spaces(space)


def test_options_of_a_space_show_no_secret():
    options = SpaceOptions("me/copy", token="hf_secret", auth=("name", "password"))
    assert repr(options) == "SpaceOptions('me/copy')"


@pytest.mark.parametrize("wrong", [{"token": 5}, {"token": True}, {"auth": "name"}])
def test_wrong_options_of_a_space_are_refused(wrong):
    with pytest.raises(InvalidRequestError):
        SpaceOptions("me/copy", **wrong)
