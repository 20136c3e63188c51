"""What an untrusted text must not do to the terminal of its reader."""

import pytest

from qwen25.control_characters import escape_controls


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("\x1b[2J\x1b]52;c;cm0=\x07", "\u241b[2J\u241b]52;c;cm0=\u2407", id="escapes"),
        pytest.param("\x9b2J\x85", "\ufffd2J\ufffd", id="C1"),
        pytest.param("\x00\x08\x7f", "\u2400\u2408\u2421", id="others"),
        pytest.param("safe\rrm -rf /", "saferm -rf /", id="a return hides nothing"),
        pytest.param("\u202eevil\u2066", "\ufffdevil\ufffd", id="backwards"),
        pytest.param("a\ud800b\udfff", "a\ufffdb\ufffd", id="lone surrogates"),
        pytest.param("a\tb\r\nc\n", "a\tb\nc\n", id="tabs and newlines stay"),
        pytest.param(
            "h\xe9 \u4f60\u597d \U0001f98a", "h\xe9 \u4f60\u597d \U0001f98a", id="text stays"
        ),
    ],
)
def test_what_a_terminal_obeys_is_shown_and_not_done(text, shown):
    assert escape_controls(text) == shown
