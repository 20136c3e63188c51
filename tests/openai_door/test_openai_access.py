"""Who may come in, and what a hostile caller gets."""

from __future__ import annotations

import http.client
import socket

import pytest
import requests
from doors import PATIENCE, error_of

from qwen25 import InvalidRequestError, QwenError
from qwen25.testing import FakeSpace

SECRET = "s3cret"


@pytest.fixture
def space():
    with FakeSpace() as space:
        yield space


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def test_without_a_key_any_key_is_taken(door, space):
    opened = door(space)
    assert opened.chat(headers=bearer("whatever")).status_code == 200
    assert opened.chat().status_code == 200


@pytest.mark.parametrize("from_environment", [False, True])
def test_a_key_is_wanted(door, space, monkeypatch, from_environment):
    if from_environment:
        monkeypatch.setenv("QWEN25_API_KEY", SECRET)
        opened = door(space)
    else:
        opened = door(space, key=SECRET)
    assert opened.chat(headers=bearer(SECRET)).status_code == 200
    for headers in ({}, bearer("s3cre"), bearer(""), {"Authorization": SECRET}, bearer("ü")):
        response = opened.chat(headers=headers)
        assert response.status_code == 401
        assert error_of(response)["code"] == "invalid_api_key"
        assert SECRET not in response.text
    assert opened.get("/v1/models").status_code == 401
    assert opened.get("/healthz").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_an_address_for_others_wants_a_key(door, space, host):
    with pytest.raises(InvalidRequestError) as caught:
        door(space, host=host)
    assert "QWEN25_API_KEY" in str(caught.value)


def test_with_a_key_others_can_be_let_in(door, space):
    opened = door(space, host="0.0.0.0", key=SECRET)
    url = f"http://127.0.0.1:{opened.server.port}/v1/models"
    headers = {**bearer(SECRET), "Host": "my-machine.example"}
    assert requests.get(url, headers=headers, timeout=PATIENCE).status_code == 200


def test_an_app_on_another_address_without_a_key_refuses():
    """Uvicorn and its like choose the address, so each request is checked."""
    pytest.importorskip("starlette")
    from qwen25.openai.access import Access
    from qwen25.openai.errors import RequestRefusedError

    scope = {"type": "http", "method": "GET", "path": "/v1/models", "scheme": "http"}
    for server, allowed in ((("192.0.2.1", 80), False), (("127.0.0.1", 80), True)):
        scope.update(server=server, headers=[(b"host", b"localhost")])
        access = Access(None, None, ())
        if allowed:
            access._check(scope)
        else:
            with pytest.raises(RequestRefusedError) as caught:
                access._check(scope)
            assert caught.value.status == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "["])
def test_a_name_that_was_made_to_lead_here_is_refused(door, space, host):
    response = door(space).get("/v1/models", headers={"Host": host})
    assert response.status_code == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8000", "LOCALHOST"])
def test_the_names_of_this_machine_are_taken(door, space, host):
    assert door(space).get("/v1/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("key", [None, SECRET])
def test_a_page_in_a_browser_is_refused_unless_listed(door, space, key):
    opened = door(space, origins=["http://localhost:3000"], key=key)
    good = {"Origin": "http://localhost:3000", **bearer(SECRET)}
    response = opened.chat(headers=good)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "http://localhost:3000"
    for origin in ("http://evil.example", "null", "http://localhost:3001", ""):
        response = opened.chat(headers={"Origin": origin, **bearer(SECRET)})
        assert response.status_code == 403
        assert "access-control-allow-origin" not in response.headers


def test_a_listed_page_may_ask_beforehand(door, space):
    opened = door(space, origins=["http://localhost:3000"], key=SECRET)
    headers = {
        "Origin": "http://localhost:3000",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    url = f"{opened.base_url}/chat/completions"
    assert requests.options(url, headers=headers, timeout=PATIENCE).status_code == 200
    headers["Origin"] = "http://evil.example"
    assert requests.options(url, headers=headers, timeout=PATIENCE).status_code == 403


def test_without_origins_there_is_no_cors(door, space):
    response = door(space).chat(headers={"Origin": "http://localhost"})
    assert response.status_code == 403


@pytest.mark.parametrize(
    "options",
    [
        {"origins": ["*"]},
        {"origins": ["localhost:3000"]},
        {"origins": ["http://localhost:3000/"]},
        {"aliases": {"": "7B"}},
        {"aliases": {"a": 7}},
        {"key": ""},
        {"key": 1},
        {"workers": 0},
        {"waiting": -1},
        {"workers": True},
    ],
)
def test_an_argument_that_is_invalid_is_refused(door, space, options):
    with pytest.raises(InvalidRequestError):
        door(space, **options)


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_port_that_cannot_be_is_refused(door, space, port):
    with pytest.raises(QwenError):
        door(space, port=port)


def test_a_port_that_is_taken_is_an_error_with_a_next_step(door, space):
    taken = door(space).server.port
    with pytest.raises(QwenError) as caught:
        door(space, port=taken)
    assert "another port" in str(caught.value)


# Hostile bodies


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        pytest.param(b"[" * 1_000_000, id="deep"),
        pytest.param(b'{"model":"72B","messages":' + b"[" * 80 + b"]" * 80 + b"}", id="nested"),
        pytest.param(b'{"n": ' + b"9" * 1_000_000 + b"}", id="long number"),
        pytest.param(b'{"model": "\\ud800", "messages": [{"role": "\\ud800"}]}', id="surrogates"),
    ],
)
def test_a_body_that_cannot_be_read_is_400(door, space, data):
    response = door(space).post("/chat/completions", data=data)
    assert response.status_code == 400
    error_of(response)


def test_half_a_character_is_400(door, space):
    response = door(space).chat("a\ud800b")
    assert response.status_code == 400
    assert "surrogate" in error_of(response)["message"]


@pytest.mark.parametrize("with_length", [True, False])
def test_a_body_that_is_too_large_is_413(door, space, monkeypatch, with_length):
    opened = door(space)
    monkeypatch.setattr("qwen25.openai.app.LARGEST_BODY", 1000)
    data = b" " * 2000 if with_length else iter([b" " * 500] * 4)
    response = opened.post("/chat/completions", data=data)
    assert response.status_code == 413
    assert error_of(response)["code"] == "too_large"


def test_a_body_that_comes_too_slowly_is_408(door, space, monkeypatch):
    opened = door(space)
    monkeypatch.setattr("qwen25.openai.app.BODY_TIME", 0.1)
    with socket.create_connection((opened.server.host, opened.server.port), PATIENCE) as client:
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
        )
        assert client.recv(12) == b"HTTP/1.1 408"


def test_too_many_headers_are_400(door, space):
    opened = door(space)
    with socket.create_connection((opened.server.host, opened.server.port), PATIENCE) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n")
        assert client.recv(12) == b"HTTP/1.1 400"


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/v1/chat/completions", 405),
        ("POST", "/v1/models", 405),
        ("GET", "/", 404),
        ("POST", "/chat/completions", 404),
        ("GET", "/v1/models/%00%ff", 404),
    ],
)
def test_a_wrong_path_or_method_has_openai_s_shape(door, space, method, path, status):
    opened = door(space)
    connection = http.client.HTTPConnection(opened.server.host, opened.server.port, PATIENCE)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        assert response.status == status
        assert b'{"error": {"message"' in response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "path, hint", [("/v1/embeddings", "/v1/chat/completions"), ("/chat", "base URL")]
)
def test_a_path_that_is_not_there_gets_the_next_step(door, space, path, hint):
    response = door(space).get(path)
    assert response.status_code == 404
    assert hint in error_of(response)["message"]
