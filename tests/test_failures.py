"""What an app says when it failed, told as errors."""

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
        (
            "You have exceeded your GPU quota (60s left vs. 75s requested). Try again in 0:04:30",
            270,
        ),
        ("<span>GPU quota exceeded</span>. Please retry in 12:00:01", 43201),
        ("The GPU quota is used up.", None),
    ],
)
def test_a_gpu_quota_is_a_rate_limit(reason, retry_after):
    error = failed_generation(reason)
    assert isinstance(error, RateLimitError)
    assert error.retry_after == retry_after


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
