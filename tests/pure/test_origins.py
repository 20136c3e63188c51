"""What a server says never decides which server is asked."""

import pytest

from qwen25 import ProtocolError
from qwen25.protocol.origins import check_prefix, check_target, redirect_target

ROOT = "http://space.example:7860/app"

#: What can stand in a configuration or a header, and would lead elsewhere if it were trusted.
TRICKS = [
    "http://evil.example/x",
    "https://huggingface.co/api",
    "//evil.example/x",
    "/\\evil.example",
    "\\\\evil.example",
    "@evil.example/x",
    "/x@evil.example",
    ":80@evil.example",
    ".evil.example",
    "evil",
    "/../x",
    "/x/..",
    "/./x",
    "/a//b",
    "/x?y",
    "/x#y",
    "/x y",
    "/x\r\nHost: evil.example",
    "/x\t",
    "/x\x00",
    "/%2e%2e/x",
    "/%2F%2Fevil.example",
    "/\u65e5\u672c",
    "javascript:x",
    5,
    ["/x"],
    {"a": 1},
    True,
]


@pytest.mark.parametrize("prefix", TRICKS, ids=ascii)
def test_a_prefix_that_is_no_plain_path_is_refused(prefix):
    with pytest.raises(ProtocolError) as caught:
        check_prefix(prefix)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("prefix", "read"),
    [
        (None, ""),
        ("", ""),
        ("/", ""),
        ("/gradio_api", "/gradio_api"),
        ("/gradio_api/", "/gradio_api"),
        ("/a/b-c_1.2", "/a/b-c_1.2"),
    ],
)
def test_a_plain_path_is_a_prefix(prefix, read):
    assert check_prefix(prefix) == read


@pytest.mark.parametrize(
    "url",
    [
        "http://space.example:7861/app/config",
        "http://space.example/app/config",
        "https://space.example:7860/app/config",
        "http://evil.example:7860/app/config",
        "http://space.example:7860@evil.example/config",
        "http://me:pw@space.example:7860/config",
        "http://space.example:7860\\@evil.example/config",
        "http://space.example:7860.evil.example/config",
        "http://space.example:7860\n/config",
        "ftp://space.example:7860/config",
        "//space.example:7860/config",
        "https://huggingface.co.evil.example/api/spaces/a/b",
        "https://huggingface.co@evil.example/api/spaces/a/b",
        "https://huggingface.co/login",
        "http://huggingface.co/api/spaces/a/b",
        "http://space.example:x/config",
        "http://[::1/config",
    ],
    ids=ascii,
)
def test_another_server_is_not_asked(url):
    with pytest.raises(ProtocolError):
        check_target(url, ROOT)


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("http://space.example:7860/app/config", ROOT),
        ("http://SPACE.example:7860/x?session_hash=1", ROOT),
        ("http://a.example:80/config", "http://a.example"),
        ("https://a.example/config", "http://a.example"),
        ("https://a.example:443/config", "https://a.example"),
        ("https://huggingface.co/api/spaces/a/b", ROOT),
        ("http://\u4f8b\u3048.example/\u65e5\u672c/config", "http://\u4f8b\u3048.example"),
        ("http://[::1]:5/config", "http://[::1]:5"),
    ],
)
def test_the_server_that_was_given_is_asked_and_hugging_face(url, root):
    check_target(url, root)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/new/config", "http://space.example:7860/new/config"),
        ("http://space.example:7860/config", "http://space.example:7860/config"),
        ("https://space.example/config", None),
        ("http://space.example:7861/config", None),
        ("http://space.example/config", None),
        ("//evil.example/config", None),
        ("/\\evil.example/config", None),
        ("http:\\\\evil.example/config", None),
        ("http://me@space.example:7860/config", None),
        ("http://space.example:7860@evil.example/config", None),
        ("http://space.example:7860\t/config", None),
        ("h\nttp://evil.example/config", None),
        ("http://[::1/config", None),
        ("", None),
        (None, None),
    ],
)
def test_a_redirect_is_followed_on_the_same_server_only(location, target):
    assert redirect_target(f"{ROOT}/config", location) == target


def test_a_redirect_to_tls_is_followed_at_the_usual_ports_only():
    upgraded = "https://a.example/config"
    assert redirect_target("http://a.example/config", upgraded) == upgraded
    assert redirect_target("http://a.example:8080/config", upgraded) is None
    assert redirect_target("http://a.example/config", "https://a.example:8443/config") is None
    assert redirect_target("https://a.example/config", "http://a.example/config") is None
