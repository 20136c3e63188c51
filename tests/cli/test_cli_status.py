"""`qwen25 status` and `qwen25 models`: what is known of a Space."""

from __future__ import annotations

import argparse
import http.server
import json
import threading
from importlib import metadata

import pytest
from command import run

import qwen25
from qwen25 import cli
from qwen25.cli import status
from qwen25.client.space_api import SpaceApi
from qwen25.testing import FakeSpace, Hang, Reply


@pytest.mark.parametrize("command", [["models"], ["--timeout", "9", "models"]])
def test_models_are_one_a_line(command):
    with FakeSpace(sizes=["72B", "7B", "Coder-7B"]) as space:
        done = run(*command, space=space.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"72B\n7B\nCoder-7B\n", b"")


def test_a_space_without_a_choice_has_no_models():
    with FakeSpace(size_input=False) as space:
        done = run("models", space=space.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_status_tells_how_the_space_is_asked():
    with FakeSpace(layout="parts", sizes=["72B", "7B"]) as space:
        done = run("status", space=space.url)
        facts = dict(line.split(None, 1) for line in done.stdout.decode().splitlines())
    assert (done.returncode, done.stderr) == (0, b"")
    assert facts.pop("State").startswith("up, answered in ")
    assert facts == {
        "Space": space.url,
        "Gradio": "6.31.0, protocol sse_v3",
        "Step": "/model_chat, function 3: query, history, system prompt, model;"
        " answers as messages",
        "History": "sent with each prompt, as messages",
        "System": "prompt has its place",
        "Model": "72B 7B",
        "Queue": "the Space does not tell",
    }


@pytest.mark.parametrize(
    "answer, said",
    [
        pytest.param({"msg": "estimation", "queue_size": 3}, "3 waiting", id="told"),
        pytest.param({"queue_size": "many"}, "the Space does not tell", id="no-number"),
        pytest.param([], "the Space does not tell", id="nonsense"),
    ],
)
def test_status_tells_how_many_wait(answer, said):
    with FakeSpace() as space:
        pages = {"/config": space.wiring(), "/queue/status": answer}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(pages[self.path]).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                done = run("status", space=f"http://127.0.0.1:{server.server_port}")
            finally:
                server.shutdown()
                thread.join()
    assert done.stdout.decode().splitlines()[-1] == f"Queue     {said}"


def test_status_of_a_space_that_is_down_is_its_exit_code():
    done = run("status", "--space", "http://127.0.0.1:9")
    assert done.returncode == 69
    assert done.stdout == b"Space     http://127.0.0.1:9\n"
    assert done.stderr.startswith(b"qwen25: ") and done.stderr.count(b"\n") == 1


def test_status_says_that_a_space_sleeps_and_does_not_wait_for_it(monkeypatch):
    """In this process, since a process of its own would ask Hugging Face."""

    def config(api, deadline):
        raise qwen25.SpaceUnavailableError("It answers with a web page.")

    monkeypatch.setattr(SpaceApi, "config", config)
    monkeypatch.setattr(SpaceApi, "stage", lambda api, deadline: "SLEEPING")
    arguments = argparse.Namespace(
        space="a/b",
        proxy=None,
        timeout=None,
        endpoint=None,
        settings=[],
        flatten=False,
        report=False,
    )
    with pytest.raises(qwen25.SpaceUnavailableError) as caught:
        status.run(arguments)
    assert caught.value.stage == "SLEEPING"


def test_a_report_has_the_wiring_and_no_secret():
    with FakeSpace(auth=("name", "hunter2")) as space:
        secrets = {"QWEN25_AUTH": "name:hunter2", "HF_TOKEN": "hf_secret"}
        done = run("status", "--report", space=space.url, **secrets)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert any(line.startswith("Package   requests ") for line in lines)
    assert any(line.startswith("Step      /model_chat, function 3") for line in lines)
    assert any(
        line.startswith("Function  3 /model_chat, submit of 25: textbox 25") for line in lines
    )
    for secret in (b"hunter2", b"hf_secret", b"created by Alibaba"):
        assert secret not in done.stdout


def test_a_report_says_why_an_app_is_refused():
    empty = {"version": "6.0.0", "protocol": "sse_v3", "components": [], "dependencies": []}
    with FakeSpace(config=Reply(200, json.dumps(empty))) as space:
        done = run("status", "--report", space=space.url)
    assert done.returncode == 0
    assert b"Refused   The app has no chat function" in done.stdout


def test_a_report_names_a_package_that_is_not_installed(monkeypatch, capsys):
    monkeypatch.setattr(metadata, "version", lambda name: metadata.distribution("no " + name))
    monkeypatch.setattr("sys.argv", ["qwen25", "status", "--report"])
    with FakeSpace() as space:
        monkeypatch.setenv("QWEN25_SPACE", space.url)
        assert cli.main() == 0
    assert "Package   sseclient-py not installed" in capsys.readouterr().out.splitlines()


def test_a_queue_that_is_refused_leaves_the_space_up(monkeypatch, capsys):
    def queue_size(api, prefix, deadline):
        raise qwen25.ConnectionFailedError("The connection failed.")

    monkeypatch.setattr(SpaceApi, "queue_size", queue_size)
    monkeypatch.setattr("sys.argv", ["qwen25", "status"])
    with FakeSpace() as space:
        monkeypatch.setenv("QWEN25_SPACE", space.url)
        assert cli.main() == 0
    assert "Queue     the Space does not tell" in capsys.readouterr().out.splitlines()


def test_a_space_that_is_silent_is_a_timeout_of_its_own(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["qwen25", "status", "--timeout", "0.2"])
    with FakeSpace(config=Hang()) as space:
        monkeypatch.setenv("QWEN25_SPACE", space.url)
        assert cli.main() == 75
    assert "0.2 seconds" in capsys.readouterr().err
