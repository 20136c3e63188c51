"""A Space that sends hostile messages ends its own answers, and no map, no shell, no cell."""

import json
import random

import pytest
from hostile import hostile_message

from qwen25 import Client, QwenError
from qwen25.display.cell import show
from qwen25.testing import End, FakeSpace, Raw


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
