"""Control characters: what a text that somebody else wrote must not do to those who see it."""

from __future__ import annotations

from typing import Dict, Optional

# Whoever writes an answer must not be able to move the cursor, set colours, or write into the
# clipboard of whoever reads it. C0 controls and DEL become their pictures; C1 controls, and the
# characters that make text run the other way than it is written, become U+FFFD. A carriage return
# could hide what stands before it, and is left out.
_HARMLESS: Dict[int, Optional[int]] = {code: 0x2400 + code for code in range(0x20)}
_HARMLESS.update(
    dict.fromkeys([*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)
)
_HARMLESS[0x7F] = 0x2421
_HARMLESS[ord("\r")] = None
del _HARMLESS[ord("\n")], _HARMLESS[ord("\t")]


def escape_controls(text: str) -> str:
    """The text without anything that a terminal would obey, but for newlines and tabs."""
    return text.translate(_HARMLESS)
