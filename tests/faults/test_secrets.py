"""Who sees a token, a password, a cookie, and who does not: looked at on the wire."""

import base64
import logging
import pickle
import socket
import traceback

import pytest
import responses
from recordings import config, stream_bytes

import qwen25
from qwen25 import Client
from qwen25.testing import Drop, FakeSpace, Reply

TOKEN = "hf_0123456789secret"
AUTH = ("name", "hunter2")


def bearer(token=TOKEN):
    return f"Bearer {token}"


def tokens_seen(requests):
    return {request.headers.get("Authorization") for request in requests}


@pytest.fixture
def netrc(tmp_path):
    """A ~/.netrc with a password for every host."""
    path = tmp_path / ".netrc"
    path.write_text("default login netrc password of-netrc\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def web():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def play_space(web, url):
    web.get(f"{url}/config", json=config("gradio-4.44.1-modelscope"))
    web.post(f"{url}/queue/join", json={"event_id": "e1"})
    web.get(
        f"{url}/queue/data",
        body=stream_bytes("gradio-4.44.1-modelscope", "answer"),
        content_type="text/event-stream",
    )


def seen_by(web, host):
    return {
        call.request.headers.get("Authorization")
        for call in web.calls
        if host in call.request.url.split("/")[2]
    }


class TestTokens:
    def test_a_token_that_is_given_goes_to_the_spaces_own_host(self):
        with FakeSpace() as space, Client(space.url, token=TOKEN) as client:
            client.complete("Hi")
            assert tokens_seen(space.requests) == {bearer()}

    @pytest.mark.parametrize(
        ("given", "asked"),
        [
            ("https://Me-Space.HF.space", "me-space.hf.space"),
            ("https://b\xfccher.example", "xn--bcher-kva.example"),
        ],
    )
    def test_it_does_so_however_the_host_is_written(self, web, given, asked):
        """requests asks in small letters, and in ASCII."""
        play_space(web, f"https://{asked}")
        Client(given, token=TOKEN).complete("Hi")
        assert seen_by(web, "") == {bearer()}

    def test_the_environments_token_does_not_go_to_a_plain_http_host(self, monkeypatch):
        """gradio_client sent it to http://127.0.0.1 unasked."""
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        with FakeSpace() as space, Client(space.url) as client:
            client.complete("Hi")
            assert tokens_seen(space.requests) == {None}
            assert not any(TOKEN in str(request) for request in space.requests)

    @pytest.mark.parametrize(
        ("url", "sees"),
        [
            ("https://qwen-qwen2-5.hf.space", True),
            ("https://hf.space", True),
            ("https://huggingface.co/mine", True),
            ("http://qwen-qwen2-5.hf.space", False),
            ("https://evil-hf.space", False),
            ("https://hf.space.evil.example", False),
            ("https://example.com", False),
        ],
    )
    def test_the_environments_token_goes_to_https_hosts_of_hugging_face(
        self, web, monkeypatch, url, sees
    ):
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        play_space(web, url)
        Client(url).complete("Hi")
        assert seen_by(web, "") == ({bearer()} if sees else {None})

    def test_a_token_that_is_given_does_not_go_to_hugging_face(self, web):
        web.get("https://space.example/config", status=404)
        web.get("https://a-b.hf.space/config", status=404)
        web.get("https://huggingface.co/api/spaces/a/b", json={"runtime": {"stage": "PAUSED"}})
        with pytest.raises(qwen25.SpaceUnavailableError):
            Client("a/b", token=TOKEN).complete("Hi")
        assert seen_by(web, "hf.space") == {bearer()}
        assert seen_by(web, "huggingface.co") == {None}

    def test_the_environments_token_asks_hugging_face_about_a_private_space(self, web, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        web.get("https://a-b.hf.space/config", status=404)
        web.get("https://huggingface.co/api/spaces/a/b", json={"runtime": {"stage": "PAUSED"}})
        with pytest.raises(qwen25.SpaceUnavailableError):
            Client("a/b").complete("Hi")
        assert seen_by(web, "huggingface.co") == {bearer()}

    def test_false_sends_none(self, web, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        play_space(web, "https://a-b.hf.space")
        Client("a/b", token=False).complete("Hi")
        assert seen_by(web, "") == {None}

    def test_the_token_that_is_given_wins_over_the_environments(self, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", "hf_other")
        with FakeSpace() as space, Client(space.url, token=TOKEN) as client:
            client.complete("Hi")
            assert tokens_seen(space.requests) == {bearer()}

    @pytest.mark.parametrize("token", [TOKEN, None])
    def test_a_netrc_neither_replaces_the_token_nor_adds_a_password(self, netrc, token):
        with FakeSpace() as space, Client(space.url, token=token) as client:
            client.complete("Hi")
            assert tokens_seen(space.requests) == {token and bearer()}

    @pytest.mark.parametrize("where", ["config", "join", "data"])
    def test_a_redirect_to_another_host_is_told_and_not_followed(self, netrc, where):
        """Neither token, nor headers, nor the prompt go there."""
        with FakeSpace() as other, FakeSpace() as space:
            elsewhere = other.url.replace("127.0.0.1", "localhost")
            setattr(space, where, Reply(307, headers={"Location": f"{elsewhere}/x"}))
            with Client(space.url, token=TOKEN, headers={"X-Key": "k"}) as client:
                with pytest.raises(qwen25.ProtocolError, match="localhost"):
                    client.complete("Hi")
            assert other.requests == []

    def test_a_redirect_to_another_port_is_not_followed(self):
        """It is another server, though cookies would go there."""
        with FakeSpace() as other, FakeSpace() as space:
            space.config = Reply(307, headers={"Location": f"{other.url}/config"})
            with Client(space.url, headers={"X-Key": "k"}) as client:
                with pytest.raises(qwen25.ProtocolError, match="redirects"):
                    client.complete("Hi")
            assert other.requests == []

    def test_a_redirect_from_http_to_https_is_followed_for_the_config(self, web):
        web.get(
            "http://a-b.hf.space/config",
            status=301,
            headers={"Location": "https://a-b.hf.space/config"},
        )
        play_space(web, "https://a-b.hf.space")
        assert Client("http://a-b.hf.space").complete("Hi")
        assert [call.request.url[:5] for call in web.calls] == ["http:"] + ["https"] * 3

    def test_a_redirect_of_the_same_host_is_followed_for_the_config(self):
        """As from an old path of the app to its new one."""
        with FakeSpace() as space:
            target = f"{space.url}/config"
            space.config = [Reply(308, headers={"Location": target})]
            with Client(space.url) as client:
                assert client.complete("Hi") == "Hello world"

    def test_a_token_never_follows_from_https_to_http(self, web):
        web.get(
            "https://space.example/config",
            status=301,
            headers={"Location": "http://space.example/config"},
        )
        with pytest.raises(qwen25.ProtocolError, match="redirects"):
            Client("https://space.example", token=TOKEN).complete("Hi")
        assert len(web.calls) == 1


class TestProxies:
    """A Space that is taken for a proxy answers in the name of any host."""

    def test_every_request_goes_through_the_proxy_that_is_given(self, monkeypatch):
        """NO_PROXY is for the environment's proxies; this one was given by name."""
        monkeypatch.setenv("NO_PROXY", "*")
        with FakeSpace() as proxy, Client("http://space.invalid", proxy=proxy.url) as client:
            assert client.complete("Hi") == "Hello world"
            targets = [request.target.partition("?")[0] for request in proxy.requests]
        assert targets == [
            f"http://space.invalid/{path}" for path in ("config", "queue/join", "queue/data")
        ]

    def test_a_space_behind_https_is_asked_for_through_a_tunnel(self):
        with FakeSpace() as proxy:
            client = Client("https://space.invalid", proxy=proxy.url, max_retries=0)
            with pytest.raises(qwen25.ConnectionFailedError, match="proxy"):
                client.complete("Hi")
            assert [request.method for request in proxy.requests] == ["CONNECT"]

    def test_the_environments_proxies_are_used(self, monkeypatch):
        with FakeSpace() as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.setenv("http_proxy", proxy.url)
            with Client("http://space.invalid") as client:
                assert client.complete("Hi") == "Hello world"

    def test_a_proxys_password_is_in_no_error(self):
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))  # taken, so that nobody else listens there
            port = deaf.getsockname()[1]
            for url in ("http://space.invalid", "https://space.invalid"):
                client = Client(url, proxy=f"http://me:hunter2@127.0.0.1:{port}", max_retries=0)
                with pytest.raises(qwen25.ConnectionFailedError, match="proxy") as caught:
                    client.complete("Hi")
                told = "".join(traceback.format_exception(None, caught.value, caught.tb))
                assert "hunter2" not in told

    @pytest.mark.parametrize("proxy", ["http://me:hunter2@", "http://", "http://:3128", "//"])
    def test_a_proxy_without_a_host_is_said_to_be_wrong(self, monkeypatch, proxy):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("http_proxy", proxy)
        with pytest.raises(qwen25.InvalidRequestError, match="proxy") as caught:
            qwen25.Client("http://space.invalid", max_retries=0).complete("Hi")
        assert "hunter2" not in str(caught.value)

    def test_a_proxy_that_wants_a_password_is_said_to_be_the_reason(self):
        with FakeSpace(config=Reply(407)) as proxy:
            client = Client("http://space.invalid", proxy=proxy.url, max_retries=0)
            with pytest.raises(qwen25.ConnectionFailedError, match="proxy.*407"):
                client.complete("Hi")

    def test_a_socks_proxy_without_its_package_names_the_command(self, monkeypatch):
        import urllib3.contrib

        monkeypatch.setitem(__import__("sys").modules, "urllib3.contrib.socks", None)
        monkeypatch.setattr("requests.adapters.SOCKSProxyManager", no_socks)
        client = Client("http://space.invalid", proxy="socks5://127.0.0.1:9", max_retries=0)
        with pytest.raises(qwen25.InvalidRequestError, match=r"qwen25\[socks\]"):
            client.complete("Hi")
        assert urllib3.contrib


def no_socks(*_, **__):
    """What requests itself puts there when PySocks is missing."""
    import requests

    raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")


class TestLogin:
    def test_a_login_opens_the_app_and_its_cookies_go_along(self):
        with FakeSpace(auth=AUTH) as space, Client(space.url, auth=AUTH) as client:
            assert client.complete("Hi") == "Hello world"
            assert client.complete("Hi") == "Hello world"
            assert [request.path for request in space.requests].count("/login") == 1

    def test_a_wrong_password_is_told(self):
        with FakeSpace(auth=AUTH) as space:
            with Client(space.url, auth=("name", "wrong-pass")) as client:
                with pytest.raises(qwen25.AuthenticationError, match="auth=") as caught:
                    client.complete("Hi")
        assert caught.value.status == 400
        assert "wrong-pass" not in str(caught.value)

    def test_a_login_where_there_is_none_is_told(self):
        with FakeSpace(login=Reply(404)) as space, Client(space.url, auth=AUTH) as client:
            with pytest.raises(qwen25.AuthenticationError, match="Leave `auth` out"):
                client.complete("Hi")

    def test_a_login_serves_all_threads(self):
        """The cookies are the client's, whichever connection got them."""
        with FakeSpace(auth=AUTH) as space, Client(space.url, auth=AUTH) as client:
            streams = [client.stream("Hi") for _ in range(3)]
            assert [stream.result() for stream in streams] == ["Hello world"] * 3
            assert [request.path for request in space.requests].count("/login") == 1


def test_nothing_secret_is_in_logs_errors_and_reprs(caplog):
    """At DEBUG, where the prompts and answers are, also from the libraries below."""
    caplog.set_level(logging.DEBUG)
    with FakeSpace(auth=AUTH, first=[["Hel", Drop()]]) as space:
        client = Client(space.url, auth=AUTH, token=TOKEN, headers={"X-Key": "sesame"})
        stream = client.stream("Hi")
        with pytest.raises(qwen25.StreamInterruptedError) as caught:
            stream.result()
        client.complete("Hi")
        cookies = [cookie for request in space.requests for cookie in request.cookies.values()]
        other = pickle.loads(pickle.dumps(client))
        told = [repr(client), repr(other), repr(stream), repr(client.space), str(caught.value)]
        told += traceback.format_exception(None, caught.value, caught.tb)
        told += [record.getMessage() for record in caplog.records]
        client.close()
    secrets = [TOKEN, "hunter2", "sesame", base64.b64encode(b"name:hunter2").decode()]
    assert cookies
    for secret in secrets + cookies:
        assert [line for line in told if secret in line] == []


def test_prompts_and_answers_are_logged_at_debug_only(caplog):
    caplog.set_level(logging.DEBUG, "qwen25")
    with FakeSpace(["the answer"]) as space, Client(space.url) as client:
        client.complete("the prompt")
    texts = [r for r in caplog.records if "the prompt" in r.getMessage()]
    texts += [r for r in caplog.records if "the answer" in r.getMessage()]
    assert len(texts) >= 2
    assert {record.levelno for record in texts} == {logging.DEBUG}
    assert {record.name for record in texts} == {"qwen25"}


def test_certificates_are_checked_by_default(web):
    seen = []
    web.add_callback(
        responses.GET,
        "https://other.example/config",
        callback=lambda request: seen.append(request.req_kwargs) or (404, {}, ""),
    )
    with pytest.raises(qwen25.SpaceNotFoundError):
        Client("https://other.example").complete("Hi")
    with pytest.raises(qwen25.SpaceNotFoundError):
        Client("https://other.example", verify=False).complete("Hi")
    assert [bool(kwargs["verify"]) for kwargs in seen] == [True, False]


def test_an_authoritys_certificate_that_is_not_there_is_named(tmp_path):
    """It is no fault of the network, and nothing is tried again."""
    with pytest.raises(qwen25.InvalidRequestError, match="no-such.pem.* is no file"):
        Client("https://other.example", verify=str(tmp_path / "no-such.pem")).complete("Hi")


def test_an_authorization_that_is_given_is_not_replaced_by_the_environments(web, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    play_space(web, "https://a-b.hf.space")
    assert Client("https://a-b.hf.space", headers={"Authorization": "Basic mine"}).complete("Hi")
    assert {call.request.headers["Authorization"] for call in web.calls} == {"Basic mine"}


class TestWhatCannotBeSent:
    """requests would show it in its own error."""

    def test_a_token_may_end_with_the_newline_of_its_file(self):
        with FakeSpace() as space, Client(space.url, token="hf_x\n") as client:
            assert client.complete("Hi")
            assert space.requests[-1].headers["Authorization"] == "Bearer hf_x"

    @pytest.mark.parametrize("token", ["hf_sec\nret", "hf_s\xe9cret", "hf_s\u4f60cret"])
    def test_a_token_that_is_none_is_not_shown(self, token):
        client = Client("http://127.0.0.1:9", token=token)
        with pytest.raises(qwen25.InvalidRequestError) as caught:
            client.complete("Hi")
        told = traceback.format_exception(None, caught.value, caught.tb)
        assert token not in "".join(told) and caught.value.__cause__ is None

    @pytest.mark.parametrize(
        "arguments",
        [
            {"token": b"hunter2"},
            {"auth": 5},
            {"auth": ("me", 5)},
            {"system": 5},
            {"headers": "hunter2"},
            {"headers": {"X-Key": "hunter2\n"}},
            {"headers": {5: "hunter2"}},
            {"space": "me:hunter2@host.example"},
            {"space": "https://me:hunter2/x@host.example"},
        ],
        ids=str,
    )
    def test_an_argument_that_cannot_be_meant_is_refused_and_not_shown(self, arguments):
        with pytest.raises(qwen25.InvalidRequestError) as caught:
            Client(**arguments)
        assert "hunter2" not in str(caught.value)

    def test_what_cannot_be_called_is_refused_before_anything_is_asked(self):
        with FakeSpace() as space, Client(space.url) as client:
            with pytest.raises(qwen25.InvalidRequestError, match="on_event"):
                client.stream("Hi", on_event=5)
            assert list(space.requests) == []


@pytest.mark.parametrize("value", [" s3cret", "\ts3cret", "s3cret\r\nX-Other: 1"])
def test_a_header_that_can_be_none_is_refused_without_its_value(value):
    with pytest.raises(qwen25.InvalidRequestError, match="X-Key") as caught:
        Client(headers={"X-Key": value})
    assert "s3cret" not in str(caught.value)
