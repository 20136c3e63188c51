"""`Client.map`: many prompts at once, one `Answer` each."""

from __future__ import annotations

import contextlib
import gc
import itertools
import pickle
import sys
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from unittest.mock import Mock

import pytest

from qwen25 import (
    Client,
    ConnectionFailedError,
    GenerationError,
    InvalidRequestError,
    QueueFullError,
    RateLimitError,
    TimedOutError,
    Timeout,
    UnknownModelError,
)
from qwen25.batch import Answer
from qwen25.client.map import AHEAD
from qwen25.client.worker import Attempt
from qwen25.testing import Delay, Drop, Fail, FakeSpace, Gate, Hang, Reply

TOO_MANY = {"detail": "Too many requests."}


class Desk:
    """Holds the questions of a Space until the test answers them."""

    def __init__(self):
        self.changed = threading.Condition()
        self.gates = []

    def __call__(self, question):
        gate = Gate()
        with self.changed:
            self.gates.append(gate)
            self.changed.notify_all()
        return [gate, "fine"]

    def wait_for(self, number, timeout=5.0):
        """Whether so many are held, as soon as they are."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.gates) == number, timeout)

    def wait_for_any(self, timeout):
        with self.changed:
            return self.changed.wait_for(lambda: self.gates, timeout)

    def answer_one(self):
        with self.changed:
            gate = self.gates.pop(0)
        gate.set()


@pytest.fixture
def no_pauses(monkeypatch):
    """No wait before a new try, unless the Space asks for one."""
    monkeypatch.setattr("qwen25.client.retrying.BASE", 0.0)


@pytest.fixture
def space():
    with FakeSpace(lambda question: f"<{question.prompt}>") as space:
        yield space


@pytest.fixture
def client(space):
    with Client(space.url) as client:
        yield client


def joins(space):
    return sum(request.path.endswith("/queue/join") for request in space.requests)


def streams(space):
    return sum(request.path.endswith("/queue/data") for request in space.requests)


def map_threads():
    return [one.name for one in threading.enumerate() if one.name.startswith("qwen25-map")]


def test_answers_come_in_the_order_of_the_prompts(space, client):
    gate = Gate()
    space.answer = lambda question: [gate, "late"] if question.prompt == "0" else question.prompt
    answers = client.map((str(number) for number in range(8)), workers=2)
    threading.Thread(target=lambda: (space.wait_for(lambda: joins(space) == 8), gate.set())).start()
    told = [(answer.index, answer.prompt, answer.text) for answer in answers]
    assert told == [(0, "0", "late")] + [(n, str(n), str(n)) for n in range(1, 8)]


def test_unordered_answers_come_as_soon_as_they_are_ready(space, client):
    gate = Gate()
    space.answer = lambda question: [gate, "late"] if question.prompt == "0" else question.prompt
    answers = client.map((str(number) for number in range(5)), workers=2, ordered=False)
    assert [next(answers).text for _ in range(4)] == ["1", "2", "3", "4"]
    gate.set()
    assert [answer.text for answer in answers] == ["late"]


def test_an_answer_has_its_prompt_text_time_tries_and_space(client):
    (answer,) = client.map(["Hi"])
    assert answer == Answer(0, "Hi", "<Hi>", None, answer.seconds, 1, client.space.url)
    assert 0 < answer.seconds < 60


def test_an_answer_can_be_pickled_with_its_error(space, client):
    space.answer = ["Paris", Fail("the GPU is gone")]
    (answer,) = client.map(["Hi"])
    copy = pickle.loads(pickle.dumps(answer))
    assert copy[:3] == (0, "Hi", None)
    assert isinstance(copy.error, GenerationError)
    assert (copy.error.detail, copy.error.partial) == ("the GPU is gone", "Paris")


def test_one_failure_is_an_answer_and_not_the_end(space, client):
    space.answer = lambda question: Fail() if question.prompt == "1" else "fine"
    answers = list(client.map(list("0123")))
    assert [answer.text for answer in answers] == ["fine", None, "fine", "fine"]
    assert [type(answer.error) for answer in answers if answer.error] == [GenerationError]


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        pytest.param("", InvalidRequestError, id="empty"),
        pytest.param(None, InvalidRequestError, id="no prompt"),
        pytest.param([{"role": "user"}], InvalidRequestError, id="malformed message"),
    ],
)
def test_a_prompt_that_cannot_be_asked_is_such_a_failure(client, prompt, kind):
    answers = list(client.map([prompt, "fine"]))
    assert isinstance(answers[0].error, kind)
    assert answers[1].text == "<fine>"


def test_prompts_may_be_messages_and_model_and_system_are_for_all(space, client):
    asked = []
    space.answer = lambda question: asked.append(question) or "fine"
    messages = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "How are you?"},
    ]
    assert [a.text for a in client.map([messages, "And you?"], model="7B", system="Short.")]
    asked.sort(key=lambda question: len(question.history))
    assert [question.prompt for question in asked] == ["And you?", "How are you?"]
    assert {(question.size, question.system) for question in asked} == {("7B", "Short.")}
    assert [turn["content"] for turn in asked[1].history] == ["Hello", "Hi"]


def test_an_unknown_model_fails_each_prompt(client):
    assert {type(a.error) for a in client.map(list("ab"), model="9000B")} == {UnknownModelError}


@pytest.mark.parametrize(
    "options",
    [{"workers": 0}, {"workers": True}, {"workers": "4"}, {"timeout": -1}],
    ids=str,
)
def test_arguments_are_checked_when_map_is_called(client, options):
    with pytest.raises(InvalidRequestError):
        client.map(["Hi"], **options)


def test_nothing_happens_before_the_first_answer_is_wanted(space, client):
    def prompts():
        raise AssertionError("a prompt was taken")
        yield

    client.map(prompts()).close()
    assert not space.requests
    assert not map_threads()


@pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "as completed"])
def test_prompts_are_taken_a_few_at_a_time(space, client, ordered):
    taken = itertools.count()
    ahead = []
    answers = client.map((str(next(taken)) for _ in range(200)), workers=3, ordered=ordered)
    for got, _ in enumerate(answers, 1):
        now = int(repr(taken)[6:-1])
        ahead.append(now - got)
    assert len(ahead) == 200
    assert max(ahead) <= AHEAD * 3


def test_a_slow_prompt_holds_back_only_a_few_others(space, client):
    gate = Gate()
    space.answer = lambda question: [gate, "late"] if question.prompt == "0" else question.prompt
    taken = []
    answers = client.map((taken.append(n) or str(n) for n in range(1000)), workers=2)

    def watch():
        space.wait_for(lambda: joins(space) >= AHEAD * 2)
        with contextlib.suppress(TimeoutError):  # what must not come does not come
            space.wait_for(lambda: joins(space) > AHEAD * 2 + 2, timeout=1)
        held_back.append(joins(space))
        gate.set()

    held_back = []
    watcher = threading.Thread(target=watch)
    watcher.start()
    assert next(answers).text == "late"
    answers.close()
    watcher.join()
    assert held_back == [AHEAD * 2]


def test_as_many_prompts_are_asked_at_once_as_there_are_workers(space, client):
    space.answer = desk = Desk()
    most = []

    def work():
        for left in range(12, 0, -1):
            assert desk.wait_for(min(left, 3))
            most.append(space.open_streams)
            desk.answer_one()

    worker = threading.Thread(target=work)
    worker.start()
    assert len(list(client.map(list("abcdefghijkl"), workers=3))) == 12
    worker.join()
    assert max(most) <= 3
    assert len(most) == 12


PATIENT = Timeout(idle=None, total=None)


def test_closing_stops_what_runs_and_starts_nothing_more(space, client):
    space.answer = lambda question: "first" if question.prompt == "0" else ["...", Hang()]
    prompts = (str(number) for number in itertools.count())
    answers = client.map(prompts, workers=3, timeout=PATIENT)
    assert next(answers).text == "first"
    # The first stream may still be open, as its server sees it: so all that came are counted too.
    space.wait_for(lambda: (streams(space), space.open_streams) == (4, 3))
    answers.close()
    space.wait_for(lambda: space.left == 3)
    assert joins(space) == 4
    assert not map_threads()


def test_closing_ends_also_what_is_not_in_the_queue_yet(space, client):
    client.complete("the wiring is known")
    space.join = [None, Hang(), Hang()]
    answers = client.map(list("abc"), workers=2, timeout=PATIENT, ordered=False)
    assert next(answers).text in ("<a>", "<b>")
    space.wait_for(lambda: joins(space) == 1 + 3)
    answers.close()
    assert not map_threads()


def test_leaving_the_loop_is_closing(space, client):
    space.answer = lambda question: "first" if question.prompt == "0" else Hang()
    prompts = (str(number) for number in itertools.count())
    for answer in client.map(prompts, workers=3, timeout=PATIENT):
        break
    gc.collect()  # where that is not done at once
    space.wait_for(lambda: not space.open_streams)
    assert not map_threads()


def test_no_thread_and_no_stream_is_left_at_the_end(space, client):
    assert len(list(client.map(list("abcdef")))) == 6
    assert not map_threads()
    space.wait_for(lambda: not space.open_streams)


def test_what_the_prompts_raise_is_raised_and_stops_the_rest(space, client):
    space.answer = Hang()

    def prompts():
        yield "0"
        raise LookupError("no more")

    with pytest.raises(LookupError):
        list(client.map(prompts()))
    space.wait_for(lambda: not space.open_streams)
    assert not map_threads()


def test_a_given_executor_is_used_and_goes_on(space, client):
    with ThreadPoolExecutor(2, thread_name_prefix="mine") as executor:
        used = Mock(wraps=executor)
        assert len(list(client.map(list("abcdef"), executor=used))) == 6
        assert used.submit.call_count == 6
        assert executor.submit(int, "7").result() == 7


def test_a_client_that_is_closed_is_refused_at_the_call(client):
    client.close()
    with pytest.raises(InvalidRequestError, match="closed"):
        client.map(["Hi"])


def test_what_the_executor_raises_is_raised(client):
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(RuntimeError):
        list(client.map(["Hi"], executor=executor))


def test_a_failed_connection_is_tried_again_and_counted(space, client, no_pauses):
    space.join = [Drop(), Drop()]
    (answer,) = client.map(["Hi"])
    assert (answer.text, answer.attempts) == ("<Hi>", 3)


def test_a_broken_stream_is_asked_again_as_complete_does(space, client, no_pauses):
    space.first = [["half", Drop()]]
    (answer,) = client.map(["Hi"])
    assert (answer.text, answer.attempts) == ("<Hi>", 2)


def test_after_max_retries_it_is_a_failure(space, no_pauses):
    space.join = Drop()
    with Client(space.url, max_retries=1) as client:
        (answer,) = client.map(["Hi"])
    assert isinstance(answer.error, ConnectionFailedError)
    assert answer.attempts == 2


def test_a_failed_generation_is_not_tried_again(space, client):
    space.answer = Fail()
    (answer,) = client.map(["Hi"])
    assert answer.attempts == 1


def test_the_time_limit_is_for_each_prompt(space, client):
    space.answer = lambda question: Hang() if question.prompt == "slow" else "fine"
    limits = Timeout(total=3)
    slow, fine = client.map(["slow", "fine"], workers=1, timeout=limits)
    assert isinstance(slow.error, TimedOutError)
    assert slow.error.phase == "total"
    assert fine.text == "fine"


def test_the_tries_of_one_prompt_share_its_time_limit(space, no_pauses):
    space.answer = ["half", Delay(0.5), Drop()]
    with Client(space.url, max_retries=9) as client:
        (answer,) = client.map(["Hi"], timeout=1.2)
    assert isinstance(answer.error, TimedOutError)
    assert answer.attempts <= 3


def test_an_answer_costs_the_same_however_many_came_before():
    """Counted in calls of functions, in a map whose executor and Space need no time."""

    class Inline(Executor):
        def submit(self, function, *arguments):
            future = Future()
            future.set_result(Attempt("fine", None, 0.0, 0.0))
            return future

    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    costs = []
    prompts = map(str, range(20_000))
    answers = Client("http://127.0.0.1:9").map(prompts, executor=Inline())
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        for answer in answers:
            if (answer.index + 1) % 1000 == 0:
                costs.append(calls)
                calls = 0
    finally:
        sys.setprofile(before)
    assert len(costs) == 20
    # The last ones take no new prompt. The interpreter's own work, such as collecting garbage, is
    # a call or two in a hundred answers.
    assert max(costs[1:-1]) <= 1.01 * min(costs[1:-1])


@pytest.mark.parametrize(
    "prompts", ["one prompt", b"one", {"role": "user", "content": "x"}, 5, None]
)
def test_one_prompt_instead_of_many_is_refused_at_once(space, client, prompts):
    with pytest.raises(InvalidRequestError, match="many prompts"):
        client.map(prompts)
    assert list(space.requests) == []


# A busy Space


@pytest.mark.parametrize("queue_size", [0, 2])
@pytest.mark.parametrize("room", [1, 4])
def test_a_limited_space_is_kept_busy_and_no_prompt_fails(room, queue_size):
    """With room for N at once, a new one begins when one ends: in nine of ten cases at least."""
    prompts = 100
    desk = Desk()
    full = []

    def work():
        for left in range(prompts, 0, -1):
            full.append(desk.wait_for(min(room, left), timeout=1))
            assert desk.wait_for_any(30)
            desk.answer_one()

    with FakeSpace(desk, limit=room, queue_size=queue_size) as space, Client(space.url) as client:
        worker = threading.Thread(target=work)
        worker.start()
        answers = list(client.map(map(str, range(prompts)), workers=16))
        worker.join()
    assert [answer.text for answer in answers] == ["fine"] * prompts
    assert sum(full) >= 0.9 * prompts
    assert prompts < sum(answer.attempts for answer in answers) < 1.5 * prompts


@pytest.mark.parametrize("workers", [1, 4])
def test_no_prompt_is_sent_before_retry_after(space, client, workers):
    times = []
    space.answer = lambda question: times.append(time.monotonic()) or "fine"
    client.complete("the wiring is known")
    del times[:]
    space.join = [Reply(429, TOO_MANY, {"retry-after": "0.5"})] * workers
    began = time.monotonic()
    answers = list(client.map(list("abcdefgh"), workers=workers))
    assert [answer.text for answer in answers] == ["fine"] * 8
    assert min(times) - began >= 0.5
    assert sum(answer.attempts for answer in answers) == 8 + workers
    assert all(answer.seconds >= 0.5 for answer in answers if answer.attempts > 1)


def test_a_busy_space_is_waited_out_beyond_max_retries(space, no_pauses):
    space.join = [Reply(503, {"detail": "Queue is full. Max size is 1 and size is 1."})] * 9
    with Client(space.url, max_retries=0) as client:
        (answer,) = client.map(["Hi"])
    assert (answer.text, answer.attempts) == ("<Hi>", 10)


def test_a_space_that_answers_no_prompt_is_not_waited_for_beyond_the_time_limit(space, client):
    space.join = Reply(503, {"detail": "Queue is full. Max size is 1 and size is 1."})
    answers = list(client.map(list("ab"), workers=2, timeout=3))
    assert [type(answer.error) for answer in answers] == [QueueFullError] * 2


def test_prompts_that_cannot_wait_so_long_fail_and_the_others_are_asked_then(space, client):
    client.complete("the wiring is known")
    space.join = [Reply(429, TOO_MANY, {"retry-after": "3.5"})]
    first, *others = client.map(list("abcd"), workers=1, timeout=3)
    assert isinstance(first.error, RateLimitError)
    assert [answer.text for answer in others] == ["<b>", "<c>", "<d>"]
