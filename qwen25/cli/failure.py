"""What a failed command says, and the exit code it ends with."""

from __future__ import annotations

import traceback
from typing import List, Optional, Tuple, Type

from ..errors import (
    AuthenticationError,
    ConnectionFailedError,
    GenerationError,
    InvalidRequestError,
    QueueFullError,
    QwenError,
    RateLimitError,
    SpaceError,
    StreamInterruptedError,
    TimedOutError,
    sentences,
)
from .terminal import print_message

FAILED = 1
USAGE = 2
UNAVAILABLE = 69
TRY_LATER = 75
NO_ACCESS = 77
INTERRUPTED = 130

# The first that fits. An answer that broke off has failed; where none could begin because no
# server can be reached, the Space is unavailable.
_CODES: List[Tuple[Type[QwenError], int]] = [
    (InvalidRequestError, USAGE),
    (SpaceError, UNAVAILABLE),
    (AuthenticationError, NO_ACCESS),
    (RateLimitError, TRY_LATER),
    (QueueFullError, TRY_LATER),
    (TimedOutError, TRY_LATER),
    (StreamInterruptedError, FAILED),
    (ConnectionFailedError, UNAVAILABLE),
]


def report(error: Exception, verbosity: int) -> int:
    """Say in one line what happened and what to do next; returns the exit code."""
    if verbosity > 1:
        print_message(
            "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()
        )
    if isinstance(error, QwenError):
        message = sentences(str(error.args[0]), _next_step(error))
    elif isinstance(error, OSError):
        # Those of the network never come here, so it is one of the standard streams.
        message = f"{error.strerror or error}. Check where standard input and output lead."
    else:
        message = (
            f"{type(error).__name__}: {error}. This is a fault of qwen25: report it, with -vv."
        )
    print_message("qwen25: " + " ".join(message.split()))
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def _next_step(error: QwenError) -> Optional[str]:
    """The error's hint, in the words of the shell where it speaks of arguments in Python."""
    if isinstance(error, AuthenticationError):
        return (
            "For a private Space set HF_TOKEN; for an app with a login set QWEN25_SPACE to its"
            " address and QWEN25_AUTH to NAME:PASSWORD."
        )
    if isinstance(error, TimedOutError) and error.phase == "total":
        return "Ask for a shorter answer, or allow more with --timeout SECONDS."
    if isinstance(error, TimedOutError) and error.phase == "connect":
        return "Check the network, the address and the proxy."
    if isinstance(error, TimedOutError):
        return "The Space is busy or silent: try again later."
    if isinstance(error, (StreamInterruptedError, GenerationError)):
        return "Ask again; if it fails each time, try another --model or a shorter prompt."
    return error.hint
