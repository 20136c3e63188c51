"""What an app says when it failed, told as errors."""

import functools

import pytest

from qwen25 import GenerationError, RateLimitError, StreamInterruptedError
from qwen25.protocol.failures import failed_generation, unexpected_error


@pytest.mark.parametrize(
    ("reason", "detail"),
    [
        (None, None),
        ("None", None),
        ("", None),
        ("'quoted'", "quoted"),
        ("<b>Too long</b> &amp; too wide", "Too long & too wide"),
        ("x < y and y > z", "x < y and y > z"),
    ],
)
def test_a_failure_tells_its_reason_in_plain_text(reason, detail):
    error = failed_generation(reason)
    assert isinstance(error, GenerationError)
    assert error.detail == detail
    assert "None" not in str(error)


@pytest.mark.parametrize(
    ("reason", "retry_after"),
    [
        ("'You have exceeded your GPU quota'", None),
        (
            "You have exceeded your <b>GPU quota</b> (46s left vs. 60s requested). Sign-up on"
            " Hugging Face to get more quotas or retry in 0:09:48",
            588,
        ),
        (
            "You have exceeded your free GPU quota (60s requested vs. 55s left)."
            " <a href='https://huggingface.co/join'>Create a free account</a>",
            None,
        ),
        (
            "You have exceeded your Pro ZeroGPU quota (75s requested vs. 60s left)."
            " Try again in 12:00:01. Add credits to keep using ZeroGPU.",
            43_201,
        ),
        ("You have exceeded your ZeroGPU runs limit. ", None),
        ("You have exceeded your runs limit.", None),
        ("You have too many ZeroGPU credits allocated to running tasks. Try again once", None),
        ("Space app has reached its GPU limit. Try re-running outside of examples", None),
        ("You have exceeded your GPU quota. Try again in 23:59:59.999999", 86_399),
        ("You have exceeded your GPU quota. Try again in 1 day, 2:00:00", 86_400),
        ("You have exceeded your GPU quota. Try again in 9999:59:59", 86_400),
        ("You have exceeded your GPU quota. Try again in " + "9" * 400 + ":00:00", None),
    ],
)
def test_a_sentence_of_zerogpu_is_a_rate_limit(reason, retry_after):
    """The sentences are those of the package `spaces`; a wait is a day at most."""
    error = failed_generation(reason)
    assert isinstance(error, RateLimitError)
    assert error.retry_after == retry_after


@pytest.mark.parametrize(
    "reason",
    [
        "quota of words",
        "The disk quota is exceeded. Try again in 0:00:10",
        "OpenAI: you exceeded your current quota, please check your plan",
        "The requested GPU duration (300s) is larger than the maximum allowed",
        "No GPU was available after 60s",
        "The user said: You have exceeded your GPU quota",
    ],
)
def test_another_reason_is_no_rate_limit(reason):
    error = failed_generation(reason)
    assert isinstance(error, GenerationError)
    assert error.detail == reason


@pytest.mark.parametrize(
    "make", [failed_generation, lambda reason: unexpected_error({"message": reason})]
)
def test_a_reason_can_neither_command_a_terminal_nor_forge_a_line(make):
    reason = "no\x1b]0;title\x07\r\nERROR root: all is lost\u2028\x9b31m \u202e \ud800 end"
    error = make(reason)
    for text in (str(error), error.detail):
        assert not set(text) & set("\x1b\x07\r\u202e\x9b\ud800")
        text.encode()
    assert len(str(error).splitlines()) == 1
    assert "end" in str(error)


@pytest.mark.parametrize(
    "make", [failed_generation, lambda reason: unexpected_error({"message": reason})]
)
@pytest.mark.parametrize(
    "reason",
    [
        pytest.param("x" * 10_000_000, id="endless"),
        pytest.param("<a" * 5_000_000, id="tags"),
        pytest.param("&#" + "9" * 5_000 + ";", id="a huge reference"),
        pytest.param(functools.reduce(lambda inner, _: [inner], range(5_000), []), id="deep"),
        pytest.param({"a": 10**400}, id="an object"),
        pytest.param(False, id="no text"),
    ],
)
def test_a_reason_of_any_size_and_type_is_a_short_error(make, reason):
    error = make(reason)
    assert isinstance(error, GenerationError)
    assert len(str(error)) < 1_500
    assert len(error.detail) <= 4_000


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"message": "404: Session not found.", "session_not_found": True}, StreamInterruptedError),
        ({"message": "404: Session not found."}, StreamInterruptedError),
        ({"message": "Server stopped unexpectedly."}, StreamInterruptedError),
        ({"message": "something else"}, GenerationError),
        ({"message": None}, GenerationError),
    ],
    ids=str,
)
def test_an_unexpected_error_is_named(message, error):
    found = unexpected_error({"msg": "unexpected_error", **message})
    assert isinstance(found, error)
    assert "None" not in str(found)
