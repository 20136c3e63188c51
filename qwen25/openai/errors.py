"""Errors as OpenAI's clients know them: a status, headers and a body; pure."""

from __future__ import annotations

import math
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Type

from ..errors import (
    AuthenticationError,
    GenerationError,
    InvalidRequestError,
    QueueFullError,
    QwenError,
    RateLimitError,
    StreamInterruptedError,
    TimedOutError,
    UnknownModelError,
)


class RequestRefusedError(InvalidRequestError):
    """A request in OpenAI's shape that is refused before the Space is asked."""

    #: The field of the request that is wrong; `None` when it is not about one.
    param: Optional[str]
    #: A short name of the reason, such as `invalid_api_key`.
    code: Optional[str]

    def __init__(
        self,
        message: str,
        *,
        param: Optional[str] = None,
        code: Optional[str] = None,
        status: int = 400,
        **facts: Any,
    ) -> None:
        super().__init__(message, status=status, **facts)
        self.param = param
        self.code = code


class Problem(NamedTuple):
    """An error on its way out."""

    status: int
    headers: Dict[str, str]
    body: Dict[str, Any]


# The first that fits. The Space's refusals are told with the status that makes OpenAI's clients
# raise the matching error.
_TABLE: List[Tuple[Type[QwenError], int, str, Optional[str]]] = [
    (UnknownModelError, 404, "invalid_request_error", "model_not_found"),
    (InvalidRequestError, 400, "invalid_request_error", None),
    (AuthenticationError, 401, "authentication_error", "space_refused_access"),
    (RateLimitError, 429, "rate_limit_error", "rate_limit_exceeded"),
    (QueueFullError, 429, "rate_limit_error", "queue_full"),
    (TimedOutError, 504, "timeout_error", "timeout"),
    (QwenError, 503, "api_error", "space_failed"),
]

# Types of the refusals by the door itself.
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def problem(error: QwenError) -> Problem:
    """What a client is told of an error."""
    param: Optional[str] = None
    headers: Dict[str, str] = {}
    if isinstance(error, RequestRefusedError):
        status = error.status or 400
        kind, code, param = _TYPES.get(status, "invalid_request_error"), error.code, error.param
    else:
        status, kind, code = next(row[1:] for row in _TABLE if isinstance(error, row[0]))
        param = "model" if isinstance(error, UnknownModelError) else None
        # The client of the Space has tried again what can be tried again.
        headers["x-should-retry"] = "false"
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
    return Problem(status, headers, body(_message(error), kind, param, code))


def _message(error: QwenError) -> str:
    # Over HTTP there is no `partial` for a hint to speak of.
    if isinstance(error, (GenerationError, StreamInterruptedError)):
        return str(error.args[0])
    return str(error)


def fault() -> Problem:
    """What a client is told of a fault in this program; the log has the rest."""
    text = "The server has a fault; its log tells more."
    return Problem(500, {"x-should-retry": "false"}, body(text, "api_error", None, "fault"))


def body(message: str, kind: str, param: Optional[str], code: Optional[str]) -> Dict[str, Any]:
    """An error in OpenAI's shape."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
