"""What every test starts from: nothing of this machine's own, be it a setting or its speed."""

import signal

import pytest

# A shell starts what is in its background with Ctrl-C ignored, and so would be what tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    """A user's settings and secrets do not reach a test."""
    for name in ("QWEN25_SPACE", "QWEN25_AUTH", "HF_TOKEN", "NETRC", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme.upper()}_PROXY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(autouse=True)
def patient_with_ends(monkeypatch):
    """However late a finished stream ends, its connection is used again: tests count them."""
    monkeypatch.setattr("qwen25.transport.body.DRAIN", 30.0)
