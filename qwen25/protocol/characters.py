"""Text as a server sends it, made fit to be kept, printed and logged; pure."""

from __future__ import annotations

import re
from typing import Tuple

from ..control_characters import escape_controls

#: What stands in the place of something that is no character.
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_SURROGATE = "[\ud800-\udfff]"
#: The most characters of a reason that are shown.
_REASON_LIMIT = 1_000


def join_surrogates(text: str) -> str:
    """Join pairs of surrogates to their characters; a lone one becomes U+FFFD.

    JSON can carry half a pair (`"\\ud83d"`), but no file and no terminal takes it.
    """
    if text.isascii() or not re.search(_SURROGATE, text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def split_unfinished(text: str) -> Tuple[str, str]:
    """Split off what may be half a character at the end of a text that goes on.

    That is a run of U+FFFD, which a model's server puts in the place of half a character in UTF-8,
    and the first half of a pair of surrogates. The text before it has no surrogates.
    """
    if text.isascii():
        return text, ""
    half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
    text = join_surrogates(text[:-1] if half else text)
    end = len(text.rstrip(REPLACEMENT))
    return text[:end], text[end:] + half


def one_line(text: str) -> str:
    """Text of a server for an error's message or a log line: one line, harmless, not too long."""
    shown = " ".join(text[: 4 * _REASON_LIMIT].split())
    if len(shown) > _REASON_LIMIT or len(text) > 4 * _REASON_LIMIT:
        shown = shown[:_REASON_LIMIT] + "..."
    return escape_controls(join_surrogates(shown))
