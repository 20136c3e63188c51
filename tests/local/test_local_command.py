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


def address(process):
    """Where a command that serves answers, once it says so."""
    assert "Gradio" in process.stderr.readline()
    return next(word for word in process.stderr.readline().split() if word.startswith("http"))


SIGNALS = pytest.mark.parametrize(
    "sent, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)


@SIGNALS
def test_serving_says_who_answers_and_ends_with_a_signal(extra, command, sent, code):
    process = command("-c", SERVE.format(""))
    waiting, started = process.stderr.readline(), process.stderr.readline()
    assert "Gradio" in waiting
    assert "SmolLM2-135M-Instruct, a small stand-in for Qwen2.5" in started
    url = next(word for word in started.split() if word.startswith("http"))
    assert requests.get(f"{url}/config", timeout=PATIENCE).ok
    process.send_signal(sent)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (code, "", "")


@SIGNALS
@pytest.mark.parametrize(
    "prompt",
    ["Tell me a very long story about a cat, a dog and a bird.", "word " * 3000],
    ids=["writing", "reading"],
)
def test_a_signal_in_the_middle_of_an_answer_ends_in_order(extra, command, ask, prompt, sent, code):
    """Longer, as a script: `python tests/local/stop_rounds.py 100`."""
    process = command("-m", "qwen25", "serve")
    question = ask(address(process), prompt)
    question.until("process_generating")
    process.send_signal(sent)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (code, "", "")


STOPPED_WHILE_WAITING = """if True:
    import os, signal, sys, threading, qwen25.local
    space = qwen25.local.serve()
    thread = space._thread.ident
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        space.wait()
    except KeyboardInterrupt:
        space.close()
        # `is_alive` is wrong after an interrupted `join` before Python 3.13.
        print(thread in sys._current_frames())
"""


def test_closing_after_ctrl_c_waits_for_the_space_s_thread(extra, command):
    """Python aborts when it ends while that thread is at work in numpy or llama.cpp."""
    process = command("-c", STOPPED_WHILE_WAITING)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "False\n", "")


STOPPED_WHILE_LOADING = """if True:
    import os, signal, sys, xllamacpp
    from qwen25.local.command import serve_until_interrupted
    class Server:
        def __init__(self, parameters):
            os.kill(os.getpid(), signal.SIGINT)
        def handle_completions(self, request):
            print("runs")
    xllamacpp.Server = Server
    sys.exit(serve_until_interrupted())
"""


def test_ctrl_c_while_the_model_is_loaded_does_not_drop_it_half_made(extra, command):
    """llama.cpp waits for ever when it is dropped before its own loop runs."""
    process = command("-c", STOPPED_WHILE_LOADING)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (130, "runs\n")
    assert "Traceback" not in err


STOPPED_TWICE = """if True:
    import os, signal, sys, threading
    from qwen25.local import model
    from qwen25.local.command import serve_until_interrupted
    def close(self):
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait()
    model.Model.close = close
    sys.exit(serve_until_interrupted())
"""


def test_a_second_ctrl_c_ends_the_process_at_once(extra, command):
    process = command("-c", STOPPED_TWICE)
    address(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (130, "", "")


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
