"""`qwen25 ask` over pipes: text on standard output, all else on standard error, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from command import COMMAND, PATIENCE, Process, environment, run

from qwen25 import Timeout
from qwen25.cli.failure import report
from qwen25.testing import Delay, Drop, Fail, FakeSpace, Gate, Hang, Repeat, Replace, Reply
from qwen25.timeouts import Clock, Deadline

NASTY = "\x1b[31mred\x07\x9b2J\x7f\u202eabc\rdef\r\n\x00"


def asked(space):
    """What the Space was asked: prompt, history, system, size."""
    (joined,) = (request for request in space.requests if request.path.endswith("/queue/join"))
    return joined.json["data"]


def one_line(stderr, *words):
    """It is one line that has these words, and no traceback."""
    text = stderr.decode()
    assert text.startswith("qwen25: ") and text.endswith("\n") and text.count("\n") == 1, text
    for word in words:
        assert word in text
    return True


# The answer


@pytest.mark.parametrize("command", [["Hi"], ["ask", "Hi"], ["ask", "--plain", "Hi"]])
def test_a_pipe_gets_the_answer_a_newline_and_nothing_else(command):
    with FakeSpace(["Hello", " wörld"]) as space:
        done = run(*command, space=space.url)
        assert (done.returncode, done.stdout, done.stderr) == (0, "Hello wörld\n".encode(), b"")
        assert asked(space)[0] == "Hi"


@pytest.mark.parametrize("option", [[], ["--no-stream"]])
def test_a_pipe_gets_the_answer_byte_for_byte(option):
    with FakeSpace([NASTY, "**bold**\n"]) as space:
        done = run("Hi", *option, space=space.url)
    assert done.stdout == (NASTY + "**bold**\n\n").encode()


def test_each_piece_is_written_when_it_comes():
    gate = Gate()
    with FakeSpace(["Hello", gate, " world"]) as space:
        with Process("Hi", space=space.url, terminal=()) as process:
            process.until("Hello")
            gate.set()
            assert process.end() == 0
            assert process.output == b"Hello world\n"


def test_no_stream_prints_what_the_space_said_last():
    with FakeSpace(["Thinking", Replace("Four")]) as space:
        done = run("--no-stream", "Hi", space=space.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Four\n", b"")


@pytest.mark.parametrize("last, out", [("Four", b"ThinkingFour\n"), ("Think", b"Thinking\n")])
def test_an_answer_that_is_rewritten_after_it_was_printed_is_reported(last, out):
    with FakeSpace(["Thinking", Replace(last)]) as space:
        done = run("Hi", space=space.url)
    assert (done.returncode, done.stdout) == (0, out)
    assert one_line(done.stderr, "rewrote", "--no-stream")


def test_json_is_one_object():
    with FakeSpace(["Hello", "\x7f\x9b wörld"]) as space:
        done = run("--json", "-m", "7b", "Hi", space=space.url)
        answer = json.loads(done.stdout)
        assert done.stdout.count(b"\n") == 1 and b"\x7f" not in done.stdout
    assert (done.returncode, done.stderr) == (0, b"")
    assert (answer["text"], answer["model"]) == ("Hello\x7f\x9b wörld", "7B")
    assert answer["space"] == space.url
    assert len(answer["event_id"]) == 32
    assert 0 <= answer["queue_seconds"] <= answer["seconds"] < PATIENCE


def test_json_of_an_answer_that_broke_off_is_asked_again():
    with FakeSpace(["Hello"], first=[["Hel", Drop()]]) as space:
        done = run("--json", "Hi", space=space.url)
    assert json.loads(done.stdout)["text"] == "Hello"


def test_nothing_is_printed_as_json_of_a_failure():
    with FakeSpace(["Hel", Fail("out of memory")]) as space:
        done = run("--json", "Hi", space=space.url)
    assert (done.returncode, done.stdout) == (1, b"")
    assert one_line(done.stderr, "out of memory")


# What is asked


@pytest.mark.parametrize(
    "words, input, prompt",
    [
        pytest.param(["Sum", "it", "up"], b"", "Sum it up", id="words"),
        pytest.param(["Sum it up"], b"a\nb\n", "a\nb\n\nSum it up", id="input-then-prompt"),
        pytest.param(["-"], b"a\nb\n", "a\nb", id="input-alone"),
        pytest.param([], b"a\nb\n", "a\nb", id="no-prompt"),
        pytest.param(["--", "-5 + 3"], b"", "-5 + 3", id="begins-with-a-dash"),
        pytest.param(["ask", "status"], b"", "status", id="name-of-a-command"),
        pytest.param(["-"], b"caf\xe9", "caf\ufffd", id="bytes-that-are-no-text"),
        pytest.param([b"caf\xe9"], b"", "caf\ufffd", id="argument-that-is-no-text"),
    ],
)
def test_the_prompt_is_the_input_and_the_words(words, input, prompt):
    with FakeSpace() as space:
        assert run(*words, space=space.url, input=input).returncode == 0
        assert asked(space)[0] == prompt


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["-m", "Qwen2.5-7B-Instruct", "-s", "Be brief.", "Hi"], id="short"),
        pytest.param(["Hi", "--model", "7B", "--system=Be brief."], id="long-and-behind"),
    ],
)
def test_the_options_reach_the_space(options):
    with FakeSpace() as space:
        assert run(*options, space=space.url).returncode == 0
        assert asked(space) == ["Hi", [], "Be brief.", "7B"]


def test_inputs_reach_the_space_by_their_labels():
    asked = []

    def answer(question):
        asked.append(question.inputs)
        return "Hello"

    with FakeSpace(answer, shape="two_steps_options") as space:
        done = run("Hi", "--input", "Temperature=0.2", space=space.url)
    assert (done.returncode, done.stdout) == (0, b"Hello\n")
    assert asked == [{"Temperature": 0.2}]


def test_the_space_of_the_arguments_comes_before_that_of_the_environment():
    with FakeSpace() as other, FakeSpace() as space:
        assert run("Hi", "--space", space.url, space=other.url).returncode == 0
        assert not other.requests


def test_the_proxy_is_asked():
    with FakeSpace() as proxy:
        done = run("Hi", "--proxy", proxy.url, space="http://space.example")
        assert done.stdout == b"Hello world\n"
        assert all(request.target.startswith("http://space.example/") for request in proxy.requests)


def test_the_login_is_for_the_space_of_the_environment_alone():
    with FakeSpace(auth=("ann", "a:b")) as space, FakeSpace() as other:
        done = run("Hi", space=space.url, QWEN25_AUTH="ann:a:b")
        assert (done.returncode, done.stdout) == (0, b"Hello world\n")
        done = run("Hi", "--space", other.url, space=space.url, QWEN25_AUTH="ann:a:b")
        assert (done.returncode, done.stdout) == (0, b"Hello world\n")
        assert not any(request.path == "/login" for request in other.requests)


def test_the_login_is_sent_to_none_of_several_spaces():
    with FakeSpace() as space, FakeSpace() as other:
        done = run("Hi", space=f"{space.url},{other.url}", QWEN25_AUTH="ann:a:b")
        assert (done.returncode, done.stdout) == (0, b"Hello world\n")
        for each in (space, other):
            assert not any(request.path == "/login" for request in each.requests)


# Exit codes


@pytest.mark.parametrize(
    "code, arguments, faults, words",
    [
        pytest.param(1, [], {"answer": Fail("no memory")}, ["no memory", "Ask again"], id="failed"),
        pytest.param(1, [], {"answer": ["Hel", Drop()]}, ["broke", "Ask again"], id="broken-off"),
        pytest.param(
            1, [], {"config": Reply(200, "[]", {"Content-Type": "a/b"})}, [], id="protocol"
        ),
        pytest.param(2, ["-m", "9B"], {}, ["9B", "72B", "7B"], id="model"),
        pytest.param(2, ["--timeout", "-1"], {}, ["timeout"], id="timeout-value"),
        pytest.param(69, [], {"config": Reply(404)}, ["no Gradio app"], id="not-found"),
        pytest.param(69, [], {"config": Reply(200, "<p>asleep")}, ["web page"], id="web-page"),
        pytest.param(69, ["--space", "http://127.0.0.1:9"], {}, ["Connection"], id="connection"),
        pytest.param(
            75, [], {"join": Reply(503, {"detail": "Queue is full."})}, ["full"], id="queue-full"
        ),
        pytest.param(75, [], {"join": Reply(429)}, ["429", "later"], id="rate-limit"),
        pytest.param(
            75, ["--timeout", "0.3"], {"answer": Hang()}, ["0.3", "--timeout"], id="timeout"
        ),
        pytest.param(77, [], {"auth": ("ann", "b")}, ["QWEN25_AUTH", "HF_TOKEN"], id="login"),
    ],
)
def test_a_failure_is_one_line_the_next_step_and_an_exit_code(code, arguments, faults, words):
    with FakeSpace(**faults) as space:
        done = run("Hi", *arguments, space=space.url)
    assert done.returncode == code, done.stderr
    assert one_line(done.stderr, *words)
    assert done.stdout == (b"Hel\n" if "answer" in faults and "Hel" in faults["answer"] else b"")


@pytest.mark.parametrize("phase", ["connect", "queue", "wake", "idle", "total"])
def test_the_next_step_after_a_timeout_is_one_of_the_shell(phase, capsys):
    error = Deadline(Timeout(queue=9), Clock()).timeout_error(phase)
    assert report(error, 0) == 75
    said = capsys.readouterr().err
    assert one_line(said.encode(), str(error.args[0])) and "Timeout(" not in said


@pytest.mark.parametrize(
    "arguments, words",
    [
        pytest.param(["--nonsense", "Hi"], ["--nonsense", "--help"], id="unknown-option"),
        pytest.param(["--timeout", "soon", "Hi"], ["soon"], id="no-number"),
        pytest.param(["models", "Hi"], ["Hi"], id="too-many"),
        pytest.param([], ["nothing to ask"], id="nothing"),
        pytest.param([" "], ["nothing to ask"], id="empty"),
        pytest.param(["Hi", "--space", "nonsense"], ["nonsense", "Qwen/Qwen2.5"], id="space"),
        pytest.param(["Hi", "--proxy", "nonsense"], ["proxy"], id="proxy"),
        pytest.param(["Hi", "--mod", "7B"], ["--mod"], id="abbreviation"),
        pytest.param(["Hi", "-i", "0.2"], ["'0.2'", "Temperature=0.2"], id="input-without-label"),
        pytest.param(["Hi", "-i", " =0.2"], ["no label"], id="input-with-empty-label"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(arguments, words):
    done = run(*arguments, space="http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (2, b"")
    assert one_line(done.stderr, *words)


def test_a_login_that_is_none_is_not_shown():
    done = run("Hi", space="http://127.0.0.1:9", QWEN25_AUTH="secret")
    assert done.returncode == 2
    assert one_line(done.stderr, "QWEN25_AUTH") and b"secret" not in done.stderr


def test_ctrl_c_makes_the_space_stop_and_is_130():
    with FakeSpace(["Hello", Hang()]) as space:
        with Process("Hi", space=space.url, terminal=()) as process:
            process.until("Hello")
            assert process.end(interrupting=True) == 130
            assert process.output == b"Hello\n"
            assert process.process.stderr.read() == b""
        space.wait_for(lambda: space.left == 1)


# Standard output that ends


def test_a_closed_pipe_ends_it_quietly():
    with FakeSpace(Repeat(["line\n", Delay(0.001)])) as space:
        process = subprocess.Popen(
            [*COMMAND, "Hi"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(space.url),
        )
        assert process.stdout.readline() == b"line\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait(PATIENCE) == 0
        space.wait_for(lambda: space.left == 1)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("command", [["Hi"], ["--json", "Hi"], ["models"], ["status"]])
def test_a_full_disk_is_one_line_and_code_1(command):
    with FakeSpace() as space, open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, *command],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(space.url),
            timeout=PATIENCE,
        )
    assert done.returncode == 1
    assert one_line(done.stderr, "No space left on device", "standard")


@pytest.mark.skipif(os.name != "posix", reason="needs a shell that can close standard streams")
@pytest.mark.parametrize(
    "closing, code, out",
    [(">&-", 1, ""), ("2>&-", 0, "Hello world\n"), ("<&-", 0, "Hello world\n")],
)
def test_a_standard_stream_can_be_closed(closing, code, out):
    with FakeSpace() as space:
        line = f'"{sys.executable}" -m qwen25 Hi {closing}'
        done = subprocess.run(
            ["sh", "-c", line],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(space.url),
            timeout=PATIENCE,
        )
    assert (done.returncode, done.stdout.decode()) == (code, out)
    assert not code or one_line(done.stderr, "standard output is closed")


@pytest.mark.parametrize(
    "script, out",
    [(["naïve", " ☃"], b"na\xefve ?\n"), (["half \ud83d"], b"half ?\n")],
    ids=["latin-1", "half-a-character"],
)
def test_what_an_encoding_lacks_is_replaced(script, out):
    with FakeSpace(script, protocol="sse_v1") as space:
        done = run("Hi", space=space.url, PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stdout, done.stderr) == (0, out, b"")


# What else is said


def test_what_the_space_says_of_a_failure_is_harmless_and_one_line():
    with FakeSpace(Fail("bad\n\x1b]52;c;aGk=\x07 \x9b2J\u202e thing")) as space:
        done = run("Hi", space=space.url)
    assert done.returncode == 1
    assert one_line(done.stderr, "bad", "thing")
    assert done.stderr.decode().strip().isprintable()


def test_a_fault_of_the_program_says_so_and_asks_for_a_report(capsys):
    assert report(RuntimeError("no such\nthing"), 0) == 1
    assert one_line(capsys.readouterr().err.encode(), "RuntimeError: no such thing", "report it")


def test_verbose_logs_and_a_traceback_comes_with_more_only():
    with FakeSpace(["Hel", Fail("\x1b[31m no memory")]) as space:
        quiet, some, more = (run("Hi", *v, space=space.url) for v in ([], ["-v"], ["-vv"]))
    assert {quiet.stdout, some.stdout, more.stdout} == {b"Hel\n"}
    assert b"Traceback" not in quiet.stderr + some.stderr
    assert b"DEBUG" not in some.stderr
    assert b"Traceback" in more.stderr and b"DEBUG" in more.stderr
    assert b"\x1b" not in more.stderr


def test_what_is_logged_is_harmless():
    with FakeSpace(["\x1b[2JHello"]) as space:
        done = run("-vv", "Hi", space=space.url)
    assert b"\x1b" in done.stdout and b"\x1b" not in done.stderr
    assert "answered: \u241b[2JHello" in done.stderr.decode()


def test_verbose_tells_of_new_tries():
    with FakeSpace(first=[Drop()]) as space:
        done = run("-v", "Hi", space=space.url)
    assert (done.returncode, done.stdout) == (0, b"Hello world\n")
    assert b"INFO trying again" in done.stderr


@pytest.mark.parametrize("command", [[], ["ask"], ["chat"], ["models"], ["status"], ["serve"]])
def test_help_costs_no_import_of_requests(command):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "qwen25", *command, "--help"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        timeout=PATIENCE,
    )
    assert done.returncode == 0
    assert done.stdout.startswith(b"usage: qwen25")
    imported = {line.rpartition(b"|")[2].strip() for line in done.stderr.splitlines()}
    assert b"qwen25.cli" in imported
    assert not imported & {b"requests", b"urllib3", b"rich", b"markdown_it", b"readline", b"ssl"}


def test_help_names_every_command_and_what_the_environment_says():
    text = run("--help").stdout.decode()
    for word in ("ask", "chat", "batch", "serve", "models", "status", "HF_TOKEN", "QWEN25_AUTH"):
        assert word in text


def test_an_answer_over_pipes_costs_no_import_of_rich():
    with FakeSpace() as space:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "qwen25", "Hi"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(space.url),
            timeout=PATIENCE,
        )
    assert done.stdout == b"Hello world\n"
    assert b"| rich" not in done.stderr and b" requests\n" in done.stderr
