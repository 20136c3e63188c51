"""The tree of errors."""

import copy
import pickle

import pytest

import qwen25
from qwen25 import errors

CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.QwenError)
]
FACTS = {
    "UnknownModelError": {"model": "7", "choices": ("7B",)},
    "SpaceError": {"space": "a/b", "url": "https://a-b.hf.space"},
    "SpaceNotFoundError": {"space": "a/b", "url": "https://a-b.hf.space"},
    "SpaceUnavailableError": {"space": "a/b", "url": None, "stage": "PAUSED"},
    "EndpointNotFoundError": {"space": None, "url": "http://x", "endpoints": ("a", "b")},
    "TimedOutError": {"phase": "idle"},
    "GenerationError": {"detail": "too long"},
}


def make(kind):
    facts = FACTS.get(kind.__name__, {})
    error = kind("It failed.", hint="Try again.", status=503, retry_after=7.5, **facts)
    error.partial = "The answ"
    return error, facts


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_says_what_happened_and_what_to_do(kind):
    error, facts = make(kind)
    assert str(error) == "It failed. Try again."
    assert str(kind("It failed.")) == "It failed."
    for name, value in facts.items():
        assert getattr(error, name) == value


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_error_survives_a_copy_with_its_facts(kind, copied):
    error, facts = make(kind)
    other = copied(error)
    assert type(other) is kind
    assert str(other) == str(error)
    assert vars(other) == vars(error)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_is_public(kind):
    assert getattr(qwen25, kind.__name__) is kind
    assert kind.__name__ in qwen25.__all__


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.InvalidRequestError, ValueError),
        (errors.ConnectionFailedError, ConnectionError),
        (errors.StreamInterruptedError, errors.ConnectionFailedError),
        (errors.TimedOutError, TimeoutError),
        (errors.UnknownModelError, errors.InvalidRequestError),
        (errors.SpaceNotFoundError, errors.SpaceError),
    ],
)
def test_an_error_is_also_what_a_caller_would_catch(kind, builtin):
    assert issubclass(kind, builtin)


def test_message_and_hint_are_two_sentences():
    """Also when the message ends with a reason that the server gave."""
    error = errors.GenerationError("It failed: CUDA out of memory", hint="Ask again.")
    assert str(error) == "It failed: CUDA out of memory. Ask again."


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_what_a_server_names_steers_no_terminal_and_forges_no_line(kind):
    name = "\x1b]0;title\x07 \x9b31m \u202e \ud800 \r\n\u2028\x85ERROR forged"
    error = kind(f"The Space has {name}.", hint=f"Did you mean {name}?")
    for shown in (str(error), error.args[0], error.hint, str(pickle.loads(pickle.dumps(error)))):
        assert len(shown.splitlines()) == 1
        assert not set("\x1b\x07\x9b\u202e\ud800\r") & set(shown)
        assert "forged" in shown


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_message_is_not_as_long_as_a_server_wants(kind):
    error = kind("name, " * 1_000_000, hint="x" * 1_000_000)
    assert len(str(error)) < 10_000
    assert error.args[0].endswith("...")
