"""What a response means: its status, headers and body in, a value or an error out; pure."""

from __future__ import annotations

import json
import math
import reprlib
from email.utils import parsedate_to_datetime
from typing import Any, Dict, Mapping, Optional
from urllib.parse import urljoin

from ..errors import (
    AuthenticationError,
    ConnectionFailedError,
    EndpointNotFoundError,
    InvalidRequestError,
    ProtocolError,
    QueueFullError,
    QwenError,
    RateLimitError,
    SpaceNotFoundError,
    SpaceUnavailableError,
)
from .characters import one_line
from .origins import host

#: The longest wait that a server is obeyed in, in seconds.
DAY = 86_400.0
#: Statuses with which an app, or a server before it, refuses what it was sent.
_ABOUT_THE_PROMPT = (400, 413, 414, 422)
_PROXY_HINT = "Check `proxy`, or HTTPS_PROXY and HTTP_PROXY in the environment."


class Reply:
    """A response that has been read."""

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes = b"",
        url: str = "",
        root: str = "",
        space: Optional[str] = None,
        received: float = 0.0,
    ) -> None:
        self.status = status
        #: The names compare without regard to case.
        self.headers = headers
        #: The whole body; of a refusal only its beginning, and of an open stream nothing.
        self.body = body
        #: The URL that answered.
        self.url = url
        #: The root of the app that was asked.
        self.root = root
        #: The Space's id; `None` when it was given as a URL.
        self.space = space
        #: When it came, as a Unix time.
        self.received = received

    @property
    def where(self) -> Dict[str, Any]:
        """What an error says of the Space."""
        return {"space": self.space, "url": self.root}


def check(reply: Reply) -> None:
    """Raise the error that a status stands for, unless it is a good one."""
    if not 200 <= reply.status < 300:
        raise error_for(reply)


def error_for(reply: Reply) -> QwenError:
    """The error for a status that is not a good one."""
    status = reply.status
    target = reply.headers.get("Location")
    if 300 <= status < 400 and target:
        return ProtocolError(
            f"The Space redirects to {_redirect_host(reply.url, target)}.",
            hint="Nothing was sent there. If you trust that address, give it as the Space.",
            status=status,
        )
    reason = refusal_reason(reply.body)
    said = f": {reason}" if reason else "."
    retry_after = wait_asked_for(reply.headers, reply.received)
    if status in (401, 403):
        return AuthenticationError(
            f"The Space refused access (HTTP {status}){said}",
            hint="For a private Space set HF_TOKEN or give token=...; for an app with a login"
            " give auth=(username, password).",
            status=status,
        )
    if status == 404:
        return EndpointNotFoundError(
            f"The app does not know the address of its own queue (HTTP 404){said}",
            hint="It may have been changed just now: make a new Client and ask again.",
            status=status,
            **reply.where,
        )
    if status == 407:
        return ConnectionFailedError(
            f"The proxy does not lead to {host(reply.url)}: it wants a name and a password"
            " (HTTP 407).",
            hint=_PROXY_HINT,
            status=status,
        )
    if status == 429:
        return RateLimitError(
            f"The Space wants fewer requests (HTTP 429){said}",
            retry_after=retry_after,
            hint=(
                "Try again later, and ask less at once."
                if retry_after is None
                else f"Try again in {retry_after:.0f} seconds."
            ),
            status=status,
        )
    if status == 503 and "queue is full" in reason.lower():
        return QueueFullError(
            f"The Space's queue is full: {reason}",
            hint="Try again in a minute, or use a copy of the Space of your own.",
            status=status,
            retry_after=retry_after,
        )
    if 500 <= status < 600:
        return SpaceUnavailableError(
            f"The Space's server answers with an error (HTTP {status}){said}",
            hint="The Space may be starting, overloaded or broken: try again in a minute, or"
            " open it in a browser.",
            status=status,
            retry_after=retry_after,
            **reply.where,
        )
    if 400 <= status < 500:
        return InvalidRequestError(
            f"The Space refused the request (HTTP {status}){said}",
            hint=(
                "Check the prompt: its length, and what the app accepts."
                if status in _ABOUT_THE_PROMPT
                else "Open the Space in a browser and see whether it answers there."
            ),
            status=status,
        )
    return ProtocolError(
        f"The Space answers with HTTP {status}, which is no answer to this request.",
        hint="Does something between you and the Space answer in its place? Open it in a browser.",
        status=status,
    )


def check_login(reply: Reply) -> None:
    """Raise an error unless the app took the name and the password."""
    if reply.status in (400, 401, 403):
        raise AuthenticationError(
            "The app refused the login.",
            hint="Check auth=(username, password).",
            status=reply.status,
        )
    if reply.status == 404:
        raise AuthenticationError("The app has no login.", hint="Leave `auth` out.", status=404)
    check(reply)


def read_config(reply: Reply) -> Any:
    """The JSON of an app's `/config`.

    Raises:
        SpaceNotFoundError: There is no app.
        SpaceUnavailableError: There is a web page in its place.
        ProtocolError: It is not JSON.
    """
    if reply.status in (404, 410):
        raise SpaceNotFoundError(
            f"There is no Gradio app at {reply.root}.",
            status=reply.status,
            hint="Check the address; a path such as /config must not be part of it.",
            **reply.where,
        )
    check(reply)
    try:
        return json.loads(reply.body.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        if reply.body.lstrip()[:1] == b"<":
            raise SpaceUnavailableError(
                "The address answers with a web page, not with a Gradio app's configuration.",
                hint="The Space may be asleep or being built: open it in a browser to wake it,"
                " and check the address.",
                status=reply.status,
                **reply.where,
            ) from error
        raise ProtocolError(
            "The address answers with something else than a Gradio app's configuration.",
            hint="Check the address: it has to be that of the Space itself.",
        ) from error


def read_event_id(reply: Reply) -> str:
    """The id of a request that the queue took.

    Raises:
        QwenError: The queue did not take it.
        ProtocolError: There is no id.
    """
    check(reply)
    try:
        event_id = json.loads(reply.body)["event_id"]
        if not isinstance(event_id, str):
            raise TypeError("not a string")
        return event_id
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProtocolError(
            "The Space took the request and gave no event id for it.",
            hint="Is this address a Gradio app? If it runs a newer Gradio, update qwen25.",
        ) from error


def check_stream(reply: Reply) -> None:
    """Raise an error unless this is the head of a stream of events."""
    check(reply)
    kind = reply.headers.get("Content-Type", "")
    if kind.partition(";")[0].strip().lower() != "text/event-stream":
        raise ProtocolError(
            f"The Space answers with {kind or 'an untyped body'}; a text/event-stream was"
            " expected.",
            hint="Does something between you and the Space put a page of its own there?",
        )


def read_stage(reply: Reply) -> Optional[str]:
    """The stage of a Space, as Hugging Face gives it; `None` when it gives none.

    Raises:
        SpaceNotFoundError: Hugging Face knows no such Space, or does not show it.
    """
    if reply.status in (401, 403, 404):
        raise SpaceNotFoundError(
            f"Hugging Face shows no Space {reply.space!r}: it is not there, or private.",
            status=reply.status,
            hint="Check the name; for a private Space set HF_TOKEN to a token that may read it.",
            **reply.where,
        )
    check(reply)
    try:
        stage = json.loads(reply.body)["runtime"]["stage"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return stage if isinstance(stage, str) else None


def read_queue_size(reply: Reply) -> Optional[int]:
    """How many requests wait in the queue; `None` when the app does not tell."""
    try:
        check(reply)
        size = json.loads(reply.body)["queue_size"]
    except (QwenError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return size if type(size) is int else None


def refusal_reason(body: bytes) -> str:
    """What the body of a refusal gives as its reason, in Gradio's way; `""` for none."""
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    if isinstance(detail, dict):
        detail = detail.get("error") or detail.get("message") or detail
    if detail is None:
        return ""
    # An error with it may be printed or logged.
    return one_line(detail if isinstance(detail, str) else reprlib.repr(detail))[:500]


def wait_asked_for(headers: Mapping[str, str], now: float) -> Optional[float]:
    """Seconds that the server wants to be left alone for, a day at most; `None` for no wish."""
    seconds = _wait_in_headers(headers, now)
    if seconds is None or math.isnan(seconds):
        return None
    return max(0.0, min(DAY, seconds))


def _wait_in_headers(headers: Mapping[str, str], now: float) -> Optional[float]:
    """What `Retry-After` (seconds or a date) or Hugging Face's `RateLimit` says."""
    value = headers.get("Retry-After", "").strip()
    if value:
        try:
            return float(value)
        except ValueError:
            pass
        try:
            return parsedate_to_datetime(value).timestamp() - now
        except (TypeError, ValueError, IndexError, OverflowError):
            pass
    for field in headers.get("RateLimit", "").replace(",", ";").split(";"):
        name, _, number = field.strip().partition("=")
        if name == "t" and number.isascii() and number.isdigit():
            return float(number)
    return None


def _redirect_host(url: str, location: str) -> str:
    try:
        return host(urljoin(url, location)) or "no address"
    except ValueError:
        return "no address"
