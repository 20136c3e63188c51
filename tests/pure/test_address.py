"""Where a Space is."""

import pytest

from qwen25 import InvalidRequestError
from qwen25.transport.address import Address, default_spaces


@pytest.mark.parametrize(
    ("space", "url", "id"),
    [
        ("Qwen/Qwen2.5", "https://qwen-qwen2-5.hf.space", "Qwen/Qwen2.5"),
        ("some_One/My--App.2", "https://some-one-my-app-2.hf.space", "some_One/My--App.2"),
        (
            "https://huggingface.co/spaces/Qwen/Qwen2.5",
            "https://qwen-qwen2-5.hf.space",
            "Qwen/Qwen2.5",
        ),
        (
            "HTTPS://www.HuggingFace.co/Spaces/Qwen/Qwen2.5/tree/main?x=1",
            "https://qwen-qwen2-5.hf.space",
            "Qwen/Qwen2.5",
        ),
        ("https://huggingface.co", "https://huggingface.co", None),
        ("https://huggingface.co/spaces/Qwen", "https://huggingface.co/spaces/Qwen", None),
        ("http://127.0.0.1:7860", "http://127.0.0.1:7860", None),
        ("http://127.0.0.1:7860/", "http://127.0.0.1:7860", None),
        (" https://Host.example/a/b/?__theme=dark#top ", "https://Host.example/a/b", None),
        ("HTTPS://host.example", "https://host.example", None),
        ("http://[::1]:7860/", "http://[::1]:7860", None),
    ],
)
def test_an_id_or_a_url_is_an_address(space, url, id):
    assert Address.of(space) == Address(url, id)


def test_no_space_is_that_of_the_environment_or_the_public_one(monkeypatch):
    assert default_spaces() == ["Qwen/Qwen2.5"]
    monkeypatch.setenv("QWEN25_SPACE", "http://127.0.0.1:7860")
    assert default_spaces() == ["http://127.0.0.1:7860"]
    monkeypatch.setenv("QWEN25_SPACE", " me/copy , a/b,")
    assert default_spaces() == ["me/copy", "a/b"]
    monkeypatch.setenv("QWEN25_SPACE", "")
    assert default_spaces() == ["Qwen/Qwen2.5"]


@pytest.mark.parametrize(
    "space",
    [
        "",
        "Qwen",
        "localhost:7860",
        "127.0.0.1:7860",
        "a/b/c",
        "ftp://host/x",
        "http://",
        "http:///path",
        "http://host:port",
        "http://host:99999",
        "http://ho st/",
        "http://[::1",
        7,
    ],
)
def test_anything_else_is_refused_with_an_example(space):
    with pytest.raises(InvalidRequestError, match="Qwen/Qwen2.5"):
        Address.of(space)


def test_a_password_in_an_address_is_refused_and_not_shown():
    with pytest.raises(InvalidRequestError, match="auth=") as caught:
        Address.of("https://name:hunter2@host.example")
    assert "hunter2" not in str(caught.value)
