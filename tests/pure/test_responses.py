"""What a status, its headers and its body mean: tables, without a socket."""

from __future__ import annotations

import json
from email.utils import formatdate

import pytest

import qwen25
from qwen25.protocol import responses
from qwen25.protocol.responses import Reply

NOW = 1_700_000_000.0
HTML = b"<!doctype html><h1>Please wait</h1>"


def reply(status, body=b"", **headers):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    where = ("http://a.example/app/x", "http://a.example/app", "me/space", NOW)
    return Reply(status, named, body, *where)


#: Status, body, headers, error, a part of what it says, and further facts.
REFUSALS = [
    (400, {"detail": "no"}, {}, qwen25.InvalidRequestError, "Check the prompt", {}),
    (401, {"detail": {"error": "Not authenticated"}}, {}, qwen25.AuthenticationError, "HF_TOKEN", {}),
    (403, b"", {}, qwen25.AuthenticationError, "HF_TOKEN", {}),
    (404, {"detail": "Not Found"}, {}, qwen25.EndpointNotFoundError, "new Client", {"space": "me/space"}),
    (407, b"", {}, qwen25.ConnectionFailedError, "proxy", {}),
    (413, b"", {}, qwen25.InvalidRequestError, "Check the prompt", {}),
    (418, b"", {}, qwen25.InvalidRequestError, "in a browser", {}),
    (422, {"detail": "Too long"}, {}, qwen25.InvalidRequestError, "Too long", {}),
    (429, b"", {"Retry_After": "7"}, qwen25.RateLimitError, "in 7 seconds", {"retry_after": 7.0}),
    (429, b"", {"Retry_After": formatdate(NOW - 86_400, usegmt=True)}, qwen25.RateLimitError, "Try again", {"retry_after": 0.0}),
    (429, b"", {"Retry_After": formatdate(NOW + 90, usegmt=True)}, qwen25.RateLimitError, "in 90 seconds", {"retry_after": 90.0}),
    (429, b"", {"RateLimit": '"api";r=0;t=55'}, qwen25.RateLimitError, "in 55 seconds", {"retry_after": 55.0}),
    (429, b"", {"Retry_After": "soon"}, qwen25.RateLimitError, "later", {"retry_after": None}),
    (429, b"", {}, qwen25.RateLimitError, "later", {"retry_after": None}),
    (500, b"", {}, qwen25.SpaceUnavailableError, "try again", {"space": "me/space", "url": "http://a.example/app"}),
    (502, HTML, {}, qwen25.SpaceUnavailableError, "try again", {}),
    (503, {"detail": "Queue is full. Max size is 2 and size is 2."}, {}, qwen25.QueueFullError, "in a minute", {}),
    (503, {"detail": "Queue is stopped."}, {"Retry_After": "3"}, qwen25.SpaceUnavailableError, "stopped", {"retry_after": 3.0}),
    (504, b"", {}, qwen25.SpaceUnavailableError, "try again", {}),
    (307, b"", {"Location": "https://elsewhere.example/x"}, qwen25.ProtocolError, "elsewhere.example", {}),
    (307, b"", {"Location": "/other"}, qwen25.ProtocolError, "a.example", {}),
    (301, b"", {"Location": "http://[::1"}, qwen25.ProtocolError, "no address", {}),
    (199, b"", {}, qwen25.ProtocolError, "199", {}),
    (300, b"", {}, qwen25.ProtocolError, "300", {}),
    (304, b"", {}, qwen25.ProtocolError, "304", {}),
    (102, b"", {}, qwen25.ProtocolError, "102", {}),
    (103, b"", {}, qwen25.ProtocolError, "103", {}),
    (600, b"", {}, qwen25.ProtocolError, "600", {}),
    (999, b"", {}, qwen25.ProtocolError, "999", {}),
    (0, b"", {}, qwen25.ProtocolError, "HTTP 0", {}),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "headers", "error", "says", "facts"), REFUSALS)
@pytest.mark.parametrize("read", [responses.check, responses.read_event_id, responses.check_stream])
def test_a_refusal_ends_in_its_error(status, body, headers, error, says, facts, read):
    with pytest.raises(qwen25.QwenError) as caught:
        read(reply(status, body, **headers))
    assert type(caught.value) is error
    assert says in str(caught.value) and caught.value.hint
    assert caught.value.status == status
    for name, value in facts.items():
        assert getattr(caught.value, name) == value


@pytest.mark.parametrize("status", [102, 304, 418, 451, 600])
def test_a_status_that_has_nothing_to_do_with_the_prompt_does_not_blame_it(status):
    with pytest.raises(qwen25.QwenError) as caught:
        responses.check(reply(status))
    assert "prompt" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"detail": "why"}, "why"),
        ({"detail": {"error": "why"}}, "why"),
        ({"detail": {"message": "why"}}, "why"),
        ({"detail": "x" * 9_999}, "x" * 500),
        ({"detail": None}, ""),
        ({"other": 1}, ""),
        ([], ""),
        (HTML, ""),
        (b"\xff", ""),
        (b"[" * 200_000, ""),
    ],
)
def test_the_reason_of_a_refusal_is_read_where_gradio_puts_it(body, reason):
    assert responses.refusal_reason(reply(400, body).body) == reason


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("5", 5.0), ("inf", 86_400.0), ("nan", None), ("99999999999", 86_400.0), ("-3", 0.0)],
)
def test_a_server_is_obeyed_for_a_day_at_most(value, seconds):
    assert responses.wait_asked_for({"Retry-After": value}, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "body", "error", "says", "cause"),
    [
        (200, HTML, qwen25.SpaceUnavailableError, "browser", "JSONDecodeError"),
        (404, b"", qwen25.SpaceNotFoundError, "Check the address", None),
        (410, b"", qwen25.SpaceNotFoundError, "Check the address", None),
        (401, b"", qwen25.AuthenticationError, "auth=", None),
        (500, b"", qwen25.SpaceUnavailableError, "try again", None),
        (503, HTML, qwen25.SpaceUnavailableError, "try again", None),
        (200, b"{", qwen25.ProtocolError, "Check the address", "JSONDecodeError"),
        (200, b"[" * 200_000, qwen25.ProtocolError, "Check the address", "RecursionError"),
    ],
)
def test_an_app_without_a_configuration_is_told_by_its_error(status, body, error, says, cause):
    with pytest.raises(qwen25.QwenError) as caught:
        responses.read_config(reply(status, body))
    assert type(caught.value) is error
    assert says in str(caught.value)
    assert type(caught.value.__cause__).__name__ == (cause or "NoneType")


def test_a_configuration_is_read_also_where_it_is_not_utf_8():
    assert responses.read_config(reply(200, b'{"title": "\xff"}')) == {"title": "\ufffd"}


@pytest.mark.parametrize(
    ("status", "says"), [(400, "auth="), (401, "auth="), (403, "auth="), (404, "Leave `auth` out")]
)
def test_a_login_that_is_refused_is_an_authentication_error(status, says):
    with pytest.raises(qwen25.AuthenticationError, match=says) as caught:
        responses.check_login(reply(status))
    assert caught.value.status == status


def test_a_login_on_a_server_that_is_down_is_another_error():
    with pytest.raises(qwen25.SpaceUnavailableError):
        responses.check_login(reply(503))
    responses.check_login(reply(200, {"success": True}))


@pytest.mark.parametrize(
    "body", [b"yes", {"id": 1}, [], b"null", b"[" * 200_000, b"\xff", {"event_id": None}]
)
def test_a_join_without_an_event_id_is_a_protocol_error(body):
    with pytest.raises(qwen25.ProtocolError, match="Gradio"):
        responses.read_event_id(reply(200, body))
    assert responses.read_event_id(reply(200, {"event_id": "e1"})) == "e1"


@pytest.mark.parametrize("kind", ["text/html", "", "application/json", "text/event-stream2"])
def test_a_body_of_another_type_is_no_stream(kind):
    with pytest.raises(qwen25.ProtocolError, match="page of its own"):
        responses.check_stream(reply(200, Content_Type=kind))


@pytest.mark.parametrize(
    "kind", ["text/event-stream", "Text/Event-Stream; charset=utf-8", "text/event-stream ;x"]
)
def test_a_stream_is_known_by_its_type(kind):
    responses.check_stream(reply(200, Content_Type=kind))


@pytest.mark.parametrize(
    ("body", "stage"),
    [
        ({"runtime": {"stage": "SLEEPING"}}, "SLEEPING"),
        ({"runtime": {"stage": 5}}, None),
        ({"runtime": None}, None),
        ([], None),
        (HTML, None),
        (b"[" * 200_000, None),
    ],
)
def test_the_stage_of_a_space_is_read_or_not_known(body, stage):
    assert responses.read_stage(reply(200, body)) == stage


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_space_that_hugging_face_does_not_show_is_not_found(status):
    with pytest.raises(qwen25.SpaceNotFoundError, match="me/space"):
        responses.read_stage(reply(status))


@pytest.mark.parametrize(
    ("status", "body", "size"),
    [
        (200, {"queue_size": 3}, 3),
        (200, {"queue_size": "3"}, None),
        (200, {"queue_size": True}, None),
        (200, {}, None),
        (404, b"", None),
        (200, HTML, None),
    ],
)
def test_the_size_of_the_queue_is_read_or_not_known(status, body, size):
    assert responses.read_queue_size(reply(status, body)) == size


def test_a_reason_can_neither_command_a_terminal_nor_forge_a_line():
    body = json.dumps({"detail": "no\x1b]0;x\x07\r\nERROR root: lost\u202e\ud800 end"}).encode()
    reason = responses.refusal_reason(body)
    assert len(reason.splitlines()) == 1
    assert not set(reason) & set("\x1b\x07\r\n\u202e\ud800")
    assert reason.endswith("end")


def test_a_deeply_nested_reason_is_short():
    assert len(responses.refusal_reason(b'{"detail": ' + b"[" * 900 + b"]" * 900 + b"}")) < 1_100
