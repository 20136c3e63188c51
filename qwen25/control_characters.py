"""Control characters: what an untrusted text must not do to the terminal of its reader."""

from __future__ import annotations

import functools
from typing import Dict, Optional


@functools.lru_cache(maxsize=None)  # not a constant: most programs need none of it
def _replaced() -> Dict[int, Optional[int]]:
    """What stands for each character that a terminal obeys, or that changes what a reader sees.

    The author of a text must not move the cursor, set colours, or write to the reader's clipboard.
    C0 controls and DEL become their pictures. C1 controls, characters that change the direction of
    text, and lone surrogates, which no encoding has, become U+FFFD. A carriage return could hide
    the text before it, and is left out.
    """
    replaced: Dict[int, Optional[int]] = {code: 0x2400 + code for code in range(0x20)}
    for codes in ((0x80, 0xA0), (0x202A, 0x202F), (0x2066, 0x206A), (0xD800, 0xE000)):
        replaced.update(dict.fromkeys(range(*codes), 0xFFFD))
    replaced[0x7F] = 0x2421
    replaced[ord("\r")] = None
    del replaced[ord("\n")], replaced[ord("\t")]
    return replaced


def escape_controls(text: str) -> str:
    """The text with nothing that a terminal obeys, except newlines and tabs."""
    return text.translate(_replaced())


def escape_line(text: str, most: int) -> str:
    """The text as one line with nothing that a terminal obeys, of so many characters at most."""
    shown = " ".join(text[:most].splitlines())
    return escape_controls(f"{shown}..." if len(text) > most else shown)
