"""Nothing is left behind, and nothing is shared that must not be."""

import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import warnings

import pytest

import qwen25
from qwen25 import Client
from qwen25.testing import Drop, Fail, FakeSpace, Gate, Hang, Message

ANSWERS = 1_000


def open_files():
    return len(os.listdir("/proc/self/fd"))


def own_objects():
    """How many there are of the library's own types, without those of the Space."""
    modules = [str(type(one).__module__) for one in gc.get_objects()]
    return sum(name.startswith("qwen25.") and "testing" not in name for name in modules)


def finish(client):
    assert client.complete("finish") == "Hello world"


def abandon(client):
    for _ in client.stream("abandon"):
        break


def fail(client):
    with pytest.raises(qwen25.StreamInterruptedError):
        list(client.stream("fail"))


def play(question):
    return {
        "finish": ["Hello", " world"],
        "abandon": ["Hello", Hang()],
        "fail": ["Hello", Drop()],
    }[question.prompt]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files in /proc")
@pytest.mark.parametrize("how", [finish, abandon, fail])
def test_a_thousand_answers_leave_nothing(how):
    """No thread, no file, no socket, and no object that grows with their number."""
    with FakeSpace(play) as space:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ResourceWarning)
            client = Client(space.url)
            how(client)
            space.wait_for(lambda: space.open_streams == 0)
            gc.collect()
            files, threads, objects = open_files(), threading.active_count(), len(gc.get_objects())
            connections, own = space.open_connections, own_objects()
            for _ in range(ANSWERS):
                how(client)
            space.wait_for(lambda: space.open_streams == 0)
            space.wait_for(lambda: space.open_connections <= connections)
            gc.collect()
            # The Space is in this process too: its threads end a moment after their clients.
            space.wait_for(lambda: threading.active_count() <= threads)
            assert open_files() <= files
            assert own_objects() <= own
            # The Space keeps a record of each request, of a dozen objects.
            assert len(gc.get_objects()) - objects < 40 * ANSWERS
            client.close()
            del client
            gc.collect()


CLEAN = """
import gc, sys
from qwen25 import Client
for _ in range(3):
    client = Client(sys.argv[1])
    client.complete("finish")
    for piece in client.stream("abandon"):
        break
    try:
        client.complete("fail")
    except Exception:
        pass
    stream = client.stream("finish")
    del client, stream
    gc.collect()
"""


def test_no_resource_warning_even_when_nothing_is_closed():
    with FakeSpace(play) as space:
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-c", CLEAN, space.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_thirty_two_threads_share_a_client():
    """None crossed, none lost, no warning of a pool, and one connection a thread."""
    wrong = []

    def work(client, thread):
        for number in range(63):
            prompt = f"{thread}-{number}"
            answer = client.complete(prompt)
            if answer != f"{prompt}!":
                wrong.append((prompt, answer))

    with FakeSpace(lambda question: [question.prompt, "!"]) as space, Client(space.url) as client:
        threads = [threading.Thread(target=work, args=(client, n)) for n in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(100)
        assert wrong == []
        joins = sum(request.method == "POST" for request in space.requests)
        assert joins == 32 * 63
        assert space.connections <= 32


def ask_in_a_child(client, results):
    results.put(client.complete("from the child"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_client_works_in_the_child_of_a_fork_and_in_the_parent():
    """The child opens a connection of its own and leaves the parent's alone."""
    with FakeSpace(lambda question: question.prompt) as space, Client(space.url) as client:
        assert client.complete("before") == "before"
        context = multiprocessing.get_context("fork")
        results = context.Queue()
        child = context.Process(target=ask_in_a_child, args=(client, results))
        child.start()
        assert results.get(timeout=20) == "from the child"
        child.join(20)
        results.close()
        results.join_thread()
        assert child.exitcode == 0
        assert client.complete("after") == "after"
        assert space.connections == 2


def test_a_pickled_client_works_in_another_process():
    code = (
        "import pickle, sys; client = pickle.loads(bytes.fromhex(sys.argv[1]));"
        " print(client.complete('over there'))"
    )
    with FakeSpace(lambda question: question.prompt) as space, Client(space.url) as client:
        done = subprocess.run(
            [sys.executable, "-c", code, pickle.dumps(client).hex()],
            stdout=subprocess.PIPE,
            check=True,
            timeout=60,
        )
    assert done.stdout == b"over there\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_child_that_drops_a_stream_leaves_the_parent_its_answer():
    gate = Gate()
    with FakeSpace(["Hello", gate, " world"]) as space, Client(space.url) as client:
        stream = client.stream("Hi")
        assert next(stream) == "Hello"
        child = os.fork()
        if not child:
            stream.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        gate.set()
        assert list(stream) == [" world"]


NO_FILES = """
import os, resource, sys
from qwen25 import Client, QwenError

resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
kept = []
try:
    while True:
        kept.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
try:
    client = Client(sys.argv[1])
    client.complete("Hi")
except QwenError as error:
    print(error.hint)
for each in kept:
    os.close(each)
print(Client(sys.argv[1]).complete("Hi"))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits open files")
def test_a_first_request_without_a_free_file_is_told_and_can_be_made_later():
    with FakeSpace() as space:
        done = subprocess.run(
            [sys.executable, "-c", NO_FILES, space.url], capture_output=True, text=True, timeout=60
        )
    assert done.stderr == ""
    hint, answer = done.stdout.splitlines()
    assert "ulimit" in hint and answer == "Hello world"


WITHOUT_FILES = """
import os, resource, sys
from qwen25 import Client, QwenError

calls = [
    lambda client: client.complete("error"),
    lambda client: client.complete("unexpected"),
    lambda client: client.complete("finish", model="none such"),
    lambda client: client.map(["finish"]),
    lambda client: client.json("finish"),
]
clients = [Client(sys.argv[1]) for _ in range(6)]
for client in clients:  # each has a connection
    client.complete("finish")
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
kept = []
for call, client in zip(calls, clients):
    try:
        while True:  # also what the call before has closed
            kept.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    try:
        call(client)
    except QwenError as error:
        print("ulimit" in str(error.hint), error.partial)
for _ in range(3):  # for the input, and for the output to write and to read it
    os.close(kept.pop())
from qwen25.batch import run
print(run(sys.argv[2], sys.argv[3], client=clients[-1]).failed)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits open files")
def test_a_failure_without_a_free_file_is_an_error_of_ours(tmp_path):
    """What only a failure, a map or a batch needs is imported when there is one."""
    scripts = {
        "finish": ["Hello"],
        "error": ["Hel", Fail("No reason")],
        "unexpected": [Message({"msg": "unexpected_error", "message": "Odd", "success": False})],
    }
    tmp_path.joinpath("in").write_text("error\n")
    with FakeSpace(lambda question: scripts[question.prompt]) as space:
        arguments = [space.url, str(tmp_path / "in"), str(tmp_path / "out")]
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_FILES, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.stderr == ""
    told = ["True Hel", "True ", "True ", "True ", "True ", "1"]
    assert done.stdout.splitlines() == told
