"""`qwen25 chat`, over pipes and on a terminal."""

from __future__ import annotations

import io
import json
import os
import sys

import pytest
from command import Process, run

from qwen25 import cli
from qwen25.testing import Fail, FakeSpace, Hang

UP, LEFT = "\x1b[A", "\x1b[D"


def echo(question):
    """Say what was asked, and after how many messages."""
    return [f"{question.prompt}|{len(question.history)}|{question.system[:5]}|{question.size}"]


def talk(*lines, space, arguments=(), **changes):
    """A chat over pipes."""
    text = "".join(f"{line}\n" for line in lines)
    return run("chat", *arguments, space=space.url, input=text.encode(), **changes)


# Over pipes


def test_a_pipe_gets_the_answers_and_nothing_else():
    with FakeSpace(echo) as space:
        done = talk("one", "two", "", "  ", "/exit", "three", space=space)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"one|0|You a|72B\ntwo|2|You a|72B\n"


def test_the_history_is_that_of_the_talk():
    with FakeSpace(lambda question: [json.dumps(question.history)]) as space:
        done = talk("one", "two", space=space)
    assert json.loads(done.stdout.splitlines()[1]) == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "[]"},
    ]


@pytest.mark.parametrize(
    "lines, message",
    [
        pytest.param(["a\\", "b\\", "c"], "a\nb\nc", id="backslash"),
        pytest.param(['"""a', "", "/b\\", 'c"""'], "a\n\n/b\\\nc", id="quotes"),
        pytest.param(['"""', "a", '"""'], "\na\n", id="quotes-alone"),
        pytest.param(['"""a"""'], "a", id="quotes-in-one-line"),
        pytest.param([" /etc"], " /etc", id="space-before-a-slash"),
        pytest.param(['"""a', "b"], "a\nb\n", id="end-of-input-in-quotes"),
        pytest.param(["a\\"], "a\n", id="end-of-input-after-a-backslash"),
    ],
)
def test_a_message_can_have_many_lines(lines, message):
    with FakeSpace(lambda question: [json.dumps(question.prompt)]) as space:
        done = talk(*lines, space=space)
    (answer,) = done.stdout.splitlines()
    assert json.loads(answer).rstrip("\n") == message.rstrip("\n")


def test_the_commands_do_what_they_say(tmp_path):
    path = tmp_path / "talk.json"
    with FakeSpace(echo) as space:
        done = talk(
            *("/system Brief", "/model coder-7b", "a", "/undo", "b", f"/save {path}", "/clear"),
            *("c", f"/load {path}", "d", "/undo", "/undo", "/undo", "e"),
            space=space,
            arguments=["-m", "7B", "-s", "First"],
        )
    answers = ["a|0", "b|0", "c|0", "d|2", "e|0"]
    assert done.stdout.decode().split() == [f"{answer}|Brief|Coder-7B" for answer in answers]
    assert json.loads(path.read_text("utf-8"))["messages"][0] == {"role": "user", "content": "b"}
    assert done.returncode == 0


def test_a_file_is_found_in_the_home_directory(tmp_path):
    with FakeSpace(echo) as space:
        done = talk("/save ~/talk.json", space=space, HOME=str(tmp_path))
    assert done.stderr == b"" and (tmp_path / "talk.json").exists()


def test_system_and_model_without_a_word_show_what_is_set():
    with FakeSpace(sizes=["72B", "7B"]) as space:
        done = talk("/system", "/system Be brief.", "/system", "/model", "/model 7b", space=space)
    assert done.stdout == b""
    assert done.stderr.decode().splitlines() == [
        "System prompt: that of the Space",
        "System prompt: Be brief.",
        "System prompt: Be brief.",
        "[72B] 7B",
        "72B [7B]",
    ]


@pytest.mark.parametrize(
    "line, words",
    [
        pytest.param("/nonsense", ["/nonsense", "/help"], id="unknown"),
        pytest.param("/model 9B", ["9B", "7B"], id="model"),
        pytest.param("/save", ["file"], id="save-without-a-name"),
        pytest.param("/save /nowhere/talk.json", ["written", "/save"], id="save"),
        pytest.param("/load /nowhere/talk.json", ["read", "/load"], id="load"),
        pytest.param(f"/load {os.devnull}", ["not a saved conversation"], id="load-nonsense"),
    ],
)
def test_after_a_wrong_command_the_conversation_goes_on(line, words):
    with FakeSpace(echo) as space:
        done = talk("one", line, "two", space=space)
    assert done.stdout.decode().splitlines()[1].startswith("two|2|")
    (said,) = done.stderr.decode().splitlines()
    assert said.startswith("qwen25: ") and all(word in said for word in words)


def test_help_names_every_command():
    with FakeSpace() as space:
        done = talk("/help", space=space)
    for name in ("system", "model", "undo", "clear", "save", "load", "help", "exit"):
        assert f"\n/{name}" in f"\n{done.stderr.decode()}"


def test_a_failed_answer_says_why_and_keeps_the_history():
    with FakeSpace(echo, first=[None, ["Hel", Fail("no memory")]]) as space:
        done = talk("one", "two", "three", space=space)
    answers = done.stdout.decode().splitlines()
    assert answers[1] == "Hel" and answers[2].startswith("three|2|")
    (said,) = done.stderr.decode().splitlines()
    assert "no memory. Ask again" in said
    assert done.returncode == 1


def test_where_python_has_no_readline_it_talks_all_the_same(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "readline", None)
    monkeypatch.setattr("sys.stdin", io.StringIO("Hi\n"))
    with FakeSpace() as space:
        monkeypatch.setattr("sys.argv", ["qwen25", "chat", "--space", space.url])
        assert cli.main() == 0
    assert capsys.readouterr().out == "Hello world\n"


def test_a_closed_pipe_ends_it_quietly():
    with FakeSpace(["Hello"] * 100) as space:
        with Process("chat", "--plain", space=space.url, terminal=["stdin", "stderr"]) as process:
            process.until(">>> ")
            process.process.stdout.close()
            process.type("one\n")
            assert process.end() == 0
            assert "Traceback" not in process.text and "Errno" not in process.text


# On a terminal


@pytest.fixture
def chat():
    """Start a chat on a terminal."""
    pytest.importorskip("pty")
    processes = []

    def chat(space, *arguments, **options):
        process = Process("chat", *arguments, space=space.url, TERM="dumb", **options)
        processes.append(process)
        process.until(">>> ")
        return process

    yield chat
    for process in processes:
        process.__exit__()


def test_ctrl_d_leaves(chat):
    with FakeSpace(echo) as space:
        process = chat(space)
        process.type("one\n")
        process.until("one|0|You a|72B")
        process.until(">>> ")
        process.type("\x04")
        assert process.end() == 0


def test_a_failure_that_a_person_has_seen_is_no_failure_of_the_chat(chat):
    with FakeSpace(echo, first=[Fail("no memory")]) as space:
        process = chat(space)
        process.type("one\n")
        process.until("no memory")
        process.until(">>> ")
        process.type("\x04")
        assert process.end() == 0


def test_ctrl_c_twice_leaves_and_once_does_not(chat):
    with FakeSpace(echo) as space:
        process = chat(space)
        for _ in range(2):
            process.interrupt_until("Ctrl-C once more")
            process.until(">>> ")
            process.type("one\n")
            process.until("one|")
            process.until(">>> ")
        process.interrupt_until("Ctrl-C once more")
        process.until(">>> ")
        process.interrupt_until("\r\n")
        assert process.end() == 130
        assert "Traceback" not in process.text


def test_ctrl_c_stops_an_answer_and_keeps_the_talk(chat):
    with FakeSpace(echo, first=[None, ["Some text", Hang()]]) as space:
        process = chat(space)
        process.type("one\n")
        process.until("one|0|")
        process.until(">>> ")
        process.type("two\n")
        process.until("Some text")
        process.interrupt_until("Stopped.")
        space.wait_for(lambda: space.left == 1)
        process.until(">>> ")
        process.type("three\n")
        process.until("three|2|")


def test_ctrl_c_in_a_message_of_many_lines_drops_it(chat):
    with FakeSpace(echo) as space:
        process = chat(space)
        process.type('"""a\n')
        process.until("... ")
        process.interrupt_until(">>> ")
        process.type("b\n")
        process.until("b|0|")


def test_the_arrow_keys_bring_earlier_lines_back_to_be_changed(chat):
    pytest.importorskip("readline")
    with FakeSpace(echo) as space:
        process = chat(space)
        process.type("ac\n")
        process.until("ac|0|")
        process.until(">>> ")
        process.type(f"{UP}{LEFT}b\n")
        process.until("abc|2|")


def test_what_is_typed_at_the_prompt_is_on_the_terminal_when_the_answers_are_in_a_file(chat):
    with FakeSpace(echo) as space:
        process = chat(space, terminal=["stdin", "stderr"])
        process.type("one\n")
        process.until(">>> ")
        process.type("/exit\n")
        assert process.process.stdout.read() == b"one|0|You a|72B\n"
        assert process.end() == 0


def test_an_answer_is_rendered(chat):
    pytest.importorskip("rich")
    with FakeSpace(["Some **bold** words"]) as space:
        with Process("chat", space=space.url) as process:
            process.until(">>> ")
            process.type("one\n")
            process.until("Some \x1b[1mbold\x1b[0m words")
            process.until(">>> ")
            process.type("/exit\n")
            assert process.end() == 0
