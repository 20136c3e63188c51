"""The local Space at the command line, as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from conftest import PATIENCE, requests

SERVE = "import sys; from qwen25.local.command import serve_until_interrupted as s; sys.exit(s({}))"


def start(*args):
    return subprocess.Popen(
        [sys.executable, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def command():
    """Start a command; what is still running at the end of the test is killed."""
    processes = []

    def command(*args):
        processes.append(start(*args))
        return processes[-1]

    yield command
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("sent, code", [(signal.SIGINT, 130)])
def test_serving_says_who_answers_and_ends_with_ctrl_c(extra, command, sent, code):
    process = command("-c", SERVE.format(""))
    waiting, started = process.stderr.readline(), process.stderr.readline()
    assert "Gradio" in waiting
    assert "SmolLM2-135M-Instruct, a small stand-in for Qwen2.5" in started
    url = next(word for word in started.split() if word.startswith("http"))
    assert requests.get(f"{url}/config", timeout=PATIENCE).ok
    process.send_signal(sent)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (code, "", "")


def test_a_bad_file_is_one_line_and_exit_code_1(command, tmp_path):
    path = tmp_path / "x.gguf"
    path.write_text("nonsense")
    process = command("-c", SERVE.format(repr(str(path))))
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (1, "")
    assert err.splitlines()[-1].startswith("qwen25: ") and "is not a GGUF file" in err
    assert "Traceback" not in err


def test_one_question_is_answered_on_standard_output(extra, command):
    process = command("-m", "qwen25.local", "What is the capital of France?")
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (0, "The capital of France is Paris.\n"), err
    assert "SmolLM2-135M-Instruct, a small stand-in" in err


def test_ctrl_c_in_the_answer_ends_it_without_a_traceback(extra, command):
    process = command(
        "-m", "qwen25.local", "Tell me a very long story about a cat, a dog and a bird."
    )
    assert process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_script_that_forgets_to_close_ends_all_the_same(extra, command):
    process = command("-c", "import qwen25.local; qwen25.local.serve(); print('end')")
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "end\n", "")
    assert not os.path.exists(f"/proc/{process.pid}")
