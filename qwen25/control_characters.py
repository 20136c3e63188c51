"""Control characters: what an untrusted text must not do to the terminal of its reader."""

from __future__ import annotations

from typing import Dict, Optional

# The author of a text must not move the cursor, set colours, or write to the reader's clipboard.
# C0 controls and DEL become their pictures. C1 controls, characters that change the direction of
# text, and lone surrogates, which no encoding has, become U+FFFD. A carriage return could hide
# the text before it, and is left out.
_REPLACED: Dict[int, Optional[int]] = {code: 0x2400 + code for code in range(0x20)}
_REPLACED.update(
    dict.fromkeys(
        [
            *range(0x80, 0xA0),
            *range(0x202A, 0x202F),
            *range(0x2066, 0x206A),
            *range(0xD800, 0xE000),
        ],
        0xFFFD,
    )
)
_REPLACED[0x7F] = 0x2421
_REPLACED[ord("\r")] = None
del _REPLACED[ord("\n")], _REPLACED[ord("\t")]


def escape_controls(text: str) -> str:
    """The text with nothing that a terminal obeys, except newlines and tabs."""
    return text.translate(_REPLACED)


def escape_line(text: str, most: int) -> str:
    """The text as one line with nothing that a terminal obeys, of so many characters at most."""
    shown = " ".join(text[:most].splitlines())
    return escape_controls(f"{shown}..." if len(text) > most else shown)
