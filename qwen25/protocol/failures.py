"""What an app says when it failed, as errors; pure."""

from __future__ import annotations

import html
import re
import reprlib
from typing import Any, Dict, Optional

from ..control_characters import escape_controls
from ..errors import GenerationError, QwenError, RateLimitError, StreamInterruptedError
from .characters import join_surrogates, one_line

#: The most characters of an app's reason that are read.
_DETAIL_LIMIT = 4_000
#: Seconds; no Space is obeyed that wants to be left alone for longer.
_DAY = 86_400.0

_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
# The sentences with which the package `spaces`, from 0.19 to 0.51, refuses a ZeroGPU to a user who
# has had his share. Other reasons with the word quota are the app's own.
_QUOTA = re.compile(
    r"You have exceeded your (?:(?:Pro |free )?(?:Zero)?GPU quota|(?:ZeroGPU )?runs limit)\b"
    r"|You have too many ZeroGPU credits allocated to running tasks\b"
    r"|Space app has reached its GPU limit\b"
)
# A `timedelta` of Python: "0:04:30" or "1 day, 2:00:00".
_WAIT = re.compile(r"(?:try again|retry) in\s+(?:(\d{1,4}) days?, )?(\d{1,4}):(\d\d):(\d\d)", re.I)


def failed_generation(reason: Any) -> QwenError:
    """The error for a completed message without success, whose `error` is the app's reason."""
    detail = _plain(reason)
    if detail is None:
        return GenerationError(
            "The Space failed while it worked on the answer, and gave no reason.",
            hint="`partial` holds what came. Ask again; if it fails each time, try another"
            " model size or a shorter prompt, or look at the Space in a browser.",
        )
    if _QUOTA.match(detail):
        return RateLimitError(
            f"The Space's GPU quota is used up: {one_line(detail)}",
            retry_after=_wait(detail),
            hint="Wait, or use a Hugging Face token of your own: set HF_TOKEN.",
        )
    return GenerationError(
        f"The Space failed while it worked on the answer: {one_line(detail)}",
        detail=detail,
        hint="`partial` holds what came. If the reason is temporary, ask again.",
    )


def unexpected_error(message: Dict[str, Any]) -> QwenError:
    """The error for an `unexpected_error` message, with which the server gives a request up."""
    detail = _plain(message.get("message"))
    if message.get("session_not_found") or "session not found" in (detail or "").lower():
        return StreamInterruptedError(
            "The Space no longer knows this request (session not found).",
            hint="It may have been restarted, or run on several machines. Ask again.",
        )
    if "stopped unexpectedly" in (detail or ""):
        return StreamInterruptedError(
            "The Space's server stopped before the answer was complete.",
            hint="`partial` holds what came. Ask again in a moment.",
        )
    return GenerationError(
        f"The Space failed: {one_line(detail or 'it gave no reason')}.",
        detail=detail,
        hint="`partial` holds what came. Ask again in a moment.",
    )


def _wait(detail: str) -> Optional[float]:
    """Seconds until the quota is renewed, a day at most."""
    found = _WAIT.search(detail)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(number or 0) for number in found.groups())
    return min(_DAY, days * _DAY + hours * 3600.0 + minutes * 60 + seconds)


def _plain(reason: Any) -> Optional[str]:
    """An app's reason as plain text: Gradio's own are HTML, and quoted by Gradio 4."""
    if reason is None:
        return None
    text = reason[:_DETAIL_LIMIT] if isinstance(reason, str) else reprlib.repr(reason)
    text = html.unescape(_TAG.sub("", text)).strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    # Gradio 4.10 turns an exception without a text into the word None.
    return None if text in ("", "None") else escape_controls(join_surrogates(text))
