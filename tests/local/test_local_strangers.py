"""What a stranger who can reach the page gets: answers to text questions, and nothing else."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest
from conftest import PATIENCE, requests, turn

import qwen25
from qwen25.local import app, guard
from qwen25.local import space as space_module

FILE = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}


def join(space, history=(), headers=None, query="hi", **more):
    return requests.post(
        f"{space.url}/gradio_api/queue/join",
        json={
            "data": [query, list(history), "", "72B"],
            "event_data": None,
            "fn_index": 3,
            "trigger_id": 25,
            "session_hash": "stranger",
            **more,
        },
        headers=headers,
        timeout=PATIENCE,
    )


def files_below(folder):
    return {path for path in Path(folder).rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def cache(space):
    """Where Gradio keeps files."""
    from gradio.utils import get_upload_folder

    return get_upload_folder()


# Files


@pytest.mark.parametrize("origin", [None, "http://evil.example"])
def test_an_upload_is_refused_and_leaves_nothing_on_the_disk(space, cache, origin):
    before = files_below(cache)
    answer = requests.post(
        f"{space.url}/gradio_api/upload",
        files={"files": ("big.bin", b"x" * 30_000_000)},
        headers={"Origin": origin} if origin else {},
        timeout=PATIENCE,
    )
    assert answer.status_code == 403
    assert files_below(cache) == before


@pytest.mark.parametrize(
    "content",
    [
        pytest.param([{"type": "file", "file": FILE}], id="file"),
        pytest.param([{"type": "file", "file": {"path": "/etc/hostname"}}], id="without meta"),
        pytest.param(FILE, id="bare"),
        pytest.param({"url": "http://127.0.0.1:9/x", **FILE}, id="address"),
        pytest.param(
            [{"type": "component", "component": "file", "value": FILE, "props": {}}], id="component"
        ),
    ],
)
def test_a_history_that_names_a_file_is_refused_and_nothing_is_copied(space, cache, content):
    before = files_below(cache)
    history = [{"role": "user", "content": content}, turn("assistant", "ok")]
    assert join(space, history).status_code == 403
    assert join(space, query=FILE).status_code == 403
    assert files_below(cache) == before


def test_a_file_hidden_by_json_escapes_is_refused(space):
    body = json.dumps({"data": ["hi", [{"role": "user", "content": FILE}], "", "72B"]})
    answer = requests.post(
        f"{space.url}/gradio_api/queue/join",
        data=body.replace("path", "p\\u0061th").replace("gradio.File", "gr\\u0061dio.File"),
        headers={"Content-Type": "application/json"},
        timeout=PATIENCE,
    )
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "gradio_api/file=/etc/hostname",
        "gradio_api/file//etc/hostname",
        "gradio_api/proxy=https://huggingface.co/",
        "gradio_api/stream/x/y/z/playlist-file",
        "gradio_api/deep_link?session_hash=stranger",
        "gradio_api/run-history/buckets",
        "gradio_api/vibe-code/",
        "monitoring",
        "monitoring/summary",
        "static/../../../../../../etc/hostname",
        "assets/..%2f..%2f..%2f..%2f..%2f..%2fetc%2fhostname",
    ],
)
def test_what_is_no_question_is_not_read(space, path):
    session = requests.Session()
    request = session.prepare_request(requests.Request("GET", space.url))
    request.url = f"{space.url}/{path}"  # as it is: dots and all
    assert session.send(request, timeout=PATIENCE).status_code in (400, 403, 404)


@pytest.mark.parametrize(
    "path", ["gradio_api/process_recording", "gradio_api/vibe-edit", "gradio_api/run/model_chat"]
)
def test_what_is_no_question_is_not_taken(space, path):
    assert requests.post(f"{space.url}/{path}", json={}, timeout=PATIENCE).status_code == 403


def test_a_request_without_end_is_cut_off(space):
    def body():
        for _ in range(guard.LARGEST_REQUEST // 65536 + 2):
            yield b" " * 65536

    answer = requests.post(
        f"{space.url}/gradio_api/queue/join", data=body(), timeout=PATIENCE, stream=True
    )
    assert answer.status_code == 413


def test_a_sender_that_never_ends_is_read_up_to_a_limit():
    read, sent = [], []

    async def receive():
        read.append(1 << 20)
        assert len(read) < 100
        return {"type": "http.request", "body": bytes(1 << 20), "more_body": True}

    async def send(message):
        sent.append(message.get("status", "text"))

    scope = {"type": "http", "method": "POST", "path": "/gradio_api/queue/join"}
    scope["headers"] = [(b"host", b"127.0.0.1")]
    asyncio.run(guard.Guard(None, "127.0.0.1")(scope, receive, send))
    assert sent == [413, "text"]
    assert sum(read) == 16 * guard.LARGEST_REQUEST + (1 << 20)


@pytest.mark.parametrize("part", [{"type": "image", "url": "http://a.example/"}, {"type": None}])
def test_a_part_of_another_type_than_text_is_refused_without_a_path_too(part):
    guard.check_body(json.dumps([{"type": "text", "text": "Hi"}]).encode())
    with pytest.raises(guard.Refused) as caught:
        guard.check_body(json.dumps([part]).encode())
    assert caught.value.status == 403


def test_a_request_is_read_to_its_end_before_it_is_refused():
    """A connection that closes on a sender is reset, and the answer is lost."""
    events = []
    parts = [{"type": "http.request", "body": b"x", "more_body": more} for more in (True, False)]

    async def receive():
        events.append("read")
        return parts.pop(0)

    async def send(message):
        events.append(message.get("status", "text"))

    scope = {"type": "http", "method": "POST", "path": "/gradio_api/upload", "headers": []}
    asyncio.run(guard.Guard(None, "127.0.0.1")(scope, receive, send))
    assert events == ["read", "read", 421, "text"]


@pytest.mark.parametrize("body", [b"\xff", b"{", b"[" * 100_000])
def test_what_is_not_json_is_refused(space, body):
    answer = requests.post(f"{space.url}/gradio_api/queue/join", data=body, timeout=PATIENCE)
    assert answer.status_code == 400


# Other sites


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "10.1.2.3", "a@b:c", ""])
def test_a_foreign_host_is_not_answered(space, host):
    """A page can rebind a name of its own to this machine; its requests still carry that name."""
    for path in ("", "/config"):
        answer = requests.get(f"{space.url}{path}", headers={"Host": host}, timeout=PATIENCE)
        assert answer.status_code in (400, 421)
    assert join(space, headers={"Host": host}).status_code in (400, 421)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1.evil.example"]
)
def test_a_page_of_another_site_cannot_ask(space, origin):
    assert join(space, headers={"Origin": origin}).status_code == 403
    answer = requests.get(f"{space.url}/config", headers={"Origin": origin}, timeout=PATIENCE)
    assert answer.status_code == 403


def test_the_space_s_own_page_can_ask(space, ask):
    for origin in (space.url, space.url.replace("127.0.0.1", "localhost")):
        assert join(space, headers={"Origin": origin}).status_code == 200


@pytest.mark.parametrize(
    "host, asked, answered",
    [
        ("127.0.0.1", "127.0.0.1:7860", True),
        ("127.0.0.1", "LOCALHOST", True),
        ("127.0.0.1", "[::1]:7860", True),
        ("127.0.0.1", "192.168.1.5:7860", False),
        ("192.168.1.5", "192.168.1.5:7860", True),
        ("box.lan", "Box.lan:7860", True),
        ("box.lan", "evil.example", False),
        ("0.0.0.0", "192.168.1.5:7860", True),
        ("0.0.0.0", "evil.example", False),
        ("0.0.0.0", None, False),
        ("::", "[fd00::5]:7860", True),
        ("127.0.0.1", "[::1", False),
        ("127.0.0.1", "[::1].site.example", False),
        ("127.0.0.1", "[::1].site.example:7860", False),
    ],
)
def test_the_hosts_that_are_answered_follow_from_the_address(host, asked, answered):
    if answered:
        guard.check_sender(host, asked, None)
    else:
        with pytest.raises(guard.Refused):
            guard.check_sender(host, asked, None)


def test_on_every_address_a_page_of_another_address_cannot_ask():
    guard.check_sender("0.0.0.0", "192.168.1.5:7860", "http://192.168.1.5:7860")
    with pytest.raises(guard.Refused):
        guard.check_sender("0.0.0.0", "192.168.1.5:7860", "http://6.6.6.6")


# Many, and too much


class Waiting:
    """A model that answers once it is told to."""

    def __init__(self):
        from test_local_space import Parrot

        self.gguf, self.go, self.begun = Parrot().gguf, threading.Event(), threading.Event()

    def answer(self, messages):
        self.begun.set()
        assert self.go.wait(PATIENCE)
        yield messages[-1]["content"].upper()

    def close(self):
        self.go.set()


@pytest.fixture
def waiting_space(extra):
    model = Waiting()
    space = space_module.Space(model, "127.0.0.1", None)
    yield space, model
    space.close()


def test_twenty_users_at_once_are_all_answered(waiting_space):
    space, model = waiting_space
    answers = {}

    def use(number):
        with qwen25.Client(space.url, max_retries=0, timeout=PATIENCE) as client:
            answers[number] = client.complete(f"question {number}")

    users = [threading.Thread(target=use, args=(number,)) for number in range(20)]
    for user in users:
        user.start()
    assert model.begun.wait(PATIENCE)
    model.go.set()
    for user in users:
        user.join(PATIENCE)
    assert answers == {number: f"QUESTION {number}" for number in range(20)}


def test_a_question_beyond_the_queue_is_told_that_it_is_full(waiting_space):
    space, model = waiting_space
    assert join(space).ok and model.begun.wait(PATIENCE)
    for number in range(app.LONGEST_QUEUE):
        assert join(space, session_hash=f"user{number}").ok
    with qwen25.Client(space.url, max_retries=0) as client:
        with pytest.raises(qwen25.QueueFullError):
            client.complete("one too many")


def test_a_prompt_beyond_the_context_is_an_error_and_the_next_one_is_answered(space, ask):
    with qwen25.Client(space.url, max_retries=0) as client:
        with pytest.raises(qwen25.GenerationError, match="8192 tokens"):
            client.complete("word " * 9000)
        assert "Paris" in client.complete("What is the capital of France?")


def test_a_prompt_beyond_the_largest_request_is_an_error(space):
    with qwen25.Client(space.url, max_retries=0) as client:
        with pytest.raises(qwen25.QwenError) as caught:
            client.complete("word " * 1_000_000)
    assert caught.value.status == 413
