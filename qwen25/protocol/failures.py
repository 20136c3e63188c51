"""What an app says when it failed, as errors; pure."""

from __future__ import annotations

import html
import re
from typing import Any, Dict, Optional

from ..errors import GenerationError, QwenError, RateLimitError, StreamInterruptedError

_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_QUOTA = re.compile(r"\bquota\b", re.IGNORECASE)
_WAIT = re.compile(r"(?:try again|retry) in\s+(?:(\d+):)?(\d+):(\d+)", re.IGNORECASE)


def failed_generation(reason: Any) -> QwenError:
    """The error for a completed message without success, whose `error` is the app's reason."""
    detail = _plain(reason)
    if detail is None:
        return GenerationError(
            "The Space failed while it worked on the answer, and gave no reason.",
            hint="`partial` holds what came. Ask again; if it fails each time, try another"
            " model size or a shorter prompt, or look at the Space in a browser.",
        )
    if _QUOTA.search(detail):
        wait = _WAIT.search(detail)
        retry_after = None
        if wait:
            hours, minutes, seconds = (int(number or 0) for number in wait.groups())
            retry_after = float(hours * 3600 + minutes * 60 + seconds)
        return RateLimitError(
            f"The Space's GPU quota is used up: {detail}",
            retry_after=retry_after,
            hint="Wait, or use a Hugging Face token of your own: set HF_TOKEN.",
        )
    return GenerationError(
        f"The Space failed while it worked on the answer: {detail}",
        detail=detail,
        hint="`partial` holds what came. If the reason is passing, ask again.",
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
        f"The Space failed: {detail or 'it gave no reason'}.",
        detail=detail,
        hint="`partial` holds what came. Ask again in a moment.",
    )


def _plain(detail: Any) -> Optional[str]:
    """An app's reason as plain text: Gradio's own are HTML, and quoted by Gradio 4."""
    if detail is None:
        return None
    text = html.unescape(_TAG.sub("", str(detail))).strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    # Gradio 4.10 turns an exception without a text into the word None.
    return None if text in ("", "None") else text
