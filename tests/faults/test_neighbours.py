"""Libraries that change requests, urllib3 or sockets, and under which this one works as it is."""

from __future__ import annotations

import subprocess
import sys

import pytest
import requests
import responses
from recordings import config, stream_bytes

from qwen25 import Client
from qwen25.testing import FakeSpace, Gate

NAME = "gradio-4.44.1-modelscope"


def is_live(space, gate, client):
    """Whether a piece is handed out before the next is written."""
    gate.clear()
    stream = client.stream("Hi")
    first = next(stream)
    gate.set()
    return first == "Hello" and "".join(stream) == " world"


@pytest.mark.parametrize("how", ["session", "installed"])
def test_requests_cache_does_not_make_a_stream_late(how, tmp_path):
    requests_cache = pytest.importorskip("requests_cache")
    gate = Gate()
    with FakeSpace(["Hello", gate, " world"]) as space:
        if how == "session":
            with requests_cache.CachedSession(str(tmp_path / "cache")) as session:
                with Client(space.url, session=session, timeout=20) as client:
                    assert is_live(space, gate, client) and is_live(space, gate, client)
        else:
            requests_cache.install_cache(str(tmp_path / "cache"))
            try:
                with Client(space.url, timeout=20) as client:
                    assert is_live(space, gate, client) and is_live(space, gate, client)
            finally:
                requests_cache.uninstall_cache()


def test_cachecontrol_does_not_make_a_stream_late():
    cachecontrol = pytest.importorskip("cachecontrol")
    gate = Gate()
    with FakeSpace(["Hello", gate, " world"]) as space, requests.Session() as plain:
        session = cachecontrol.CacheControl(plain)
        with Client(space.url, session=session, timeout=20) as client:
            assert is_live(space, gate, client) and is_live(space, gate, client)


@pytest.mark.filterwarnings("ignore")
def test_vcrpy_records_an_answer_and_replays_it(tmp_path):
    vcr = pytest.importorskip("vcr")
    cassette = str(tmp_path / "answer.yaml")
    recorder = vcr.VCR(match_on=["method", "path"])
    with FakeSpace() as space:
        url = space.url
        with Client(url) as client:
            assert client.complete("Hi") == "Hello world"  # its connection is open already
            with recorder.use_cassette(str(tmp_path / "open.yaml")) as half:
                assert client.complete("Hi") == "Hello world"
            assert len(half) == 2
        with recorder.use_cassette(cassette), Client(url) as client:
            assert client.complete("Hi") == "Hello world"
    with recorder.use_cassette(cassette, record_mode="none"), Client(url) as client:
        assert client.complete("Hi") == "Hello world"


def test_responses_answers_in_the_name_of_a_space():
    with responses.RequestsMock() as web:
        web.get("https://a-b.hf.space/config", json=config(NAME))
        web.post("https://a-b.hf.space/queue/join", json={"event_id": "e1"})
        web.get(
            "https://a-b.hf.space/queue/data",
            body=stream_bytes(NAME, "answer"),
            content_type="text/event-stream",
        )
        assert Client("a/b").complete("Hi")


def test_requests_mock_answers_in_the_name_of_a_space():
    requests_mock = pytest.importorskip("requests_mock")
    with requests_mock.Mocker() as web:
        web.get("https://a-b.hf.space/config", json=config(NAME))
        web.post("https://a-b.hf.space/queue/join", json={"event_id": "e1"})
        web.get(
            "https://a-b.hf.space/queue/data",
            content=stream_bytes(NAME, "answer"),
            headers={"Content-Type": "text/event-stream"},
        )
        assert Client("a/b").complete("Hi")


GREEN = """
import sys
{patch}
from qwen25 import Client
client = Client(sys.argv[1])
together = [{spawn}(client.complete, "Hi") for _ in range(5)]
print([{result} for each in together])
"""
GREEN_LIBRARIES = {
    "gevent": (
        "from gevent import monkey; monkey.patch_all(); import gevent",
        "gevent.spawn",
        "each.get()",
    ),
    "eventlet": (
        "import warnings; warnings.simplefilter('ignore')\n"
        "import eventlet; eventlet.monkey_patch()",
        "eventlet.spawn",
        "each.wait()",
    ),
}


@pytest.mark.parametrize("library", GREEN_LIBRARIES)
def test_green_threads_ask_at_once(library):
    found = subprocess.run([sys.executable, "-c", f"import {library}"], capture_output=True)
    if found.returncode:
        pytest.skip(f"could not import {library}")
    patch, spawn, result = GREEN_LIBRARIES[library]
    script = GREEN.format(patch=patch, spawn=spawn, result=result)
    with FakeSpace() as space:
        done = subprocess.run(
            [sys.executable, "-c", script, space.url], capture_output=True, text=True, timeout=60
        )
    assert done.stdout == f"{['Hello world'] * 5}\n", done.stderr
