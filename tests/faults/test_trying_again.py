"""What is asked again, how often, and what a sleeping Space is given."""

import logging
import re

import pytest
import requests
import responses
from clocks import FakeClock, QuickClock
from recordings import TEXTS, config, stream_bytes

import qwen25
from qwen25 import Client, Note, Timeout
from qwen25.testing import (
    Drop,
    Fail,
    FakeSpace,
    Gate,
    Hang,
    Message,
    Replace,
    Reply,
)

SESSION_LOST = Message(
    {"msg": "unexpected_error", "message": "404: Session not found.", "session_not_found": True}
)
FULL = Reply(503, {"detail": "Queue is full. Max size is 2 and size is 2."})
SPACE = "Qwen/Qwen2.5"
URL = "https://qwen-qwen2-5.hf.space"
HUB = f"https://huggingface.co/api/spaces/{SPACE}"


def new_client(url, **arguments):
    client = Client(url, **arguments)
    client._clock = QuickClock()
    return client


def joins(space):
    return [request for request in space.requests if request.path.endswith("/queue/join")]


@pytest.mark.parametrize(
    ("faults", "tries"),
    [
        pytest.param({"join": [Drop(), FULL]}, 3, id="join drops, then is full"),
        pytest.param({"join": [Reply(429), Reply(502)]}, 3, id="429, then 502"),
        pytest.param({"join": [Reply(503), Reply(504)]}, 3, id="503, then 504"),
        pytest.param({"data": [Drop(), Reply(503)]}, 3, id="the stream fails to open"),
        pytest.param({"first": [[SESSION_LOST], [Drop()]]}, 3, id="lost before text"),
        pytest.param({"join": [Reply(500)]}, 2, id="500, which may be another wiring"),
        pytest.param({"join": [Reply(404)]}, 2, id="404, which may be another wiring"),
    ],
)
@pytest.mark.parametrize("ask", ["complete", "stream"])
def test_what_passes_is_not_seen_by_the_user(faults, tries, ask):
    with FakeSpace(["Hel", "lo"], **faults) as space, new_client(space.url) as client:
        assert "".join(getattr(client, ask)("Hi")) == "Hello"
        assert len(joins(space)) == tries


@pytest.mark.parametrize("ask", ["complete", "stream"])
@pytest.mark.parametrize("retries", [0, 1, 3])
def test_there_are_no_more_tries_than_max_retries(ask, retries):
    with FakeSpace(join=FULL) as space, new_client(space.url, max_retries=retries) as client:
        with pytest.raises(qwen25.QueueFullError):
            getattr(client, ask)("Hi")
        assert len(joins(space)) == 1 + retries
        assert len(client._clock.slept) == retries


@pytest.mark.parametrize(
    "faults",
    [
        {"join": Reply(400)},
        {"join": Reply(401)},
        {"join": Reply(403)},
        {"join": Reply(422)},
        {"join": Reply(200, b"no")},
        {"answer": [Fail("no")]},
        {"answer": [Fail("You have exceeded your GPU quota. Try again in 0:00:01")]},
    ],
    ids=str,
)
@pytest.mark.parametrize("ask", ["complete", "stream"])
def test_what_will_not_pass_is_asked_once(faults, ask):
    with FakeSpace(**faults) as space, new_client(space.url) as client:
        with pytest.raises(qwen25.QwenError):
            list(getattr(client, ask)("Hi"))
        assert len(joins(space)) == 1


def test_nothing_is_asked_again_after_a_piece_was_handed_out():
    with FakeSpace(["Hello"], first=[["Hel", Drop()]]) as space, new_client(space.url) as client:
        pieces = []
        with pytest.raises(qwen25.StreamInterruptedError) as caught:
            for piece in client.stream("Hi"):
                pieces.append(piece)
        assert (pieces, caught.value.partial) == (["Hel"], "Hel")
        assert len(joins(space)) == 1


def test_complete_asks_anew_after_a_broken_stream():
    """Nobody has seen the first half, so the whole answer can come from the second asking."""
    with FakeSpace(["Goodbye"], first=[["Hel", Drop()]]) as space:
        with new_client(space.url) as client:
            assert client.complete("Hi") == "Goodbye"
        assert len(joins(space)) == 2


def test_what_had_come_is_kept_when_asking_anew_fails_too():
    with FakeSpace(["Hel", Drop()]) as space, new_client(space.url, max_retries=1) as client:
        space.join = [None, FULL]
        with pytest.raises(qwen25.QueueFullError) as caught:
            client.complete("Hi")
    assert caught.value.partial == "Hel"


def test_every_try_has_a_session_hash_of_its_own():
    with FakeSpace(first=[[Drop()]]) as space, new_client(space.url) as client:
        client.complete("Hi")
        hashes = [request.json["session_hash"] for request in joins(space)]
    assert len(set(hashes)) == 2


def test_the_servers_wait_is_obeyed():
    busy = Reply(429, headers={"Retry-After": "17"})
    with FakeSpace(join=[busy]) as space, new_client(space.url) as client:
        client.complete("Hi")
        assert client._clock.slept == [17.0]


def test_a_wait_beyond_the_total_is_not_begun():
    """The user has the error now, not after the time is over."""
    busy = Reply(429, headers={"Retry-After": "3600"})
    with FakeSpace(join=busy) as space, new_client(space.url, timeout=600) as client:
        with pytest.raises(qwen25.RateLimitError) as caught:
            client.complete("Hi")
        assert caught.value.retry_after == 3600
        assert client._clock.slept == []


def test_an_app_that_was_rewired_is_read_once_more():
    with FakeSpace() as space, new_client(space.url) as client:
        client.complete("Hi")
        space.fn_index = 7
        assert client.complete("Hi") == "Hello world"
        configs = [request for request in space.requests if request.path == "/config"]
        assert len(configs) == 2


def test_a_login_that_was_forgotten_is_made_once_more():
    with FakeSpace(auth=("name", "secret")) as space:
        with new_client(space.url, auth=("name", "secret")) as client:
            client.complete("Hi")
            space.join = [Reply(401, {"detail": {"error": "Not authenticated"}})]
            assert client.complete("Hi") == "Hello world"
        logins = [request for request in space.requests if request.path == "/login"]
        assert len(logins) == 2


def test_the_cookies_of_a_replica_go_with_the_stream():
    """Another replica would answer `Session not found`."""
    with FakeSpace(sticky=True) as space, new_client(space.url, max_retries=0) as client:
        for _ in range(4):
            assert client.complete("Hi") == "Hello world"


def test_a_place_in_a_full_queue_is_taken_when_it_gets_free():
    gate = Gate()
    with FakeSpace(["done"], first=[[gate, "done"]], limit=1, queue_size=0) as space:
        with new_client(space.url, max_retries=1) as client:
            first = client.stream("one")

            def sleep(seconds):
                gate.set()
                first.result()
                # Its place is free a moment after its end has come.
                space.wait_for(lambda: not space.open_streams)

            client._clock.sleep = sleep
            assert client.complete("two") == "done"
        assert len(joins(space)) == 3


class TestWaking:
    """A Space on Hugging Face that does not run; Hugging Face itself is a mock."""

    @pytest.fixture
    def web(self):
        with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
            yield mock

    @pytest.fixture
    def client(self):
        client = Client(SPACE)
        client._clock = FakeClock()
        return client

    @staticmethod
    def say_stage(web, *stages):
        for stage in stages:
            web.get(HUB, json={"id": SPACE, "runtime": {"stage": stage}})

    @staticmethod
    def run(web):
        web.get(f"{URL}/config", json=config("gradio-4.44.1-modelscope"))
        web.post(f"{URL}/queue/join", json={"event_id": "e1"})
        web.get(
            f"{URL}/queue/data",
            body=stream_bytes("gradio-4.44.1-modelscope", "answer"),
            content_type="text/event-stream",
        )

    @pytest.mark.parametrize("asleep", [(200, "<html>"), (503, "<html>"), (404, "")], ids=str)
    def test_a_sleeping_space_is_waited_for_and_says_so(self, web, client, asleep):
        status, body = asleep
        for _ in range(3):
            web.get(f"{URL}/config", status=status, body=body)
        self.run(web)
        self.say_stage(web, "SLEEPING", "APP_STARTING", "RUNNING_BUILDING")
        notes = []
        stream = client.stream("Hi", on_event=notes.append)
        assert notes == [Note("info", "The Space is SLEEPING; waiting for it to start.")]
        assert next(stream.events()) == notes[0]
        assert stream.text == ""
        assert client._clock.slept == [5, 5, 5]

    def test_after_waking_the_answer_comes(self, web, client):
        web.get(f"{URL}/config", status=503)
        self.run(web)
        self.say_stage(web, "SLEEPING")
        assert client.complete("Hi") == TEXTS["answer"]

    @pytest.mark.parametrize("stage", ["SLEEPING", "BUILDING", "APP_STARTING"])
    def test_it_is_waited_for_up_to_wake(self, web, client, stage):
        web.get(f"{URL}/config", status=503)
        self.say_stage(web, stage)
        with pytest.raises(qwen25.TimedOutError, match="Timeout.wake=") as caught:
            client.complete("Hi", timeout=Timeout(wake=42))
        assert caught.value.phase == "wake"
        assert caught.value.__cause__.stage == stage
        assert sum(client._clock.slept) == 42

    def test_waking_is_never_longer_than_the_total(self, web, client):
        web.get(f"{URL}/config", status=503)
        self.say_stage(web, "SLEEPING")
        with pytest.raises(qwen25.TimedOutError) as caught:
            client.complete("Hi", timeout=Timeout(total=12))
        assert caught.value.phase == "total"
        assert sum(client._clock.slept) == 12

    @pytest.mark.parametrize(
        "stage",
        [
            *("PAUSED", "STOPPED", "BUILD_ERROR", "CONFIG_ERROR", "RUNTIME_ERROR"),
            *("NO_APP_FILE", "DELETING", "RUNNING"),
        ],
    )
    def test_a_space_that_will_not_wake_by_itself_is_told_at_once(self, web, client, stage):
        web.get(f"{URL}/config", status=500, body="<html>")
        self.say_stage(web, stage)
        with pytest.raises(qwen25.SpaceUnavailableError, match=stage) as caught:
            client.complete("Hi")
        error = caught.value
        assert (error.stage, error.space, error.url) == (stage, SPACE, URL)
        assert error.hint
        assert client._clock.slept == []

    @pytest.mark.parametrize("status", [401, 404])
    def test_a_private_or_absent_space_is_not_found(self, web, client, status):
        web.get(f"{URL}/config", status=404)
        web.get(HUB, status=status, json={"error": "Repository not found"})
        with pytest.raises(qwen25.SpaceNotFoundError, match="HF_TOKEN") as caught:
            client.complete("Hi")
        assert caught.value.space == SPACE

    @pytest.mark.parametrize(
        "hub",
        [
            {"status": 500},
            {"body": requests.ConnectionError("no network")},
            {"json": {"runtime": None}},
            {"body": "<html>"},
        ],
        ids=str,
    )
    def test_the_spaces_own_error_stands_when_nobody_says_more(self, web, client, hub):
        web.get(f"{URL}/config", status=500)
        web.get(HUB, **hub)
        with pytest.raises(qwen25.SpaceUnavailableError) as caught:
            client.complete("Hi")
        assert caught.value.status == 500
        assert "None" not in str(caught.value)

    def test_a_url_is_not_asked_about(self, web):
        """Hugging Face knows nothing of an app that is given by its address."""
        web.get("https://space.example/config", status=503)
        client = Client("https://space.example")
        client._clock = FakeClock()
        with pytest.raises(qwen25.SpaceUnavailableError):
            client.complete("Hi")
        assert not any(re.search("huggingface", call.request.url) for call in web.calls)


def test_a_config_that_hangs_is_not_waited_for_longer_than_the_total():
    with FakeSpace(config=Hang()) as space, Client(space.url, timeout=0.4) as client:
        with pytest.raises(qwen25.TimedOutError) as caught:
            client.complete("Hi")
    assert caught.value.phase == "total"


def test_nothing_is_asked_again_after_text_that_was_taken_back():
    broken = ["Hello", Replace("\ufffd"), Drop()]
    with FakeSpace(["World"], first=[broken]) as space, Client(space.url) as client:
        stream = client.stream("Hi")
        with pytest.raises(qwen25.StreamInterruptedError):
            list(stream)
        assert stream.rewritten


def test_the_text_of_an_earlier_try_is_not_lost():
    with FakeSpace([Fail("boom")], first=[["Hello wor", Drop()]]) as space:
        with Client(space.url) as client, pytest.raises(qwen25.GenerationError) as caught:
            client.complete("Hi")
    assert caught.value.partial == "Hello wor"


def test_another_thread_may_forget_the_wiring_while_it_is_read(caplog):
    with FakeSpace() as space, Client(space.url) as client:

        class Forgetful(logging.Handler):
            def emit(self, record):
                if record.msg.startswith("found"):
                    client._open().forget()

        logger, handler = logging.getLogger("qwen25"), Forgetful()
        caplog.set_level(logging.DEBUG, "qwen25")
        logger.addHandler(handler)
        try:
            assert client.complete("Hi")
        finally:
            logger.removeHandler(handler)


@pytest.mark.parametrize("target", ["http://[", "https://127.0.0.1:abc/", "//[x"])
@pytest.mark.parametrize("where", ["config", "join", "data"])
def test_a_redirect_to_no_address_is_a_protocol_error(where, target):
    reply = Reply(302, headers={"Location": target})
    with FakeSpace(**{where: reply}) as space, Client(space.url, max_retries=0) as client:
        with pytest.raises(qwen25.ProtocolError, match="redirects"):
            client.complete("Hi")
