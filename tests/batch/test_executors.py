"""`Client.map` on executors of every kind: the workers ask, the limiter stays with the map."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest

from qwen25 import Client, NoSpaceAnsweredError, SpaceNotFoundError, SpaceUnavailableError
from qwen25.batch import Batch, run
from qwen25.testing import Delay, Fail, FakeSpace, Gate, Hang, Reply

pytestmark = [
    # These tests fork a process with threads on purpose.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
]
WORKERS = 4


@pytest.fixture(scope="module")
def dask():
    """A scheduler and two worker processes on this machine."""
    distributed = pytest.importorskip(
        "distributed", reason="Dask is not installed: pip install distributed"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # the warnings of Dask are not ours
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=WORKERS // 2, dashboard_address=None
        ) as cluster, distributed.Client(cluster) as client:
            yield client


@pytest.fixture(scope="module")
def ray():
    """Worker processes on this machine; the executor is that of outgrowing-one-machine.md."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # the warnings of Ray are not ours
        ray = pytest.importorskip("ray", reason="Ray is not installed: pip install ray")
        with ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False):

            @ray.remote
            def call(function, *arguments):
                return function(*arguments)

            class RayExecutor(Executor):
                def submit(self, function, *arguments):
                    task = call.remote(function, *arguments)
                    future = task.future()
                    future.add_done_callback(lambda end: end.cancelled() and ray.cancel(task))
                    return future

            yield RayExecutor()


def processes(method, number=WORKERS):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system does not start processes by {method}")
    return ProcessPoolExecutor(number, mp_context=multiprocessing.get_context(method))


# Ray takes long to start on a busy machine.
RAY = pytest.param("ray", marks=pytest.mark.timeout(300))


@pytest.fixture(params=["threads", "spawn", "fork", "dask", RAY])
def executor(request):
    if request.param == "threads":
        made = ThreadPoolExecutor(WORKERS)
    elif request.param == "dask":
        made = request.getfixturevalue("dask").get_executor()
    elif request.param == "ray":
        made = request.getfixturevalue("ray")
    else:
        made = processes(request.param)
    with made as executor:
        yield executor


@pytest.fixture
def space():
    with FakeSpace(lambda question: f"<{question.prompt}>") as space:
        yield space


def count(space, path):
    return sum(request.path.endswith(path) for request in space.requests)


def test_answers_come_from_any_executor_in_order(space, executor):
    prompts = [str(number) for number in range(40)]
    with Client(space.url) as client:
        answers = list(client.map(prompts, workers=WORKERS, executor=executor))
    assert [answer.text for answer in answers] == [f"<{prompt}>" for prompt in prompts]


def test_several_spaces_are_used_and_what_one_lacks_the_others_answer(space, executor):
    """One is down, and one is full with a single prompt."""
    with FakeSpace(lambda question: f"<{question.prompt}>", limit=1, queue_size=0) as full:
        with FakeSpace(config=Reply(500, b"")) as down:
            with Client([down.url, full.url, space.url]) as client:
                answers = list(client.map(map(str, range(60)), workers=WORKERS, executor=executor))
    assert [answer.text for answer in answers] == [f"<{number}>" for number in range(60)]
    assert {answer.space for answer in answers} == {full.url, space.url}


def test_the_reasons_of_several_spaces_come_back_whole(executor):
    with FakeSpace(config=Reply(404, b"")) as gone, FakeSpace(config=Reply(500, b"")) as down:
        with Client([gone.url, down.url], max_retries=0) as client:
            (answer,) = client.map(["Hi"], executor=executor)
    assert type(answer.error) is NoSpaceAnsweredError
    assert [type(error) for error in answer.error.errors] == [
        SpaceNotFoundError,
        SpaceUnavailableError,
    ]


def test_all_workers_ask_at_once(space, executor):
    gate = Gate()
    space.answer = [gate, "fine"]
    opener = threading.Thread(
        target=lambda: (space.wait_for(lambda: space.open_streams == WORKERS, 60), gate.set())
    )
    opener.start()
    with Client(space.url) as client:
        # They are alike, and each is asked.
        answers = list(client.map(["same"] * WORKERS, workers=WORKERS, executor=executor))
    opener.join()
    assert [answer.text for answer in answers] == ["fine"] * WORKERS
    assert count(space, "/queue/join") == WORKERS


def test_the_workers_of_one_process_share_one_client(space, executor):
    with Client(space.url) as client:
        assert len(list(client.map(["x"] * 40, workers=WORKERS, executor=executor))) == 40
    assert count(space, "/config") <= WORKERS
    assert space.connections <= WORKERS


def test_an_error_comes_back_whole(space, executor):
    space.answer = ["Paris", Fail("the GPU is gone")]
    with Client(space.url) as client:
        (answer,) = client.map(["Hi"], executor=executor)
    assert (answer.error.detail, answer.error.partial) == ("the GPU is gone", "Paris")


def test_a_prompt_refused_by_a_full_queue_is_asked_again_and_each_try_counts(executor):
    """There is room for one, so the others are refused and asked again."""
    gates = [Gate() for _ in range(20)]
    for gate in gates[1:]:
        gate.set()
    script = [[gate, "fine"] for gate in gates]
    with FakeSpace(first=script, limit=1, queue_size=0) as space, Client(space.url) as client:
        opener = threading.Thread(
            target=lambda: (
                space.wait_for(lambda: count(space, "/queue/join") >= WORKERS, 60),
                gates[0].set(),
            )
        )
        opener.start()
        answers = list(client.map(["x"] * 20, workers=WORKERS, executor=executor))
        opener.join()
    assert [answer.text for answer in answers] == ["fine"] * 20
    assert sum(answer.attempts for answer in answers) == count(space, "/queue/join") > 20


def test_refusals_of_a_busy_space_count_as_tries(space, executor):
    space.join = [Reply(429, {"detail": "Too many requests."}, {"retry-after": "0.1"})] * 2
    with Client(space.url) as client:
        answers = list(client.map(list("abcd"), workers=WORKERS, executor=executor))
    assert [answer.text for answer in answers] == ["<a>", "<b>", "<c>", "<d>"]
    assert sum(answer.attempts for answer in answers) == 4 + 2


def test_closing_starts_nothing_more(space, executor):
    gate = Gate()
    space.answer = lambda question: "<0>" if question.prompt == "0" else [gate, Delay(0.1), "fine"]
    sent = 16 * WORKERS
    with Client(space.url) as client:
        answers = client.map((str(n) for n in range(1000)), workers=sent, executor=executor)
        assert next(answers).text == "<0>"
        answers.close()
        gate.set()
        assert executor.submit(int, "7").result() == 7
    # Processes have taken some that do not run yet, and Dask hears of the end a moment later.
    assert count(space, "/queue/join") < sent / 2


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_broken_process_pool_is_raised(space):
    space.answer = Hang()
    with processes("spawn", 1) as executor, Client(space.url) as client:
        victim = executor.submit(os.getpid).result()

        def prompts():
            yield "0"
            space.wait_for(lambda: space.open_streams == 1, timeout=30)
            os.kill(victim, signal.SIGKILL)
            yield "1"

        with pytest.raises(BrokenProcessPool):
            list(client.map(prompts(), executor=executor))


BATCH_OVER_PROCESSES = """
import multiprocessing
import sys
from concurrent.futures import Executor, ProcessPoolExecutor

from qwen25 import Client
from qwen25.batch import Batch

if __name__ == "__main__":
    method, space, source, out = sys.argv[1:]
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as executor, Client(space) as client:
        with Batch(source, out, client=client, executor=executor) as batch:
            for _ in batch.each():
                print(*executor._processes, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_workers_of_a_killed_run_do_not_keep_its_lock(space, tmp_path, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system does not start processes by {method}")
    script, source, out = (tmp_path / name for name in ("script.py", "in", "out"))
    script.write_text(BATCH_OVER_PROCESSES)
    source.write_text("".join(f"{number}\n" for number in range(5)))
    space.answer = lambda question: "first" if question.prompt == "0" else Hang()
    arguments = [str(script), method, space.url, str(source), str(out)]
    command = [sys.executable, "-W", "ignore", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    workers = list(map(int, process.stdout.readline().split()))
    try:
        process.kill()
        process.wait()
        process.stdout.close()
        assert workers
        for worker in workers:
            os.kill(worker, 0)  # an error if it had ended, and its lock with it
        space.answer = "fine"
        with Client(space.url) as client:
            assert run(source, out, client=client).answered == 4
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGKILL)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_does_not_hold_the_lock_of_its_parent(space, tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.write_text("Hi\n")
    begun, begin = os.pipe()
    ended, end = os.pipe()
    with Client(space.url) as client:
        with Batch(source, out, client=client) as batch:
            assert len(list(batch.each())) == 1
            child = os.fork()
            if not child:
                os.close(end)
                os.write(begin, b".")
                os.read(ended, 1)  # until the parent closes its end
                os._exit(0)
            os.read(begun, 1)
        try:
            assert run(source, out, client=client).answered_before == 1
        finally:
            os.close(end)
            os.waitpid(child, 0)
            for descriptor in (begun, begin, ended):
                os.close(descriptor)
