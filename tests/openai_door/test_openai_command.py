"""`qwen25 api` in a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading

import pytest
import requests
from doors import PATIENCE

from qwen25 import Client
from qwen25.testing import FakeSpace

COMMAND = [sys.executable, "-m", "qwen25", "api"]


@pytest.fixture
def api():
    """Start the command; it is ended with Ctrl-C."""
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    processes = []

    def start(*arguments):
        process = subprocess.Popen(
            [*COMMAND, "--port", "0", *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE
        )
        processes.append(process)
        line = process.stderr.readline().decode()
        found = re.search(r"http://\S+/v1", line)
        assert found, line + process.stderr.read().decode()
        return found[0]

    yield start
    for process in processes:
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, output, errors) == (130, b"", b"")


def test_the_command_answers_until_ctrl_c(api):
    with FakeSpace("Hello") as space:
        url = api("--space", space.url, "--alias", "gpt-4o-mini=7B")
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
        response = requests.post(f"{url}/chat/completions", json=body, timeout=PATIENCE)
    assert response.json()["choices"][0]["message"]["content"] == "Hello"
    assert response.json()["model"] == "7B"


def test_after_ctrl_c_the_server_ends_before_its_address_is_closed():
    serve = pytest.importorskip("qwen25.openai").serve
    pytest.importorskip("uvicorn")
    main = threading.main_thread().ident
    with FakeSpace() as space, Client(space.url) as client:
        with pytest.raises(KeyboardInterrupt), serve(client) as server:
            [thread] = [each for each in threading.enumerate() if each.name == "qwen25-openai"]
            interrupt = threading.Timer(0.2, signal.pthread_kill, [main, signal.SIGINT])
            interrupt.start()
            server.wait()
        interrupt.join()
        assert thread.ident not in sys._current_frames()


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (("--alias", "gpt-4"), 2, b"NAME=SIZE"),
        (("--origin", "*"), 2, b"origin"),
        (("--workers", "0"), 2, b"workers"),
        (("--host", "0.0.0.0"), 2, b"QWEN25_API_KEY"),
        (("--port", "99999"), 2, b"port"),
        (("--host", "192.0.2.1"), 2, b"QWEN25_API_KEY"),
    ],
)
def test_what_cannot_be_served_is_told_in_a_line(arguments, code, words):
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    done = subprocess.run([*COMMAND, *arguments], stderr=subprocess.PIPE, timeout=PATIENCE)
    assert done.returncode == code
    assert words in done.stderr and done.stderr.count(b"\n") == 1
