"""The provider class: code that was written against the described one runs here unchanged."""

from __future__ import annotations

import asyncio
import http.client
import importlib.util
import logging
import socket
import subprocess
import sys
import textwrap
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import qwen25
from qwen25 import Timeout
from qwen25.provider import Qwen_Qwen_2_5
from qwen25.testing import End, FakeSpace, Gate, Hang, Raw

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "How are you?"},
]


def run(main):
    """`asyncio.run`, which no test can hang in."""
    return asyncio.run(asyncio.wait_for(main, 30))


def provider(address):
    class Here(Qwen_Qwen_2_5):
        url = address

    return Here


def ask(address, messages=MESSAGES[-1:], model="qwen-2.5", **arguments):
    async def main():
        generator = provider(address).create_async_generator(model, messages, **arguments)
        return [text async for text in generator]

    return run(main())


class Proxy(ThreadingHTTPServer):
    """A proxy that forwards what it is asked for, and remembers it."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Forwarder)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.seen = []

    def __enter__(self):
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self._thread.join()
        self.server_close()


class Forwarder(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urlsplit(self.path)
        assert url.scheme == "http", "a request to a proxy names the whole address"
        self.server.seen.append((self.command, url.path))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = f"{url.path}?{url.query}" if url.query else url.path
        upstream = http.client.HTTPConnection(url.netloc, timeout=30)
        try:
            upstream.request(self.command, target, body, dict(self.headers))
            answer = upstream.getresponse()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            data = None
            while data != b"":
                data = answer.read1(65536)
                # The empty chunk at the end is the mark of the end.
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        finally:
            upstream.close()

    do_POST = do_GET

    def log_message(self, *_):
        pass


# The class


def test_the_class_describes_itself():
    assert Qwen_Qwen_2_5.label == "Qwen Qwen-2.5"
    assert Qwen_Qwen_2_5.url == "https://qwen-qwen2-5.hf.space"
    assert Qwen_Qwen_2_5.api_endpoint == "https://qwen-qwen2-5.hf.space/queue/join"
    assert Qwen_Qwen_2_5.working is True
    assert Qwen_Qwen_2_5.supports_stream is True
    assert Qwen_Qwen_2_5.supports_system_message is True
    assert Qwen_Qwen_2_5.supports_message_history is True
    assert Qwen_Qwen_2_5.default_model == "qwen-qwen2-5"
    assert Qwen_Qwen_2_5.model_aliases == {"qwen-2.5": "qwen-qwen2-5"}
    assert list(Qwen_Qwen_2_5.models) == ["qwen-2.5"]


def test_a_subclass_with_another_url_asks_that_space():
    with FakeSpace() as space:
        assert "".join(ask(space.url)) == "Hello world"
        assert provider(space.url).api_endpoint == f"{space.url}/queue/join"


def test_the_public_space_is_asked_by_its_id_so_that_it_is_waited_for(monkeypatch):
    made = []

    class Recorded(qwen25.Client):
        def __init__(self, space, **options):
            made.append(space)
            super().__init__(space, **options)

    monkeypatch.setattr("qwen25.provider.Client", Recorded)
    Qwen_Qwen_2_5.create_async_generator("", [{"role": "user", "content": "Hi"}])
    assert made == ["Qwen/Qwen2.5"]


def test_the_class_of_before_is_not_changed_by_a_subclass():
    provider("http://127.0.0.1:1")
    assert Qwen_Qwen_2_5.api_endpoint == "https://qwen-qwen2-5.hf.space/queue/join"


@pytest.mark.parametrize(
    ("model", "size"),
    [("qwen-2.5", "72B"), ("qwen-qwen2-5", "72B"), ("", "72B"), ("7B", "7B")],
)
def test_a_model_is_a_name_or_a_size(model, size):
    with FakeSpace(lambda asked: [asked.size]) as space:
        assert ask(space.url, model=model) == [size]


def test_system_messages_and_history_are_sent_as_what_they_are():
    asked = []

    def answer(question):
        asked.append(question)
        return ["Fine."]

    with FakeSpace(answer) as space:
        ask(space.url, MESSAGES)
        ask(space.url)
    assert asked[0].system == "Be brief.\nBe kind."
    assert asked[0].history == MESSAGES[2:4]
    assert asked[0].prompt == "How are you?"
    assert asked[1].system.startswith("You are Qwen")


def test_the_steps_are_the_described_ones():
    """A session hash of ten digits, the headers, join, and the stream."""
    with FakeSpace() as space:
        ask(space.url)
        _, joined, read = space.requests
    assert (joined.method, joined.path) == ("POST", "/queue/join")
    assert (read.method, read.path) == ("GET", "/queue/data")
    session_hash = joined.json["session_hash"]
    assert len(session_hash) == 10
    assert read.query["session_hash"] == session_hash
    assert read.headers["Accept"] == "text/event-stream"
    assert joined.headers["Referer"] == f"{space.url}/?__theme=system"
    assert "User-Agent" in joined.headers


def test_unknown_arguments_are_named_in_the_log_and_do_nothing_else(caplog):
    caplog.set_level(logging.DEBUG, "qwen25")
    with FakeSpace() as space:
        assert ask(space.url, temperature=0.5, web_search=True) == ["Hello", " world"]
    (record,) = [record for record in caplog.records if "temperature" in record.getMessage()]
    assert record.levelno == logging.DEBUG
    assert "web_search" in record.getMessage()


def test_the_timeout_is_kept():
    with FakeSpace(["Hel", Hang()]) as space:
        with pytest.raises(qwen25.TimedOutError) as caught:
            ask(space.url, timeout=Timeout(idle=3))
    assert caught.value.partial == "Hel"


@pytest.mark.parametrize("arguments", [{"proxy": "nowhere"}, {"timeout": -1}, {"model": " "}])
def test_what_cannot_be_meant_so_is_refused_at_the_call(arguments):
    with pytest.raises(qwen25.InvalidRequestError):
        Qwen_Qwen_2_5.create_async_generator(**{"model": "7B", "messages": MESSAGES, **arguments})


def test_malformed_json_is_logged_and_is_an_error(caplog):
    with FakeSpace(["Hel", Raw(b"data: {\n\n"), "lo"]) as space:
        with pytest.raises(qwen25.ProtocolError) as caught:
            ask(space.url)
    assert caught.value.partial == "Hel"
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "JSONDecodeError" in record.getMessage()


def test_an_answer_that_breaks_off_is_an_error():
    with FakeSpace(["Hel", End()]) as space:
        with pytest.raises(qwen25.StreamInterruptedError) as caught:
            ask(space.url)
    assert caught.value.partial == "Hel"


def test_pieces_are_handed_out_while_the_answer_is_still_written():
    gate = Gate()

    async def main(url):
        generator = await provider(url).create_async_generator("qwen-2.5", MESSAGES)
        assert await generator.__anext__() == "Hello"
        gate.set()
        return [text async for text in generator]

    with FakeSpace(["Hello", gate, " world"]) as space:
        assert run(main(space.url)) == [" world"]


def test_breaking_the_loop_closes_the_connection_though_the_generator_is_kept():
    async def main(space):
        generator = provider(space.url).create_async_generator("qwen-2.5", MESSAGES)
        async for _ in await generator:
            break
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, space.wait_for, lambda: space.left == 1)
        return [text async for text in generator]

    with FakeSpace(["Hello", Hang()]) as space:
        assert run(main(space)) == []


def test_closing_the_generator_closes_the_connection():
    async def main(space):
        generator = provider(space.url).create_async_generator("qwen-2.5", MESSAGES)
        await generator.__anext__()
        await generator.aclose()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, space.wait_for, lambda: not space.open_connections)

    with FakeSpace(["Hello", Hang()]) as space:
        run(main(space))


def test_a_finished_answer_leaves_no_connection():
    with FakeSpace() as space:
        ask(space.url)
        space.wait_for(lambda: not space.open_connections)


def test_a_generator_that_nobody_iterates_asks_nothing():
    async def main(url):
        await provider(url).create_async_generator("qwen-2.5", MESSAGES)

    with FakeSpace() as space:
        run(main(space.url))
        assert not space.requests


# The two examples; their import and their addresses are the only lines that differ.

IMPORT = """\
    import qwen25.provider

    class Qwen_Qwen_2_5(qwen25.provider.Qwen_Qwen_2_5):
        url = "{url}"
"""

WITHOUT_A_PROXY = """\
    import asyncio

    async def main():
        model = "qwen-2.5"
        messages = [
            {{"role": "system", "content": "You are a helpful assistant."}},
            {{"role": "user", "content": "hello 3"}},
        ]
        generator = Qwen_Qwen_2_5.create_async_generator(model=model, messages=messages)
        async for text in await generator:
            print(text, end="")

    asyncio.run(main())
"""

WITH_A_PROXY = """\
    import asyncio

    async def main():
        model = "qwen-2.5"
        messages = [
            {{"role": "system", "content": "You are a helpful assistant."}},
            {{"role": "user", "content": "hello 3"}},
        ]
        proxy = "{proxy}"
        generator = Qwen_Qwen_2_5.create_async_generator(
            model=model, messages=messages, proxy=proxy
        )
        async for text in await generator:
            print(text, end="")

    asyncio.run(main())
"""


def printed(example, **addresses):
    code = textwrap.dedent(IMPORT + example).format(**addresses)
    command = [sys.executable, "-W", "error", "-X", "utf8", "-c", code]
    out = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60).stdout
    return out.decode()


class Fake:
    """A scripted Space as the one that an example asks."""

    text = "You are a helpful assistant.: hello 3"
    prefix = ""

    @contextmanager
    def running(self, folder):
        with FakeSpace(lambda asked: [asked.system, ": ", asked.prompt]) as space:
            yield space.url


class Gradio:
    """The Gradio that is installed, in a process of its own."""

    text = "[72B|turns=0|You are a helpful assistant.] слово0 你好 слово1 你好 слово2 你好 "

    @contextmanager
    def running(self, folder):
        path = Path(__file__).parent.parent / "live" / "conftest.py"
        spec = importlib.util.spec_from_file_location("live_apps", str(path))
        apps = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(apps)
        if not apps.HAS_GRADIO:
            pytest.skip("no Gradio is installed to test against")
        self.prefix = "/gradio_api" if apps.GRADIO >= (5, 0) else ""
        app = apps.App(folder)
        try:
            yield app.url
        finally:
            app.stop()


@pytest.fixture(scope="module", params=[Fake, Gradio])
def space(request, tmp_path_factory):
    kind = request.param()
    with kind.running(tmp_path_factory.mktemp("space")) as kind.url:
        yield kind


def test_the_example_runs_as_written(space):
    assert printed(WITHOUT_A_PROXY, url=space.url) == space.text


def test_the_example_with_a_proxy_runs_as_written_and_the_proxy_sees_every_request(space):
    with Proxy() as proxy:
        assert printed(WITH_A_PROXY, url=space.url, proxy=proxy.url) == space.text
    assert proxy.seen == [
        ("GET", "/config"),
        ("POST", f"{space.prefix}/queue/join"),
        ("GET", f"{space.prefix}/queue/data"),
    ]


def test_nothing_goes_past_the_proxy():
    with FakeSpace() as space, Proxy() as proxy:
        assert ask(space.url, proxy=proxy.url) == ["Hello", " world"]
        assert len(proxy.seen) == len(space.requests) == 3


def test_a_proxy_that_is_not_there_is_an_error_and_not_gone_around(monkeypatch):
    monkeypatch.setattr("qwen25.client.retrying.BASE", 0.0)
    with FakeSpace() as space, socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # taken, so that nobody else listens there
        with pytest.raises(qwen25.ConnectionFailedError, match="proxy"):
            ask(space.url, proxy="http://127.0.0.1:%d" % deaf.getsockname()[1])
        assert not space.requests
