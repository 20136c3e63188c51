"""Every public callable refuses what it cannot use, before anything is asked."""

import math
import pathlib

import pytest

import qwen25
from qwen25 import (
    Client,
    Conversation,
    InvalidRequestError,
    QwenError,
    Stream,
    Timeout,
    batch,
)
from qwen25.aio import AsyncClient
from qwen25.testing import FakeSpace


class Odd:
    """A value that cannot even be shown."""

    def __repr__(self):
        raise RuntimeError("no name")


#: What is tried as each argument; some of them are right for some.
VALUES = {
    "None": None,
    "zero": 0,
    "negative": -1,
    "fraction": 1.5,
    "NaN": math.nan,
    "infinity": math.inf,
    "400 digits": 10**400,
    "5,000 digits": 10**5_000,
    "empty": "",
    "blank": " ",
    "NUL": "x\0",
    "lone surrogate": "\ud800",
    "two lines": "a\nb",
    "escape": "\x1b[2J",
    "not Latin-1": "日本",
    "100,000 characters": "x" * 100_000,
    "bytes": b"x",
    "list": [],
    "list of None": [None],
    "dict": {},
    "dict of numbers": {"a": 1},
    "tuple": (),
    "set": set(),
    "object": object(),
    "no repr": Odd(),
    "class": type,
    "True": True,
    "False": False,
}


def on_client(method, **usual):
    """A call of a method, and how its result is used up."""

    def call(space, client, /, **arguments):
        result = getattr(client, method)(**{**usual, **arguments})
        if isinstance(result, Stream):
            result.result()
        elif method == "map":
            list(result)
        elif isinstance(result, Conversation):
            result.send("Hi")

    return call


def on_conversation(method, **usual):
    def call(space, client, /, **arguments):
        result = getattr(client.conversation(), method)(**{**usual, **arguments})
        if isinstance(result, Stream):
            result.result()

    return call


def run_batch(space, client, /, **arguments):
    pathlib.Path("in.txt").write_text("Hi\n")
    batch.run(**{"source": "in.txt", "out": "out.jsonl", "client": client, **arguments})


def load(space, client, /, **arguments):
    client.conversation().save("talk.json")
    Conversation.load(**{"path": "talk.json", "client": client, **arguments})


CALLS = {
    "Client": (
        lambda space, client, /, **arguments: Client(**{"space": space.url, **arguments}),
        "space model system token auth proxy headers timeout max_retries verify session"
        " endpoint inputs flatten",
    ),
    "AsyncClient": (
        lambda space, client, /, **arguments: AsyncClient(**{"space": space.url, **arguments}),
        "space model system token auth proxy headers timeout max_retries verify session"
        " endpoint inputs flatten",
    ),
    "complete": (
        on_client("complete", prompt="Hi"),
        "prompt system model history timeout on_event flatten inputs",
    ),
    "stream": (
        on_client("stream", prompt="Hi"),
        "prompt system model history timeout on_event flatten inputs",
    ),
    "json": (
        on_client("json", prompt="Hi"),
        "prompt schema tries system model history timeout on_event flatten inputs",
    ),
    "map": (
        on_client("map", prompts=["Hi"]),
        "prompts workers executor model system timeout ordered",
    ),
    "conversation": (on_client("conversation"), "system model messages flatten inputs"),
    "send": (on_conversation("send", prompt="Hi"), "prompt timeout on_event"),
    "conversation.stream": (on_conversation("stream", prompt="Hi"), "prompt timeout on_event"),
    "save": (on_conversation("save"), "path"),
    "load": (load, "path client"),
    "Conversation": (
        lambda space, client, /, **arguments: Conversation(**{"client": client, **arguments}),
        "client system model messages flatten inputs",
    ),
    "Stream": (lambda space, client, /, **arguments: Stream(**arguments), "call"),
    "Timeout": (
        lambda space, client, /, **arguments: client.complete("Hi", timeout=Timeout(**arguments)),
        "connect idle queue wake total",
    ),
    "Timeout._replace": (
        lambda space, client, /, **arguments: Timeout()._replace(**arguments),
        "connect idle queue wake total",
    ),
    "Timeout.of": (lambda space, client, /, **arguments: Timeout.of(**arguments), "timeout"),
    "batch.run": (
        run_batch,
        "source out client workers executor timeout limit retry_failed",
    ),
    "FakeSpace": (
        lambda space, client, /, **arguments: FakeSpace(**arguments),
        "answer first layout protocol prefix framing newline auth sizes size_input fn_index limit"
        " queue_size sticky config login join data",
    ),
    "qwen25.complete": (
        lambda space, client, /, **arguments: qwen25.complete(**{"prompt": "Hi", **arguments}),
        "prompt system model history timeout on_event flatten inputs",
    ),
    "qwen25.stream": (
        lambda space, client, /, **arguments: qwen25.stream(
            **{"prompt": "Hi", **arguments}
        ).result(),
        "prompt system model history timeout on_event flatten inputs",
    ),
}
#: Where the system says that a path is too long, or leads nowhere.
PATHS = {("save", "path"), ("load", "path"), ("batch.run", "source"), ("batch.run", "out")}


@pytest.fixture(scope="module")
def space():
    with FakeSpace(["{}"]) as space:
        yield space


@pytest.fixture
def client(space, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with Client(space.url, max_retries=0, timeout=20) as client:
        monkeypatch.setattr("qwen25.client.client._default", client)
        client.models  # what is asked before a size can be checked
        yield client


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        pytest.param((name, call), argument, id=f"{name}-{argument}")
        for name, (call, arguments) in CALLS.items()
        for argument in arguments.split()
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_asked(call, argument, space, client):
    name, call = call
    for value_name, value in VALUES.items():
        asked = len(space.requests)
        try:
            call(space, client, **{argument: value})
        except InvalidRequestError as error:
            assert len(space.requests) == asked, value_name
            assert len(str(error)) < 1_000
            str(error).encode()
        except QwenError as error:
            pytest.fail(f"{value_name}: {error!r}")
        except OSError:
            assert (name, argument) in PATHS, value_name
        except TypeError:
            # An `on_event` that takes no argument, or one too many: the caller's own error.
            assert (argument, value_name) == ("on_event", "class")


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("verify", 0),
        ("verify", []),
        ("verify", None),
        ("verify", ""),
        ("verify", b"ca.pem"),
        ("verify", pathlib),
        ("headers", {"X-Name": "日本"}),
        ("headers", {"X-Name": "a\r\nX-Other: b"}),
        ("headers", {"X-Name": " a"}),
        ("headers", {"X-Name": "a "}),
        ("headers", {"X Name": "a"}),
        ("headers", {"": "a"}),
        ("headers", {"X-Name": None}),
        ("session", object()),
        ("session", type("Session", (), {"request": None})()),
        ("max_retries", 10**7),
        ("max_retries", True),
        ("space", "http://127.0.0.1\x00/"),
        ("space", "http://127.0.0.1/\x1b[2J"),
        ("space", "http://\ud800/"),
        ("auth", ("me", "\ud800")),
        ("auth", ("me", None)),
        ("proxy", "http://127.0.0.1:9\n"),
        ("proxy", "http://[::1"),
        ("proxy", "ftp://127.0.0.1"),
        ("model", "7B\x1b[2J"),
        ("system", "\ud800"),
    ],
    ids=ascii,
)
def test_a_client_is_not_made_with(argument, value):
    with pytest.raises(InvalidRequestError):
        Client(**{argument: value})


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("verify", pathlib.Path("ca.pem")),
        ("verify", "ca.pem"),
        ("headers", {"X-Name": "naïve", "x.y": ""}),
        ("session", type("Session", (), {"request": print})()),
        ("auth", ["me", "it"]),
        ("max_retries", 0),
    ],
    ids=ascii,
)
def test_a_client_is_made_with(argument, value):
    Client(**{argument: value}).close()


def test_checking_no_certificates_is_logged(space, caplog):
    with Client(space.url, verify=False) as client:
        assert not caplog.records
        client.models
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "certificates are not checked: verify=False"
    ]


@pytest.mark.parametrize("prompt", ["half \ud83d", [{"role": "user", "content": "\udc00"}]])
def test_half_a_character_is_not_asked(prompt, space, client):
    asked = len(space.requests)
    for history in (None, [{"role": "assistant", "content": "\ud800"}]):
        with pytest.raises(InvalidRequestError, match="surrogate"):
            client.complete(prompt if history is None else "Hi", history=history)
    assert len(space.requests) == asked


def test_a_wrong_keyword_is_a_type_error(space, client):
    asked = len(space.requests)
    for call in (client.complete, client.stream, client.json, qwen25.complete, qwen25.stream):
        with pytest.raises(TypeError):
            call("Hi", temperature=1)
    for call in (client.map, client.conversation, Client, AsyncClient, FakeSpace, Timeout):
        with pytest.raises(TypeError):
            call(temperature=1)
    assert len(space.requests) == asked
