"""A Space that sends hostile messages ends its own answers, and no map, no shell, no cell."""

import json
import logging
import random

import pytest
from hostile import hostile_message

from qwen25 import Client, EndpointNotFoundError, ProtocolError, QwenError, UnknownModelError
from qwen25.batch import run
from qwen25.display.cell import show
from qwen25.testing import End, Fail, FakeSpace, Raw, Reply


def hostile_answer(question):
    """Messages as they are: an answer of a `FakeSpace` could not be so wrong."""
    source = random.Random(int(question.prompt))
    messages = [hostile_message(source) for _ in range(source.randrange(1, 12))]
    return [*(Raw(f"data: {json.dumps(message)}\n\n".encode()) for message in messages), End()]


@pytest.fixture
def client():
    with FakeSpace(hostile_answer) as space, Client(space.url, max_retries=0) as client:
        yield client


def test_a_map_goes_on(client):
    answers = list(client.map([str(seed) for seed in range(200)], timeout=60))
    assert [answer.index for answer in answers] == list(range(200))
    for answer in answers:
        if answer.error is None:
            answer.text.encode()
        else:
            assert isinstance(answer.error, QwenError)
            f"{answer.error}{answer.error.partial}".encode()


def test_a_cell_and_plain_python_show_what_can_be_shown(client, capsys):
    for seed in range(100):
        try:
            show(client.stream(str(seed)))
        except QwenError as error:
            print(error)
    capsys.readouterr().out.encode()


NAME = "7B\x1b]0;title\x07\x9b31m\u202e\r\nERROR forged"


def unnamed():
    """Its `/config` without a function that chats, whose only one has the name."""
    return {
        "version": "6.31.0",
        "protocol": "sse_v3",
        "components": [],
        "dependencies": [{"id": 0, "api_name": NAME, "inputs": [], "outputs": [], "targets": []}],
    }


HOSTILE_NAMES = [
    pytest.param(FakeSpace(sizes=[NAME, "72B"]), {"model": "nope"}, UnknownModelError, id="model"),
    pytest.param(FakeSpace(config=Reply(body=unnamed())), {}, EndpointNotFoundError, id="function"),
    pytest.param(
        FakeSpace(config=Reply(body={**unnamed(), "protocol": NAME, "version": f"6.{NAME}"})),
        {},
        ProtocolError,
        id="version",
    ),
    pytest.param(
        FakeSpace(config=Reply(body={**unnamed(), "components": [{"id": NAME}]})),
        {},
        ProtocolError,
        id="component",
    ),
    pytest.param(FakeSpace(join=Reply(400, {"detail": NAME})), {}, QwenError, id="refusal"),
    pytest.param(FakeSpace([Fail(NAME)]), {}, QwenError, id="failure"),
]


def is_harmless(shown):
    return not set("\x1b\x07\x9b\u202e\r") & set(shown) and "\nERROR" not in shown


@pytest.mark.parametrize(("space", "arguments", "kind"), HOSTILE_NAMES)
def test_no_name_of_a_space_steers_a_terminal_or_forges_a_line_of_a_log(
    space, arguments, kind, caplog, tmp_path
):
    caplog.set_level(logging.INFO, "qwen25")
    (tmp_path / "in").write_text(json.dumps({"prompt": "Hi", **arguments}), "utf-8")
    with space, Client(space.url, max_retries=1) as client:
        with pytest.raises(kind) as caught:
            client.complete("Hi", **arguments)
        summary = run(tmp_path / "in", tmp_path / "out", client=client)
    logging.getLogger("qwen25").error("%s", caught.value)
    assert "forged" in str(caught.value)
    assert is_harmless(str(caught.value))
    assert all(is_harmless(record.getMessage()) for record in caplog.records)
    assert is_harmless(summary._repr_html_()) and "forged" in summary._repr_html_()
    assert is_harmless(summary.last_error)
    written = (tmp_path / "out").read_text("utf-8")
    assert is_harmless(json.loads(written)["error"]) and written.count("\n") == 1
