"""`qwen25 batch` as a process: its signals, its exit codes, its end by force."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import threading

import pytest

from qwen25.testing import Delay, Fail, FakeSpace, Gate, Hang, Reply

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
SECONDS = 60


@pytest.fixture
def space():
    with FakeSpace(lambda question: f"<{question.prompt}>") as space:
        yield space


@pytest.fixture
def files(tmp_path):
    return tmp_path / "in", tmp_path / "out.jsonl"


def write(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines))


def records(path):
    return sorted(map(json.loads, path.read_bytes().splitlines()), key=lambda line: line["index"])


def command(space, files, *options):
    arguments = ["batch", *map(str, files), "--space", space.url, *options]
    return [sys.executable, "-m", "qwen25", *arguments]


@contextlib.contextmanager
def started(space, files, *options, **how):
    process = subprocess.Popen(
        command(space, files, *options), stderr=subprocess.PIPE, **{"text": True, **how}
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def done(space, files, *options, **how):
    return subprocess.run(
        command(space, files, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        timeout=SECONDS,
        **how,
    )


def test_all_answered_is_exit_code_0_and_nothing_on_standard_output(space, files):
    write(files[0], "one", "two")
    process = done(space, files)
    assert (process.returncode, process.stdout) == (0, "")
    assert process.stderr == "2 answered, 0 failed.\n"
    assert [line["text"] for line in records(files[1])] == ["<one>", "<two>"]


def test_a_failure_is_exit_code_1_also_when_it_is_an_earlier_runs(space, files):
    write(files[0], "one", "two")
    space.answer = lambda question: Fail("no") if question.prompt == "two" else "fine"
    process = done(space, files)
    assert process.returncode == 1
    assert "1 answered, 1 failed. The last error: GenerationError: " in process.stderr
    assert process.stderr.endswith(". --retry-failed asks the failed ones again.\n")
    process = done(space, files)
    assert process.returncode == 1
    assert "earlier 1 answered, 1 failed. --retry-failed asks" in process.stderr
    space.answer = "fine"
    assert done(space, files, "--retry-failed").returncode == 0


def test_options_reach_the_space(space, files):
    questions = []
    space.answer = lambda question: questions.append(question) or "fine"
    write(files[0], *range(9))
    options = ["--model", "7B", "--system", "Short.", "--limit", "3", "--workers", "2"]
    assert done(space, files, *options).returncode == 0
    assert {question[2:4] for question in questions} == {("Short.", "7B")}
    assert len(questions) == 3


def test_standard_input_is_a_file_too(space, files):
    process = done(space, ["-", files[1]], input="one\ntwo\n")
    assert process.returncode == 0
    assert len(records(files[1])) == 2


@posix_only
def test_a_closed_standard_input_is_a_usage_error(space, files):
    words = " ".join(map(shlex.quote, command(space, ["-", files[1]])))
    process = subprocess.run(
        f"{words} <&-", shell=True, stderr=subprocess.PIPE, text=True, timeout=SECONDS
    )
    assert process.returncode == 2
    assert process.stderr.startswith("qwen25: Standard input is closed")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["IN", "FOREIGN"], 2, "does not belong to this input", id="foreign file"),
        pytest.param(["IN", "OUT", "--workers", "0"], 2, "number of workers", id="no workers"),
        pytest.param(["IN", "OUT", "--limit", "0"], 2, "number of prompts", id="no prompts"),
        pytest.param(["NOTHING", "OUT"], 1, "No such file or directory: NOTHING", id="no input"),
        pytest.param(["IN", "."], 1, "Is a directory: .", id="a folder"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_an_exit_code(space, tmp_path, arguments, code, said):
    (tmp_path / "IN").write_text("Hi\n")
    (tmp_path / "FOREIGN").write_text("my thesis\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = done(space, arguments, cwd=str(tmp_path), env=environment)
    assert process.returncode == code
    assert process.stderr.startswith("qwen25: ")
    assert said in process.stderr.splitlines()[0]
    assert not space.requests


def test_the_second_of_two_runs_is_refused_while_the_first_lives(space, files):
    write(files[0], "one")
    space.answer = ["half", Hang()]
    with started(space, files) as first:
        space.wait_for(lambda: space.open_streams == 1, SECONDS)
        second = done(space, files)
        assert (second.returncode, "Another run is writing" in second.stderr) == (2, True)
        first.kill()
        first.wait()
    space.answer = "fine"
    assert done(space, files).returncode == 0


# Interruptions


@posix_only
def test_ctrl_c_finishes_the_lines_in_hand_and_says_how_to_continue(space, files):
    gate = Gate()
    space.answer = lambda question: [gate, f"<{question.prompt}>"]
    write(files[0], *range(10))
    with started(space, files, "--workers", "3") as process:
        space.wait_for(lambda: space.open_streams == 3, SECONDS)
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "\n"
        assert process.stderr.readline().startswith("Finishing 3 in hand")
        gate.set()
        rest = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 130
    assert f"run the same command again: qwen25 batch {files[0]}" in rest
    assert [line["text"] for line in records(files[1])] == ["<0>", "<1>", "<2>"]
    assert done(space, files).returncode == 0
    assert [line["index"] for line in records(files[1])] == list(range(10))


@posix_only
def test_a_second_ctrl_c_stops_at_once(space, files):
    space.answer = lambda question: "first" if question.prompt == "0" else ["half", Hang()]
    write(files[0], *range(10))
    with started(space, files, "--workers", "3") as process:
        space.wait_for(lambda: space.open_streams == 3, SECONDS)
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "\n"
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    space.wait_for(lambda: not space.open_streams, SECONDS)
    assert {line["index"] for line in records(files[1])} <= {0}


@posix_only
def test_ctrl_c_ends_the_waiting_for_further_input(space, files):
    with started(space, ["-", files[1]], "--workers", "1", stdin=subprocess.PIPE) as process:
        process.stdin.write("one\ntwo\n")
        process.stdin.flush()
        space.wait_for(
            lambda: sum(request.path.endswith("/data") for request in space.requests) == 2, SECONDS
        )
        process.send_signal(signal.SIGINT)
        process.wait(SECONDS)
    assert process.returncode == 130
    assert [line["text"] for line in records(files[1])] == ["<one>", "<two>"]


@posix_only
def test_ctrl_c_ends_the_waiting_for_a_busy_space(space, files):
    space.join = Reply(429, {"detail": "Too many requests."}, {"retry-after": "500"})
    write(files[0], *range(10))
    with started(space, files, "--workers", "1", "--verbose") as process:
        assert any("has to wait" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        process.wait(SECONDS)
    assert process.returncode == 130


@posix_only
def test_after_kill_9_at_any_moment_every_prompt_is_answered_exactly_once(space, files):
    """A few of the rounds of tests/bench/kill_batch.py."""
    prompts = 40
    left = 0

    def answer(question):
        # No round comes to its end before it is killed: after some answers the others hang.
        nonlocal left
        left -= 1
        return [Delay(0.01), f"<{question.prompt}>"] if left >= 0 else Hang()

    space.answer = answer
    write(files[0], *range(prompts))
    chance = random.Random(7)
    for _ in range(5):
        left = 7
        asked, some = len(space.requests), chance.randrange(3, 16)
        with started(space, files) as process:
            space.wait_for(lambda: len(space.requests) >= asked + some, SECONDS)
            process.kill()
            assert process.wait() == -signal.SIGKILL
        space.wait_for(lambda: not space.open_connections, SECONDS)
    left = prompts
    assert done(space, files).returncode == 0
    assert [(line["index"], line["text"]) for line in records(files[1])] == [
        (number, f"<{number}>") for number in range(prompts)
    ]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_a_clear_error(space, files):
    write(files[0], *range(3))
    process = done(space, [files[0], "/dev/full"])
    assert process.returncode == 1
    assert process.stderr.startswith("qwen25: No space left on device: /dev/full\n")


def test_a_small_disk_that_fills_up_keeps_valid_lines_and_the_batch_continues(
    space, files, tmp_path
):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no small file system can be mounted here: that needs root, on Linux")
    try:
        space.answer = lambda question: "x" * 1000
        write(files[0], *range(40))
        out = disk / "out.jsonl"
        process = done(space, [files[0], out])
        assert process.returncode == 1
        assert f"No space left on device: {out}" in process.stderr
        assert 5 < len(records(out)) < 16
        subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
        assert done(space, [files[0], out]).returncode == 0
        assert len(records(out)) == 40
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# On a terminal


def on_terminal(space, files, *options, hide_rich=False):
    """What a person sees who runs it."""
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    code = "import sys; from qwen25.cli import main; sys.exit(main())"
    if hide_rich:
        code = "import sys; sys.modules['rich'] = sys.modules['rich.console'] = None; " + code
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code, *command(space, files, *options)[3:]],
        stderr=follower,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
    )
    os.close(follower)
    seen = bytearray()

    def read():
        with contextlib.suppress(OSError):  # EIO is the end
            while True:
                data = os.read(leader, 65536)
                if not data:
                    break
                seen.extend(data)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait()
        reader.join()
        os.close(leader)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\x1b", seen.decode())


@pytest.mark.parametrize(
    "hide_rich",
    [
        pytest.param(True, id="plain line"),
        pytest.param(
            False,
            id="rich",
            marks=pytest.mark.skipif(
                not importlib.util.find_spec("rich"), reason="the extra `cli` is not installed"
            ),
        ),
    ],
)
def test_a_terminal_shows_done_failed_rate_time_left_and_queue(space, files, hide_rich):
    write(files[0], *range(30))
    seen = on_terminal(space, files, hide_rich=hide_rich)
    assert re.search(r"\d+ done, 0 failed, [\d.]+/s, [\d.]+ s left, queue [\d.]+ s", seen)
    assert "30 answered, 0 failed." in seen.split("\x1b")[-1]


def test_importing_the_package_imports_no_threads_for_it():
    code = "import sys, qwen25; sys.exit(any(m.startswith('concurrent') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
