"""The errors of this library: one root, one class a situation.

Every error says what happened and what to do next, carries its facts as attributes, and can be
pickled. Errors of requests and urllib3 never reach the caller; they are the `__cause__`.
"""

from __future__ import annotations

from typing import Any, Optional, Sequence, Tuple

from .control_characters import escape_line

#: The most characters of a wrong value in a message.
_SHOWN = 100
#: The most characters of a message: a Space may have thousands of long names.
_MESSAGE = 4_000


def sentences(message: str, hint: Optional[str]) -> str:
    """What happened, and what to do next."""
    if not hint:
        return message
    # A reason that came from elsewhere need not end as a sentence does.
    stop = "" if message.endswith((".", "!", "?")) else "."
    return f"{message}{stop} {hint}"


def client_closed() -> InvalidRequestError:
    """The error for asking with a `Client` that was closed."""
    return InvalidRequestError("This Client is closed.", hint="Make a new one.")


def describe(value: object) -> str:
    """A wrong value as a message shows it: on one line, and not too long."""
    if isinstance(value, (str, bytes)):
        value = value[:_SHOWN]
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a class of the user's own may raise anything, and a large int ValueError
        return f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


class QwenError(Exception):
    """Something kept the answer from coming; the root of all errors here."""

    #: What to do next, a sentence; part of `str(error)`.
    hint: Optional[str]
    #: The text of the answer that had come before the error; `""` when there was none.
    partial: str
    #: The HTTP status that the server answered with; `None` when the error is of another kind.
    status: Optional[int]
    #: Seconds after which the server expects to answer again; `None` when it did not say.
    retry_after: Optional[float]

    def __init__(
        self,
        message: str,
        *,
        hint: Optional[str] = None,
        status: Optional[int] = None,
        retry_after: Optional[float] = None,
    ) -> None:
        # A message may hold what a server has sent, such as the names of its models.
        super().__init__(escape_line(str(message), _MESSAGE))
        self.hint = None if hint is None else escape_line(hint, _MESSAGE)
        self.partial = ""
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        return sentences(str(self.args[0]) if self.args else "", self.hint)


class InvalidRequestError(QwenError, ValueError):
    """The call itself is wrong: an empty prompt, malformed messages, a bad address or timeout."""


class UnknownModelError(InvalidRequestError):
    """The Space has no model of this name."""

    #: The name that was asked for.
    model: Optional[str]
    #: The sizes that the Space offers; empty when it offers no choice.
    choices: Tuple[str, ...]

    def __init__(
        self,
        message: str,
        *,
        model: Optional[str] = None,
        choices: Sequence[str] = (),
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        self.model = model
        self.choices = tuple(choices)


class SpaceError(QwenError):
    """The Space as a whole cannot be asked."""

    #: The Space's id, such as `Qwen/Qwen2.5`; `None` when it was given as a URL.
    space: Optional[str]
    #: The address that was asked.
    url: Optional[str]

    def __init__(
        self,
        message: str,
        *,
        space: Optional[str] = None,
        url: Optional[str] = None,
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        self.space = space
        self.url = url


class SpaceNotFoundError(SpaceError):
    """There is no such Space, or it is private and the token cannot see it."""


class SpaceUnavailableError(SpaceError):
    """The Space exists and does not run now."""

    #: What Hugging Face says of it, such as `SLEEPING`, `BUILDING`, `PAUSED` or `RUNTIME_ERROR`;
    #: `None` when no server could be asked.
    stage: Optional[str]

    def __init__(self, message: str, *, stage: Optional[str] = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.stage = stage


class EndpointNotFoundError(SpaceError):
    """The app has no chat function that this client could call."""

    #: The functions that the app does have, by their API names.
    endpoints: Tuple[str, ...]

    def __init__(self, message: str, *, endpoints: Sequence[str] = (), **facts: Any) -> None:
        super().__init__(message, **facts)
        self.endpoints = tuple(endpoints)


class NoSpaceAnsweredError(SpaceError):
    """Several Spaces were named, and none of them answered."""

    #: The error of each Space that was asked, in the order in which they were asked.
    errors: Tuple[QwenError, ...]

    def __init__(self, message: str, *, errors: Sequence[QwenError] = (), **facts: Any) -> None:
        super().__init__(message, **facts)
        self.errors = tuple(errors)


class AuthenticationError(QwenError):
    """A token or a login is missing, or was refused."""


class RateLimitError(QwenError):
    """The server wants fewer requests: HTTP status 429, or an exhausted GPU quota."""


class QueueFullError(QwenError):
    """The Space's queue takes no more requests now."""


class ConnectionFailedError(QwenError, ConnectionError):
    """No connection to the Space could be made, or it broke."""


class StreamInterruptedError(ConnectionFailedError):
    """The connection ended before the answer did; `partial` holds what had come."""


class TimedOutError(QwenError, TimeoutError):
    """One of the limits of `Timeout` was reached."""

    #: Which limit: `connect`, `queue`, `wake`, `idle` or `total`.
    phase: Optional[str]

    def __init__(self, message: str, *, phase: Optional[str] = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.phase = phase


class GenerationError(QwenError):
    """The app failed while it worked on the answer."""

    #: What the app said of the failure; `None` when it gave no reason.
    detail: Optional[str]

    def __init__(self, message: str, *, detail: Optional[str] = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.detail = detail


class ProtocolError(QwenError):
    """The server said something that this client cannot read."""
