"""FakeSpace keeps its promises; it is asked with http.client, so that no client hides a fault."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import pytest
import recordings
from recordings import PROMPTS

import qwen25
from qwen25.events import Note, Progress, Queued, Started, Step
from qwen25.testing import (
    Delay,
    Drop,
    End,
    Fail,
    FakeSpace,
    Gate,
    Hang,
    Heartbeat,
    Message,
    Question,
    Raw,
    Repeat,
    Replace,
    Reply,
    Reset,
)
from qwen25.testing.answer import Dialect
from qwen25.testing.server import Connection

pytest_plugins = ["pytester"]

# No test waits as long as this, unless it fails.
SECONDS = 5
SYSTEM = "Answer briefly."
LAYOUTS = {
    "modelscope": [["hi", "there"]],
    "tuples": [["hi", "there"]],
    "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "there"}],
    "parts": [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "there"}]},
    ],
}


class Caller:
    """One keep-alive connection to a Space, which asks as a client of Gradio does."""

    def __init__(self, space: FakeSpace) -> None:
        self.space = space
        self.http = http.client.HTTPConnection(space.url[len("http://") :], timeout=SECONDS)
        self.headers: Dict[str, str] = {}

    def get(self, path: str) -> http.client.HTTPResponse:
        self.http.request("GET", path, headers=self.headers)
        return self.http.getresponse()

    def post(self, path: str, body: bytes) -> http.client.HTTPResponse:
        self.http.request("POST", path, body, self.headers)
        return self.http.getresponse()

    def join(
        self,
        prompt: str = "Hi",
        *,
        history: Sequence[Any] = (),
        sizes: Sequence[str] = ("72B",),
        session: str = "0123456789",
        fn_index: int = 3,
    ) -> http.client.HTTPResponse:
        data = [prompt, list(history), SYSTEM, *sizes]
        body = {"data": data, "fn_index": fn_index, "trigger_id": 25, "session_hash": session}
        return self.post(f"{self.space.prefix}/queue/join", json.dumps(body).encode())

    def listen(self, session: str = "0123456789") -> http.client.HTTPResponse:
        return self.get(f"{self.space.prefix}/queue/data?session_hash={session}")

    def ask(self, prompt: str = "Hi", **how: Any) -> List[Dict[str, Any]]:
        """All messages of an answer."""
        joined = self.join(prompt, **how)
        assert joined.status == 200, joined.read()
        joined.read()
        return messages(self.listen(how.get("session", "0123456789")).read())


@contextlib.contextmanager
def call(space: FakeSpace) -> Iterator[Caller]:
    caller = Caller(space)
    with contextlib.closing(caller.http):
        yield caller


@contextlib.contextmanager
def fake(*script: Any, **options: Any) -> Iterator[Caller]:
    """A Space and its only caller."""
    with FakeSpace(script, **options) as space, call(space) as caller:
        yield caller


def messages(stream: bytes) -> List[Dict[str, Any]]:
    events = re.split(r"\r?\n\r?\n", stream.decode())
    return [json.loads(event[len("data: ") :]) for event in events if event.startswith("data: ")]


def kinds(said: List[Dict[str, Any]]) -> List[str]:
    return [message["msg"] for message in said]


def values(said: List[Dict[str, Any]]) -> List[Any]:
    return [message["output"]["data"] for message in said if "data" in message.get("output", {})]


def read_event(response: http.client.HTTPResponse) -> Dict[str, Any]:
    """The next message of a stream that goes on."""
    event = response.readline()
    assert response.readline() == b"\n"
    return messages(event + b"\n")[0]


ANSWERED = [
    "estimation",
    "process_starts",
    "process_generating",
    "process_generating",
    "process_completed",
    "close_stream",
]


# What is answered


def test_pieces_are_sent_as_the_whole_and_then_as_diffs() -> None:
    with fake("Hello", " world", layout="tuples") as caller:
        said = caller.ask("Hi")
    assert kinds(said) == ANSWERED
    assert values(said) == [
        ["", [["Hi", "Hello"]], SYSTEM],
        [[], [["append", [0, 1], " world"]], []],
        ["", [["Hi", "Hello world"]], SYSTEM],
    ]


@pytest.mark.parametrize(
    ("recording", "layout", "protocol"),
    [
        ("gradio-4.10.0-tuples", "tuples", "sse_v1"),
        ("gradio-4.44.1-modelscope", "modelscope", "sse_v3"),
        ("gradio-5.50.0-tuples", "tuples", "sse_v3"),
        ("gradio-6.31.0-parts", "parts", "sse_v3"),
    ],
)
class TestAgainstRecordings:
    """What a real Gradio has sent, FakeSpace sends for the same script."""

    @pytest.mark.parametrize("case", PROMPTS)
    def test_a_stream_has_the_messages_and_values_of_the_real_one(
        self, recording: str, layout: str, protocol: str, case: str
    ) -> None:
        real = recordings.messages(recording, case)
        history = LAYOUTS[layout] if case == "history" else []
        with fake(*script_of(real), layout=layout, protocol=protocol) as caller:
            said = caller.ask(PROMPTS[case], history=history)
        assert kinds(said) == kinds(real)
        assert values(said) == values(real)
        facts = ("rank", "queue_size", "progress_data", "log", "level", "success")
        for got, expected in zip(said, real):
            assert [got.get(fact) for fact in facts] == [expected.get(fact) for fact in facts]

    def test_the_config_has_the_wiring_of_the_real_one(
        self, recording: str, layout: str, protocol: str
    ) -> None:
        real = recordings.config(recording)
        with fake(layout=layout, protocol=protocol) as caller:
            fake_one = json.loads(caller.get("/config").read())
            url = caller.space.url
        for key in ("version", "protocol", "api_prefix"):
            assert fake_one.get(key) == real.get(key)
        # What `record` leaves out; only 4.10 says nothing of its root.
        assert fake_one["enable_queue"] is True
        assert fake_one["root"] == ("" if recording.startswith("gradio-4.10") else url)
        for number in range(5):
            for key in ("id", "targets", "inputs", "outputs", "api_name"):
                got, expected = (one["dependencies"][number] for one in (fake_one, real))
                assert got.get(key) == expected.get(key)
        components = {one["id"]: one for one in real["components"]}
        for got in fake_one["components"]:
            expected = components[got["id"]]
            assert got["type"] == expected["type"]
            for key in ("choices", "visible"):
                assert got["props"].get(key) == expected["props"].get(key), got["id"]


def script_of(real: List[Dict[str, Any]]) -> List[Any]:
    """The script that says what a recording says."""
    script: List[Any] = []
    text = ""
    for message in real:
        if message["msg"] == "process_generating":
            before, text = text, text_after(message["output"]["data"], text)
            script.append(text[len(before) :] if text.startswith(before) else Replace(text))
        elif message["msg"] == "progress":
            script.append(Progress(tuple(Step(**bar) for bar in message["progress_data"])))
        elif message["msg"] == "log":
            script.append(Note(message["level"], message["log"]))
        elif message["msg"] == "process_completed" and not message["success"]:
            script.append(Fail(message["output"]["error"]))
    return script


def text_after(data: List[Any], text: str) -> str:
    """The answer's text after a message, whatever the layout."""
    _, value, system = data
    if not system:  # diffs
        for action, _, piece in value:
            text = text + piece if action == "append" else piece
        return text
    last = value[-1][1] if isinstance(value[-1], list) else value[-1]["content"]
    last = last[0] if isinstance(last, list) else last
    return str(last["text"] if isinstance(last, dict) else last)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("protocol", ["sse_v1", "sse_v2", "sse_v3"])
def test_every_layout_is_spoken_in_every_protocol(layout: str, protocol: str) -> None:
    with fake("Hello", " world", layout=layout, protocol=protocol) as caller:
        said = caller.ask(history=LAYOUTS[layout])
    assert kinds(said) == ANSWERED[: None if protocol == "sse_v3" else -1]
    text = ""
    for data in values(said)[:-1]:
        text = text_after(data, text)
    assert text == text_after(values(said)[-1], "") == "Hello world"
    diffs = values(said)[1][2] == []
    assert diffs == (protocol != "sse_v1")


def test_the_default_is_hello_world_on_the_public_wiring() -> None:
    with FakeSpace() as space, call(space) as caller:
        assert values(caller.ask())[-1][1][0][1]["text"] == "Hello world"


def test_one_string_is_a_script_of_one_piece() -> None:
    with FakeSpace("Hello") as space, call(space) as caller:
        assert values(caller.ask())[-1][1][0][1]["text"] == "Hello"


def test_one_step_is_a_script_of_one_step() -> None:
    with FakeSpace(Fail("no")) as space, call(space) as caller:
        assert caller.ask()[2]["output"] == {"error": "no"}


def test_an_iterator_is_played_for_every_request() -> None:
    with FakeSpace(iter(["a", "b"])) as space, call(space) as caller:
        assert kinds(caller.ask()) == kinds(caller.ask()) == ANSWERED


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_function_answers_the_question(layout: str) -> None:
    questions: List[Question] = []

    def echo(question: Question) -> List[str]:
        questions.append(question)
        return [question.prompt, "!"]

    with FakeSpace(echo, layout=layout) as space, call(space) as caller:
        caller.headers["X-Mine"] = "yes"
        said = caller.ask("Hi", history=LAYOUTS[layout], sizes=["7B"])
    assert text_after(values(said)[-1], "") == "Hi!"
    (question,) = questions
    assert question.prompt == "Hi"
    assert question.history == LAYOUTS["messages"]
    assert question.system == SYSTEM
    assert question.size == "7B"
    assert question.headers["x-mine"] == "yes"
    assert question.session_hash == "0123456789"
    assert question.event_id == said[0]["event_id"]


def test_what_a_function_raises_fails_the_answer_and_is_raised_at_the_end() -> None:
    def broken(question: Question) -> List[str]:
        raise LookupError("a bug in a test")

    with pytest.raises(LookupError, match="a bug in a test"):
        with FakeSpace(broken) as space, call(space) as caller:
            assert caller.ask()[-2]["success"] is False


def test_what_is_no_step_is_named_at_the_end() -> None:
    with pytest.raises(TypeError, match="42 is neither"), fake("Hello", 42) as caller:
        assert caller.ask()[-2]["success"] is False


def test_the_failure_of_the_test_itself_comes_first() -> None:
    with pytest.raises(AssertionError, match="mine"), fake(42) as caller:
        caller.ask()
        raise AssertionError("mine")


def test_the_answer_can_be_changed_on_the_way() -> None:
    with fake("old") as caller:
        caller.ask()
        caller.space.answer = ["new"]
        assert text_after(values(caller.ask())[-1], "") == "new"


def test_the_first_requests_can_have_scripts_of_their_own() -> None:
    with fake("later", first=[["first"], None]) as caller:
        texts = [text_after(values(caller.ask())[-1], "") for _ in range(3)]
        caller.space.first = ["again"]
        texts.append(text_after(values(caller.ask())[-1], ""))
    assert texts == ["first", "later", "later", "again"]


# Steps


def test_a_script_that_begins_with_its_place_in_the_queue_gets_no_other() -> None:
    with fake(Queued(2, 3, 1.5), Queued(1, 3), Started(0.5), "Hello") as caller:
        said = caller.ask()
    assert kinds(said) == ["estimation", *ANSWERED[:3], *ANSWERED[4:]]
    assert (said[0]["rank"], said[0]["queue_size"], said[0]["rank_eta"]) == (2, 3, 1.5)
    assert said[1]["rank_eta"] is None
    assert said[2]["eta"] == 0.5


def test_a_heartbeat_is_sent_before_anything_is_started() -> None:
    with fake(Heartbeat(), "Hello") as caller:
        assert kinds(caller.ask())[:2] == ["heartbeat", "estimation"]


def test_a_replacement_is_a_diff_of_the_whole_text() -> None:
    with fake("Hello", Replace("Goodbye"), ".", layout="tuples") as caller:
        said = caller.ask()
    assert values(said)[1][1] == [["replace", [0, 1], "Goodbye"]]
    assert values(said)[-1][1] == [["Hi", "Goodbye."]]


def test_an_empty_piece_is_an_empty_diff() -> None:
    with fake("Hello", "") as caller:
        assert values(caller.ask())[1] == [[], [], []]


def test_a_message_gets_the_event_id_and_nothing_else() -> None:
    with fake(Message({"msg": "news"}), Message({"event_id": "mine"})) as caller:
        said = caller.ask()
    assert said[0] == {"msg": "news", "event_id": said[2]["event_id"]}
    assert said[1] == {"event_id": "mine"}


def test_a_completion_of_the_test_is_the_last_message() -> None:
    with fake(Message({"msg": "process_completed", "output": {}}), "never") as caller:
        assert kinds(caller.ask()) == ["process_completed", "close_stream"]


def test_after_an_unexpected_error_the_connection_ends() -> None:
    with fake(Message({"msg": "unexpected_error", "message": "stopped"}), "never") as caller:
        caller.join().read()
        with pytest.raises(http.client.IncompleteRead) as caught:
            caller.listen().read()
    assert kinds(messages(caught.value.partial)) == ["unexpected_error"]


def test_raw_bytes_are_sent_as_they_are_and_start_nothing() -> None:
    with fake(Raw(b""), Raw(b"\xef\xbb\xbf: \xff\n\n"), End()) as caller:
        caller.join().read()
        assert caller.listen().read() == b"\xef\xbb\xbf: \xff\n\n"


def test_text_is_not_escaped_since_sse_v2() -> None:
    with fake("\u0085\u2028") as caller:
        caller.join().read()
        assert '"\u0085\u2028"'.encode() in caller.listen().read()


def test_a_failure_can_have_no_reason() -> None:
    with fake("Hello", Fail()) as caller:
        said = caller.ask()
    assert said[-2]["success"] is False
    assert said[-2]["output"] == {"error": None}


def test_a_delay_is_waited_for() -> None:
    with fake("Hello", Delay(0.05), " world") as caller:
        began = time.monotonic()
        caller.ask()
        assert time.monotonic() - began >= 0.05


def test_at_a_gate_the_stream_waits_until_it_is_set() -> None:
    gate = Gate()
    with fake(Queued(0, 1), gate, "Hello") as caller:
        caller.join().read()
        stream = caller.listen()
        assert read_event(stream)["msg"] == "estimation"
        caller.http.sock.settimeout(0.05)
        with pytest.raises(socket.timeout):
            caller.http.sock.recv(1)
        caller.http.sock.settimeout(SECONDS)
        gate.set()
        assert b"process_starts" in caller.http.sock.recv(65536)


def test_an_open_gate_holds_nobody() -> None:
    gate = Gate()
    gate.set()
    with fake(gate, "Hello") as caller:
        assert "process_completed" in kinds(caller.ask())


def test_repeated_steps_end_when_the_client_leaves() -> None:
    with FakeSpace([Repeat([Heartbeat(), Delay(0.001)])]) as space:
        with call(space) as caller:
            caller.join().read()
            stream = caller.listen()
            assert [read_event(stream)["msg"] for _ in range(3)] == ["heartbeat"] * 3
            stream.close()
        space.wait_for(lambda: space.left == 1)


def test_an_end_is_proper_http_without_completion() -> None:
    with fake("Hello", End(), "never") as caller:
        said = caller.ask()
        assert kinds(said) == ANSWERED[:3]
        caller.get("/config").read()
        assert caller.space.connections == 1


def test_a_drop_ends_the_connection_in_the_middle() -> None:
    with fake("Hello", Drop()) as caller:
        caller.join().read()
        with pytest.raises(http.client.IncompleteRead) as caught:
            caller.listen().read()
    assert kinds(messages(caught.value.partial)) == ANSWERED[:3]


def test_a_reset_is_an_rst() -> None:
    gate = Gate()
    with fake("Hello", gate, Reset()) as caller:
        caller.join().read()
        stream = caller.listen()
        assert [read_event(stream)["msg"] for _ in range(3)] == ANSWERED[:3]
        gate.set()
        with pytest.raises(ConnectionResetError):
            stream.read()


# Framings


@pytest.mark.parametrize("framing", ["chunked", "close", "length", "gzip", "bytes"])
def test_every_framing_carries_the_same_events(framing: str) -> None:
    with fake("Hello", Delay(0.001), " world", framing=framing) as caller:
        caller.join().read()
        response = caller.listen()
        body = response.read()
        if framing == "gzip":
            assert response.headers["content-encoding"] == "gzip"
            body = gzip.decompress(body)
        assert kinds(messages(body)) == ANSWERED
        assert (response.headers["content-length"] is not None) == (framing == "length")
        chunked = framing in ("chunked", "gzip", "bytes")
        assert response.headers["transfer-encoding"] == ("chunked" if chunked else None)
        caller.get("/config").read()
        assert caller.space.connections == (2 if framing == "close" else 1)


@pytest.mark.parametrize(("framing", "size"), [("chunked", None), ("bytes", 1)])
def test_a_chunk_is_one_event_or_one_byte(framing: str, size: Optional[int]) -> None:
    with fake("Hello", framing=framing) as caller:
        caller.join().read()
        stream = caller.listen()
        first = stream.read1(65536)
    assert len(first) == size if size else kinds(messages(first)) == ["estimation"]


def test_gzip_holds_no_event_back() -> None:
    gate = Gate()
    with fake(Heartbeat(), gate, framing="gzip") as caller:
        caller.join().read()
        began = caller.listen().read1(65536)
        assert kinds(messages(zlib.decompressobj(31).decompress(began))) == ["heartbeat"]
        gate.set()


def test_the_body_of_a_known_length_needs_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen25.testing.framing._MOST_PARTS_OF_A_LENGTH", 1000)
    with pytest.raises(ValueError, match="length"):
        FakeSpace(framing="length", limit=1)
    with pytest.raises(ValueError, match="needs an end"):
        with fake(Repeat([Heartbeat()]), framing="length") as caller:
            caller.join().read()
            with pytest.raises(http.client.RemoteDisconnected):
                caller.listen()


def test_line_ends_can_be_crlf() -> None:
    with fake("Hello", newline="\r\n") as caller:
        caller.join().read()
        body = caller.listen().read()
    assert body.count(b"\n") == body.count(b"\r\n") == 2 * len(messages(body))


# The ordinary behaviour of a Space


def test_the_queue_is_at_its_prefix_only() -> None:
    with fake(layout="parts") as caller:
        assert caller.space.prefix == "/gradio_api"
        assert caller.post("/queue/join", b"{}").read() == b'{"detail": "Not Found"}'
        caller.space.prefix = "/elsewhere"
        assert json.loads(caller.get("/config").read())["api_prefix"] == "/elsewhere"
        assert caller.join().status == 200


def test_a_prefix_can_be_given() -> None:
    with fake("Hello", layout="tuples", prefix="") as caller:
        assert "api_prefix" not in json.loads(caller.get("/config").read())
        assert caller.join().status == 200


def test_a_rewired_space_knows_its_new_number_only() -> None:
    with fake("Hello", fn_index=0) as caller:
        assert caller.join(fn_index=0).read()
        caller.space.fn_index = 7
        refused = caller.join(fn_index=0)
        assert (refused.status, refused.read()) == (500, b"Internal Server Error")
        functions = json.loads(caller.get("/config").read())["dependencies"]
        assert functions[7]["api_name"] == "model_chat"
        assert caller.join(fn_index=7).status == 200


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b'{"data": []}', b"3"])
def test_a_join_that_is_none_is_refused(body: bytes) -> None:
    with fake() as caller:
        assert caller.post("/queue/join", body).status == 422


@pytest.mark.parametrize(
    ("layout", "history"),
    [
        pytest.param("tuples", LAYOUTS["messages"], id="messages-for-tuples"),
        pytest.param("tuples", [["hi", {"text": "there"}]], id="modelscope-for-tuples"),
        pytest.param("tuples", ["hi"], id="no-pairs"),
        pytest.param("modelscope", LAYOUTS["parts"], id="parts-for-modelscope"),
        pytest.param("messages", LAYOUTS["tuples"], id="tuples-for-messages"),
        pytest.param("messages", LAYOUTS["parts"], id="parts-for-messages"),
        pytest.param("parts", LAYOUTS["messages"], id="messages-for-parts"),
        pytest.param("parts", [{"role": "user", "content": ["hi"]}], id="no-parts"),
    ],
)
def test_history_in_a_wrong_layout_fails_without_a_reason(layout: str, history: List[Any]) -> None:
    with fake("Hello", layout=layout) as caller:
        said = caller.ask(history=history)
    assert said[-2]["success"] is False
    assert said[-2]["output"] == {"error": None}


def test_pairs_may_come_as_they_went_out() -> None:
    with fake("Hello") as caller:
        first = values(caller.ask())[-1][1]
        assert text_after(values(caller.ask(history=first))[-1], "") == "Hello"


@pytest.mark.parametrize("sizes", [[], ["9000B"], ["72B", "72B"]])
def test_a_missing_or_unknown_size_fails_without_a_reason(sizes: List[str]) -> None:
    with fake("Hello") as caller:
        assert caller.ask(sizes=sizes)[-2]["output"] == {"error": None}


def test_a_space_can_have_its_own_sizes() -> None:
    with fake("Hello", sizes=["7B", "Coder-3B"]) as caller:
        components = json.loads(caller.get("/config").read())["components"]
        offered = [c["props"]["choices"] for c in components if c["type"] == "radio"]
        assert offered == [[["7B", "7B"]], [], [["Coder-3B", "Coder-3B"]], []]
        assert caller.ask(sizes=["Coder-3B"])[-2]["success"] is True


def test_a_space_can_take_no_size() -> None:
    with FakeSpace(lambda question: [repr(question.size)], size_input=False) as space:
        with call(space) as caller:
            functions = json.loads(caller.get("/config").read())["dependencies"]
            assert functions[3]["inputs"] == [25, 24, 22]
            assert text_after(values(caller.ask(sizes=[]))[-1], "") == "None"


def test_an_unknown_session_is_an_error_inside_a_200() -> None:
    with fake() as caller:
        response = caller.listen("unknown")
        assert response.status == 200
        with pytest.raises(http.client.IncompleteRead) as caught:
            response.read()
    (error,) = messages(caught.value.partial)
    assert error["msg"] == "unexpected_error"
    assert error["message"] == "404: Session not found."
    assert error["session_not_found"] is True


def test_a_session_that_was_left_is_gone_without_an_event() -> None:
    with FakeSpace(["Hello", Hang()]) as space:
        with call(space) as caller:
            caller.join().read()
            stream = caller.listen()
            read_event(stream)
            stream.close()
        space.wait_for(lambda: space.left == 1)
        with call(space) as caller, pytest.raises(http.client.IncompleteRead) as caught:
            caller.listen().read()
        assert caught.value.partial == b""


def test_two_requests_of_one_session_share_a_stream() -> None:
    with fake("Hello") as caller:
        ids = [json.loads(caller.join().read())["event_id"] for _ in range(2)]
        said = messages(caller.listen().read())
    assert kinds(said) == 2 * (ANSWERED[:3] + ANSWERED[4:5]) + ["close_stream"]
    assert [message["event_id"] for message in said] == 4 * ids[:1] + 4 * ids[1:] + [None]


def test_a_login_is_asked_for_until_its_cookie_comes() -> None:
    with fake("Hello", auth=("me", "secret")) as caller:
        closed: List[Callable[[], http.client.HTTPResponse]]
        closed = [lambda: caller.get("/config"), caller.join, caller.listen]
        for ask in closed:
            response = ask()
            assert response.status == 401
            assert json.loads(response.read())["detail"]["error"] == "Not authenticated"
        wrong = caller.post("/login", b"username=me&password=wrong")
        assert (wrong.status, wrong.read()) == (400, b'{"detail": "Incorrect credentials."}')
        right = caller.post("/login", b"username=me&password=secret")
        assert right.read() == b'{"success": true}'
        caller.headers["Cookie"] = right.headers["set-cookie"].partition(";")[0]
        assert caller.get("/config").read()
        assert kinds(caller.ask())[-1] == "close_stream"


def test_another_replica_does_not_know_the_session() -> None:
    with fake("Hello", sticky=True) as caller:
        joined = caller.join()
        joined.read()
        cookie = joined.headers["set-cookie"].partition(";")[0]
        with pytest.raises(http.client.IncompleteRead):
            caller.listen().read()
        caller.http.close()
        config = caller.get("/config")
        config.read()
        caller.headers["Cookie"] = config.headers["set-cookie"].partition(";")[0]
        assert caller.headers["Cookie"] != cookie
        assert kinds(caller.ask(session="other"))[-1] == "close_stream"


# The queue


def test_who_is_over_the_limit_waits_and_is_told_its_place() -> None:
    gates = [Gate(), Gate(), Gate()]
    scripts: List[List[Any]] = [[gate, "Hello"] for gate in gates]
    with contextlib.ExitStack() as stack:
        space = stack.enter_context(FakeSpace(first=scripts, limit=1, queue_size=2))
        callers = [stack.enter_context(call(space)) for _ in range(4)]
        joined = [caller.join(session=str(n)) for n, caller in enumerate(callers)]
        assert [response.status for response in joined] == [200, 200, 200, 503]
        full = "Queue is full. Max size is 2 and size is 2."
        assert json.loads(joined[3].read()) == {"detail": full}
        streams = []
        for n, caller in enumerate(callers[:3]):
            joined[n].read()
            streams.append(caller.listen(str(n)))
        assert [place_of(stream) for stream in streams[1:]] == [(0, 2), (1, 2)]
        gates[0].set()
        assert place_of(streams[2]) == (0, 1)
        gates[1].set()
        gates[2].set()
        for stream in streams:
            assert kinds(messages(stream.read()))[-3:] == [*ANSWERED[2:3], *ANSWERED[4:]]


def place_of(stream: http.client.HTTPResponse) -> Tuple[int, int]:
    event = read_event(stream)
    assert event["msg"] == "estimation"
    return event["rank"], event["queue_size"]


def test_who_leaves_the_queue_makes_room() -> None:
    with FakeSpace([Hang()], limit=1) as space, contextlib.ExitStack() as stack:
        callers = [stack.enter_context(call(space)) for _ in range(3)]
        streams = []
        for n, caller in enumerate(callers):
            caller.join(session=str(n)).read()
            streams.append(caller.listen(str(n)))
        assert place_of(streams[2]) == (1, 2)
        streams[1].close()
        callers[1].http.close()
        assert place_of(streams[2]) == (0, 1)
        streams[0].close()
        callers[0].http.close()
        space.wait_for(lambda: (space.left, space.open_streams) == (2, 1))


def test_a_refused_stream_gives_its_place_back() -> None:
    with fake("Hello", limit=1, data=[Reply(502)]) as caller:
        caller.join(session="a").read()
        assert caller.listen("a").status == 502
        caller.http.close()
        assert kinds(caller.ask(session="b")) == ANSWERED[:3] + ANSWERED[4:]


# Faults in place of responses


@pytest.mark.parametrize("name", ["config", "login", "join", "data"])
def test_a_planned_reply_is_played_once_and_then_the_ordinary_one(name: str) -> None:
    with fake("Hello", **{name: [None, Reply(418, "<p>teapot")]}) as caller:
        asks: Dict[str, Callable[[], http.client.HTTPResponse]] = {
            "config": lambda: caller.get("/config"),
            "login": lambda: caller.post("/login", b"username=a&password=b"),
            "join": caller.join,
            "data": caller.listen,
        }
        seen = []
        for _ in range(3):
            if name == "data":
                caller.join().read()
            response = asks[name]()
            seen.append(response.status)
            response.read()
    ordinary = 400 if name == "login" else 200
    assert seen == [ordinary, 418, ordinary]


def test_one_reply_without_a_list_is_played_for_every_request() -> None:
    with fake() as caller:
        for config, status in ((Reply(503), 503), (None, 200)):
            caller.space.config = config
            for _ in range(3):
                response = caller.get("/config")
                response.read()
                assert response.status == status


def test_a_list_of_faults_is_copied() -> None:
    plan = [Reply(503)]
    with fake(join=plan) as caller:
        caller.join().read()
    assert plan == [Reply(503)]


def test_a_reply_has_the_type_of_its_body_and_the_headers_given() -> None:
    replies = [Reply(200, b"\0"), Reply(200, "<p>"), Reply(200, [1]), Reply(299, {}, {"X-A": "b"})]
    with fake(config=replies) as caller:
        types = []
        for _ in replies:
            response = caller.get("/config")
            response.read()
            types.append(response.headers["content-type"])
        assert types[0] == "application/octet-stream"
        assert types[1] == "text/html; charset=utf-8"
        assert types[2:] == ["application/json"] * 2
        assert response.headers["x-a"] == "b"
        assert response.reason == "Unknown"


def test_a_reply_can_close_its_connection() -> None:
    with fake(config=Reply(200, {}, {"Connection": "close"})) as caller:
        caller.get("/config").read()
        caller.get("/config").read()
        assert caller.space.connections == 2


def test_a_reply_can_lie_about_its_length() -> None:
    with fake(
        config=Reply(200, b"short", {"Content-Length": "9", "Connection": "close"})
    ) as caller, pytest.raises(http.client.IncompleteRead):
        caller.get("/config").read()


def test_a_reply_can_trickle_its_headers() -> None:
    # The second byte would come after an hour.
    with FakeSpace(config=Reply(200, b"x", every=3600)) as space:
        with socket.create_connection(_address(space), timeout=SECONDS) as sock:
            sock.sendall(b"GET /config HTTP/1.1\r\n\r\n")
            assert sock.recv(65536) == b"H"


@pytest.mark.parametrize("fault", [Drop(), Reset()])
def test_a_request_can_end_in_nothing(fault: Any) -> None:
    with fake(join=fault) as caller, pytest.raises(ConnectionError):
        caller.join()


@pytest.mark.parametrize("name", ["config", "data"])
def test_a_request_can_hang(name: str) -> None:
    hanging: Dict[str, Any] = {name: Hang()}
    with FakeSpace(**hanging) as space:
        with call(space) as caller:
            caller.http.timeout = 0.05
            with pytest.raises(socket.timeout):
                caller.listen() if name == "data" else caller.get("/config")
        space.wait_for(lambda: space.connections and not space.open_connections)
        assert space.left == (name == "data")


# Records


def test_requests_are_recorded_as_they_came() -> None:
    with fake("Hello") as caller:
        caller.headers["X-Token"] = "abc"
        caller.ask("Hi")
        caller.get("/other?a=b%20c").read()
        joined, heard, other = caller.space.requests
    assert (joined.method, joined.path, joined.query) == ("POST", "/queue/join", {})
    assert joined.json["data"][0] == "Hi"
    assert joined.headers["x-token"] == joined.headers.get("X-TOKEN") == "abc"
    assert "X-Token" in joined.headers
    assert joined.headers.get("X-Other", "none") == "none"
    assert (heard.method, heard.path) == ("GET", "/queue/data")
    assert heard.query == {"session_hash": "0123456789"}
    assert (other.target, other.query) == ("/other?a=b%20c", {"a": "b c"})
    assert joined.connection == heard.connection == 1


def test_a_body_is_read_whole_whatever_its_size() -> None:
    with fake("Hello") as caller:
        caller.ask("x" * 1_000_000)
        assert len(caller.space.requests[0].body) > 1_000_000


def test_it_can_stand_for_a_proxy() -> None:
    with fake("Hello") as caller:
        caller.get("http://space.example/config").read()
        (request,) = caller.space.requests
    assert (request.target, request.path) == ("http://space.example/config", "/config")


def test_one_connection_carries_many_answers() -> None:
    with fake("Hello") as caller:
        for _ in range(50):
            caller.ask()
        assert caller.space.connections == 1
        caller.space.wait_for(lambda: caller.space.open_streams == 0)
        assert caller.space.left == 0


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(lambda: Hang(), id="hang"),
        pytest.param(lambda: Delay(SECONDS), id="delay"),
        pytest.param(lambda: Gate(), id="gate"),
        pytest.param(lambda: Repeat([Raw(b"x" * 65536)]), id="endless"),
    ],
)
def test_a_client_that_leaves_is_noticed_at_once(step: Any) -> None:
    with FakeSpace(["Hello", step()]) as space:
        with call(space) as caller:
            caller.join().read()
            read_event(caller.listen())
            assert (space.open_streams, space.left) == (1, 0)
            caller.http.close()
        began = time.monotonic()
        space.wait_for(lambda: space.left == 1)
        assert time.monotonic() - began < SECONDS / 2
        space.wait_for(lambda: space.open_connections == space.open_streams == 0)


def test_a_client_that_has_its_answer_need_not_read_the_end_of_the_stream(monkeypatch: Any) -> None:
    gone = threading.Event()
    encode = Dialect.event

    def late(dialect: Dialect, message: str, *more: Any, **fields: Any) -> Any:
        if message == "close_stream":
            assert gone.wait(SECONDS)
        return encode(dialect, message, *more, **fields)

    monkeypatch.setattr(Dialect, "event", late)
    with fake("Hello", Fail("Out of memory")) as caller:
        caller.join().read()
        stream = caller.listen()
        while read_event(stream)["msg"] != "process_completed":
            pass
        # So that the server's very next write fails.
        assert caller.http.sock is not None
        Connection(caller.http.sock, 0).reset()
        stream.close()
        gone.set()
        caller.space.wait_for(lambda: caller.space.open_connections == 0)
        assert caller.space.left == 0


def test_what_never_holds_is_waited_for_no_longer_than_the_timeout() -> None:
    with FakeSpace() as space, pytest.raises(TimeoutError):
        space.wait_for(lambda: space.left, timeout=0.01)


# Beginning and end


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(lambda: Hang(), id="hang"),
        pytest.param(lambda: Delay(60), id="delay"),
        pytest.param(lambda: Gate(), id="gate"),
        pytest.param(lambda: Raw(b"x" * 50_000_000), id="blocked-write"),
    ],
)
def test_closing_ends_every_thread_and_socket(step: Any) -> None:
    before = set(threading.enumerate())
    space = FakeSpace(["Hello", step()]).start()
    with call(space) as caller, socket.create_connection(_address(space)):
        caller.join().read()
        read_event(caller.listen())
        space.wait_for(lambda: space.open_connections == 2)
        began = time.monotonic()
        space.close()
        space.close()
        assert time.monotonic() - began < SECONDS / 2
        assert set(threading.enumerate()) <= before
        assert space.left == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(_address(space))


def test_without_a_start_there_is_no_address_and_nothing_to_close() -> None:
    space = FakeSpace()
    with pytest.raises(RuntimeError, match="started"):
        _ = space.url
    space.close()


@pytest.mark.parametrize("option", ["layout", "protocol", "framing"])
def test_an_unknown_option_names_the_known_ones(option: str) -> None:
    wrong: Dict[str, Any] = {option: "nonsense"}
    with pytest.raises(ValueError, match=f"{option}='nonsense' is unknown; it is one of .+, "):
        FakeSpace(**wrong)


def test_what_is_no_http_ends_the_connection() -> None:
    with FakeSpace() as space, socket.create_connection(_address(space), SECONDS) as sock:
        sock.sendall(b"\x16\x03\x01\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 404 ")


def test_32_callers_are_answered_at_once() -> None:
    texts: List[str] = []

    def run(number: int) -> None:
        with call(space) as caller:
            for n in range(10):
                said = caller.ask(f"{number}.{n}", session=f"{number}.{n}")
                texts.append(text_after(values(said)[-1], ""))

    with FakeSpace(lambda question: [question.prompt]) as space:
        threads = [threading.Thread(target=run, args=(number,)) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert space.connections == 32
    assert sorted(texts) == sorted(f"{number}.{n}" for number in range(32) for n in range(10))


# The plugin


def test_the_fixture_is_a_space_that_the_environment_names(pytester: pytest.Pytester) -> None:
    # The plugin is there by its entry point, as for everybody who has installed the package.
    pytester.makepyfile("""
        import os, urllib.request

        def test_it(fake_space):
            assert os.environ["QWEN25_SPACE"] == fake_space.url
            fake_space.answer = ["mine"]
            assert b"model_chat" in urllib.request.urlopen(fake_space.url + "/config").read()
        """)
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=1)


@pytest.mark.parametrize("which", ["first", "second"])
def test_the_fixture_is_asked_by_the_modules_functions_in_each_test(
    fake_space: FakeSpace, which: str
) -> None:
    fake_space.answer = [which]
    assert qwen25.complete("Hi") == which


def test_the_plugin_imports_no_server_before_it_is_used() -> None:
    code = "import sys, qwen25.pytest_plugin; sys.exit('qwen25.testing' in sys.modules)"
    root = Path(__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=60).returncode == 0


def _address(space: FakeSpace) -> Any:
    host, _, port = space.url[len("http://") :].partition(":")
    return host, int(port)
