"""The door over HTTP, with requests made by hand."""

from __future__ import annotations

import json
import socket

import pytest
from doors import PATIENCE, SOON, chunks, error_of, events, said
from timing import quickest

from qwen25.events import Note, Queued, Started
from qwen25.testing import Drop, Fail, FakeSpace, Gate, Repeat, Replace, Reply

HELLO = ["Hello", " world"]


def test_a_whole_answer_has_its_text_usage_and_model(door):
    with FakeSpace(HELLO) as space:
        answer = door(space).chat(model="qwen2.5-72b-instruct").json()
    assert answer["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Hello world",
        "refusal": None,
    }
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["estimated"] is True
    assert answer["model"] == "72B"


def test_a_stream_has_a_role_pieces_and_an_end(door):
    with FakeSpace(HELLO) as space:
        first, *pieces, last = chunks(door(space).chat(stream=True))
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [each["choices"][0]["delta"]["content"] for each in pieces] == HELLO
    assert last["choices"][0] == {
        "index": 0,
        "delta": {},
        "logprobs": None,
        "finish_reason": "stop",
    }


def test_a_piece_is_sent_while_the_next_is_written(door):
    gate = Gate()
    with FakeSpace(["Hello", gate, " world"]) as space:
        response = door(space).chat(stream=True)
        lines = (line for line in response.iter_lines(chunk_size=1) if line)
        assert b'"role"' in next(lines)
        assert b"Hello" in next(lines)
        gate.set()
        assert b"world" in next(lines)


def test_the_last_chunk_has_the_usage_when_it_is_wanted(door):
    with FakeSpace(HELLO) as space:
        answer = door(space).chat(stream=True, stream_options={"include_usage": True})
        *others, last = chunks(answer)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] > 0
    assert all(each["usage"] is None for each in others)


def test_the_whole_conversation_reaches_the_space(door):
    asked = []

    def answer(question):
        asked.append((question.system, question.history, question.prompt))
        return "Yes"

    turns = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "Two."},
        {"role": "user", "content": "Three?"},
    ]
    with FakeSpace(answer) as space:
        door(space).chat(turns)
    assert asked == [("Be short.", turns[1:3], "Three?")]


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_ends_the_answer_and_the_space_s_work(door, stream):
    script = ["One. ST", "OP", Repeat([" more"] * 10 + [Gate()])]
    with FakeSpace(script) as space:
        response = door(space).chat(stream=stream, stop=["STOP"])
        if stream:
            answer = chunks(response)
            text, reason = said(answer), answer[-1]["choices"][0]["finish_reason"]
        else:
            choice = response.json()["choices"][0]
            text, reason = choice["message"]["content"], choice["finish_reason"]
        assert (text, reason) == ("One. ", "stop")
        space.wait_for(lambda: space.left == 1)


@pytest.mark.parametrize("stream", [False, True])
def test_too_many_tokens_end_the_answer_and_the_space_s_work(door, stream):
    with FakeSpace([Repeat(["word "] * 100 + [Gate()])]) as space:
        response = door(space).chat(stream=stream, max_tokens=10)
        if stream:
            answer = chunks(response)
            text, reason = said(answer), answer[-1]["choices"][0]["finish_reason"]
        else:
            choice = response.json()["choices"][0]
            text, reason = choice["message"]["content"], choice["finish_reason"]
        assert reason == "length"
        assert text.startswith("word word") and len(text) < 60
        space.wait_for(lambda: space.left == 1)


def test_a_whole_answer_is_what_the_space_said_last(door):
    with FakeSpace(["Helo", Replace("Hello"), " world"]) as space:
        answer = door(space).chat(stop="X").json()
    assert answer["choices"][0]["message"]["content"] == "Hello world"


@pytest.mark.parametrize("stream", [False, True])
def test_several_answers_are_asked_one_by_one(door, stream):
    with FakeSpace(first=["One", "Two"], answer="Three") as space:
        response = door(space).chat(n=3, stream=stream)
        if stream:
            answer = chunks(response)
            texts = [said(answer, index) for index in range(3)]
        else:
            texts = [choice["message"]["content"] for choice in response.json()["choices"]]
    assert texts == ["One", "Two", "Three"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_completion_is_answered(door, stream):
    with FakeSpace(lambda question: question.prompt.upper()) as space:
        body = {"model": "7B", "prompt": ["a", "b"], "stream": stream}
        response = door(space).post("/completions", json=body)
        if stream:
            answer = chunks(response)
            assert answer[0]["object"] == "text_completion"
            assert [said(answer, 0), said(answer, 1)] == ["A", "B"]
        else:
            answer = response.json()
            assert [choice["text"] for choice in answer["choices"]] == ["A", "B"]
        assert (answer[0] if stream else answer)["model"] == "7B"


def test_an_alias_is_another_name_of_a_model(door):
    with FakeSpace(lambda question: question.size) as space:
        opened = door(space, aliases={"gpt-4o-mini": "7B"})
        answer = opened.chat(model="GPT-4o-mini").json()
        names = [each["id"] for each in opened.get("/v1/models").json()["data"]]
        assert opened.get("/v1/models/gpt-4o-mini").json()["id"] == "gpt-4o-mini"
    assert answer["model"] == answer["choices"][0]["message"]["content"] == "7B"
    assert names[0] == "72B" and names[-1] == "gpt-4o-mini"


def test_a_space_without_sizes_has_one_model(door):
    with FakeSpace(HELLO, size_input=False, sizes=()) as space:
        opened = door(space)
        (only,) = opened.get("/v1/models").json()["data"]
        assert opened.chat(model=only["id"]).json()["model"] == only["id"]
        assert opened.get("/v1/models/gpt-4").status_code == 404


def test_an_unknown_model_is_not_found_and_the_others_are_named(door):
    with FakeSpace() as space:
        opened = door(space)
        response = opened.chat(model="gpt-4")
        assert response.status_code == opened.get("/v1/models/gpt-4").status_code == 404
    error = error_of(response)
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert "72B" in error["message"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "options, status, code",
    [
        ({"answer": Fail("Out of memory")}, 503, "space_failed"),
        ({"join": Reply(503, {"detail": "Queue is full."})}, 429, "queue_full"),
        ({"join": Reply(429, {}, {"retry-after": "7"})}, 429, "rate_limit_exceeded"),
        ({"config": Reply(401, {"detail": "Not authenticated"})}, 401, "space_refused_access"),
        ({"data": Drop()}, 503, "space_failed"),
    ],
)
def test_a_failure_before_the_text_has_a_status(door, stream, options, status, code):
    with FakeSpace(**options) as space:
        response = door(space, {"max_retries": 0}).chat(stream=stream)
        assert response.status_code == status
        assert error_of(response)["code"] == code
        assert response.headers["x-should-retry"] == "false"
        if code == "rate_limit_exceeded":
            assert response.headers["retry-after"] == "7"


@pytest.mark.parametrize("stream", [False, True])
def test_a_limit_of_time_is_504(door, stream):
    with FakeSpace([Gate()]) as space:
        response = door(space, {"timeout": 0.5}).chat(stream=stream)
        assert response.status_code == 504


def test_a_failure_in_the_middle_is_told_as_data(door):
    with FakeSpace(["Hello", Fail("Out of memory")]) as space:
        *_, last = events(door(space).chat(stream=True))
    assert "Out of memory" in json.loads(last)["error"]["message"]


def test_a_wait_is_told_as_comments(door, monkeypatch):
    pytest.importorskip("starlette")
    monkeypatch.setattr("qwen25.openai.event_stream.HOLD", 0.01)
    monkeypatch.setattr("qwen25.openai.event_stream.PING", 0.01)
    gate = Gate()
    with FakeSpace([Queued(3, 5), gate, Started(), "Hi"]) as space:
        response = door(space).chat(stream=True)
        lines = (line for line in response.iter_lines(chunk_size=1) if line)
        while next(lines) != b": in the Space's queue: 3 before this":
            pass
        gate.set()
        assert any(b"Hi" in line for line in lines)


def test_an_app_s_note_is_a_header(door):
    with FakeSpace([Note("info", "Änderung\nhere"), "Hi"]) as space:
        opened = door(space)
        for stream in (False, True):
            assert opened.chat(stream=stream).headers["x-qwen25-note"] == "?nderung here"


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_stops_the_space(door, stream):
    with FakeSpace([Repeat(["more ", Gate()])]) as space:
        response_or_none = None
        opened = door(space)
        body = json.dumps(
            {"model": "72B", "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}
        ).encode()
        with socket.create_connection((opened.server.host, opened.server.port)) as client:
            client.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body) + body
            )
            space.wait_for(lambda: space.open_streams == 1)
            if stream:
                response_or_none = client.recv(1000)
        space.wait_for(lambda: space.left == 1)
        assert stream == bool(response_or_none)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("way", ["leave", "stop", "max_tokens"])
def test_the_space_is_told_to_stop_within_a_second(door, stream, way):
    fields = {"leave": {}, "stop": {"stop": "STOP"}, "max_tokens": {"max_tokens": 5}}[way]
    with FakeSpace(["word " * 4, "STOP", *["word "] * 10, Gate()]) as space:
        opened = door(space)
        body = {"model": "72B", "messages": [{"role": "user", "content": "Hi"}], **fields}
        sent = json.dumps({**body, "stream": stream}).encode()
        head = (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
        )

        def ask():
            left = space.left
            address = (opened.server.host, opened.server.port)
            with socket.create_connection(address, PATIENCE) as client:
                client.sendall(head % len(sent) + sent)
                space.wait_for(lambda: space.open_streams == 1 or space.left > left)
                if stream or way != "leave":
                    client.recv(1)  # the answer has begun, and of a whole one has ended
            space.wait_for(lambda: space.left > left)

        assert quickest(ask, SOON) < SOON


def test_more_requests_than_may_wait_are_refused(door):
    gate = Gate()
    with FakeSpace([gate, "Hi"]) as space:
        opened = door(space, workers=1, waiting=0)
        with socket.create_connection((opened.server.host, opened.server.port)) as client:
            body = b'{"model": "72B", "messages": [{"role": "user", "content": "Hi"}]}'
            client.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body) + body
            )
            space.wait_for(lambda: space.open_streams == 1)
            response = opened.chat()
            gate.set()
            assert client.recv(12) == b"HTTP/1.1 200"
        assert response.status_code == 429
        assert error_of(response)["code"] == "busy"
        assert int(response.headers["retry-after"]) > 0
        assert "x-should-retry" not in response.headers
        assert opened.chat().status_code == 200


def test_the_health_is_told_without_the_space(door):
    answer = door("http://127.0.0.1:9").get("/healthz").json()
    assert answer == {"status": "ok", "asked": 0, "waiting": 0}


# JSON


@pytest.mark.parametrize("stream", [False, True])
def test_json_is_asked_for_and_sent_alone(door, stream):
    with FakeSpace('Sure: {"a": 1}!') as space:
        response = door(space).chat(response_format={"type": "json_object"}, stream=stream)
        text = (
            said(chunks(response))
            if stream
            else response.json()["choices"][0]["message"]["content"]
        )
    assert json.loads(text) == {"a": 1}


def test_json_that_does_not_fit_is_asked_for_again(door):
    pytest.importorskip("jsonschema")
    schema = {"type": "object", "required": ["b"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    with FakeSpace(first=['{"a": 1}'], answer='{"b": 1}') as space:
        answer = door(space).chat(response_format=wanted).json()
        assert json.loads(answer["choices"][0]["message"]["content"]) == {"b": 1}


# A thousand answers in small


@pytest.mark.timeout(60)
def test_many_answers_leave_no_thread_and_no_socket(door):
    import threading

    with FakeSpace(HELLO) as space:
        opened = door(space)
        opened.chat()
        threads = threading.active_count()
        for number in range(30):
            response = opened.chat(stream=bool(number % 2))
            assert response.status_code == 200
            response.content
        space.wait_for(lambda: space.open_streams == 0)
        space.wait_for(lambda: threading.active_count() <= threads + 1, timeout=PATIENCE)
        assert space.connections <= 3


def test_pieces_do_not_wait_for_their_acknowledgement(door):
    """Nagle's algorithm would hold a piece back for 40 ms."""
    pytest.importorskip("uvicorn")
    from qwen25.openai.serve import _listening

    with _listening("127.0.0.1", 0) as listener:
        with socket.create_connection(listener.getsockname()):
            connection, _ = listener.accept()
            with connection:
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
