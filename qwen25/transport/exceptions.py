"""The one place where the exceptions of other libraries become ours."""

from __future__ import annotations

import errno
import http.client
import os
import socket
import ssl
import sys
import zlib
from types import CodeType, TracebackType
from typing import Callable, Iterator, List, Optional, Set, Tuple, Type

import requests
import urllib3

from ..errors import (
    ConnectionFailedError,
    InvalidRequestError,
    ProtocolError,
    QwenError,
    StreamInterruptedError,
)
from ..timeouts import Deadline


def _failed_to_connect(error: BaseException, deadline: Deadline, host: str) -> QwenError:
    return deadline.timeout_error("connect")


def _took_too_long(error: BaseException, deadline: Deadline, host: str) -> QwenError:
    # For requests a handshake of TLS that stalls is a read; for the user it is connecting.
    return deadline.timeout_error("connect" if "handshake" in _innermost(error) else "idle")


def _not_trusted(error: BaseException, deadline: Deadline, host: str) -> QwenError:
    return ConnectionFailedError(
        f"No secure connection to {host}: {_innermost(error)}.",
        hint="If the server has a certificate of its own authority, give verify=<path of it> or"
        " set REQUESTS_CA_BUNDLE to that; a server without TLS has an address with http://.",
    )


def _proxy_failed(error: BaseException, deadline: Deadline, host: str) -> QwenError:
    if any(isinstance(link, socket.timeout) for link in _chain(error)):
        return deadline.timeout_error("connect")
    return ConnectionFailedError(
        f"The proxy does not lead to {host}: {_innermost(error)}.",
        hint="Check `proxy`, or HTTPS_PROXY and HTTP_PROXY in the environment.",
    )


def _wrong_address(error: BaseException, deadline: Deadline, host: str) -> QwenError:
    return InvalidRequestError(
        f"The request to {host} cannot be made: {type(error).__name__}.",
        hint="Check the address of the Space, the proxy and the headers; a socks5:// proxy needs"
        ' pip install "qwen25[socks]".',
    )


def unreadable(error: BaseException, deadline: Deadline, host: str) -> QwenError:
    """The error for bytes that are not what they should be."""
    return ProtocolError(
        f"{host} sent something that cannot be decoded ({type(error).__name__}).",
        hint="Does something between you and the Space change what it sends? Ask again.",
    )


def _no_connection(error: BaseException, deadline: Deadline, host: str) -> QwenError:
    return ConnectionFailedError(
        f"The connection to {host} failed: {_innermost(error)}.",
        hint="Check the address and your network, and whether the Space runs.",
    )


_Translation = Callable[[BaseException, Deadline, str], QwenError]
_TRANSLATIONS: List[Tuple[Tuple[Type[BaseException], ...], _Translation]] = [
    # A refusal, which is of the class of timeouts in urllib3.
    ((urllib3.exceptions.NewConnectionError,), _no_connection),
    ((requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError), _failed_to_connect),
    (
        (requests.Timeout, urllib3.exceptions.TimeoutError, socket.timeout, TimeoutError),
        _took_too_long,
    ),
    (
        (requests.exceptions.SSLError, urllib3.exceptions.SSLError, ssl.SSLError),
        _not_trusted,
    ),
    ((requests.exceptions.ProxyError, urllib3.exceptions.ProxyError), _proxy_failed),
    (
        (
            requests.exceptions.InvalidURL,
            requests.exceptions.MissingSchema,
            requests.exceptions.InvalidSchema,
            requests.exceptions.InvalidHeader,
            requests.exceptions.InvalidJSONError,
            requests.exceptions.UnrewindableBodyError,
            requests.URLRequired,
            urllib3.exceptions.LocationValueError,
            urllib3.exceptions.UnrewindableBodyError,
            UnicodeError,
        ),
        _wrong_address,
    ),
    (
        (
            requests.exceptions.ContentDecodingError,
            requests.exceptions.StreamConsumedError,
            requests.TooManyRedirects,
            urllib3.exceptions.DecodeError,
            zlib.error,
        ),
        unreadable,
    ),
    (
        (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            http.client.HTTPException,
            OSError,
        ),
        _no_connection,
    ),
]
TRANSLATED = tuple(kind for kinds, _ in _TRANSLATIONS for kind in kinds)


def translate(
    error: BaseException,
    deadline: Deadline,
    host: str,
    broken: Type[ConnectionFailedError] = ConnectionFailedError,
) -> QwenError:
    """The error of ours for one of requests, urllib3, http.client or the system.

    `broken` is what a connection that fails means at this point.
    """
    meaning = next(meaning for kinds, meaning in _TRANSLATIONS if isinstance(error, kinds))
    if _given_up_by_the_system(error):
        meaning = _no_connection  # long before a limit of ours, or without one
    if meaning is _no_connection and broken is StreamInterruptedError:
        return StreamInterruptedError(
            f"The connection to {host} broke before the answer was complete: {_innermost(error)}.",
            hint="`partial` holds what came. Ask again.",
        )
    return meaning(error, deadline, host)


def from_user_code(
    error: BaseException, handled: Optional[BaseException] = None
) -> Optional[BaseException]:
    """What the user's own code raised, if a library took that for an error of the network.

    Such code is a signal handler, which may raise at any moment, or the hook of a session.

    Args:
        handled: The exception that was being handled when the request began, if there was one.
    """
    handlers = _signal_handlers()
    seen = [] if handled is None else [handled]
    waiting = [error]
    found: Optional[BaseException] = None
    while waiting:
        link = waiting.pop()
        if any(link is each for each in seen):
            continue
        seen.append(link)
        codes = [step.tb_frame.f_code for step in _steps(link.__traceback__)]
        if any(code in handlers for code in codes):
            found = link  # the last one: what wraps it may have its traceback
        # urllib3 keeps some only as arguments of others.
        behind = [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]
        behind.append(getattr(link, "original_error", None))
        reasons = [each for each in behind if isinstance(each, BaseException)]
        waiting += reasons
        leaf = not any(each is not handled for each in reasons)
        if leaf and codes and not isinstance(link, _OF_THE_NETWORK):
            if not _is_library(codes[-1].co_filename):
                found = link
    return found


def from_signal_handler(error: BaseException) -> bool:
    """Whether a signal handler of the user's raised this, which may be an error of ours too."""
    handlers = _signal_handlers()
    return any(step.tb_frame.f_code in handlers for step in _steps(error.__traceback__))


#: Types that code outside of the network does not raise by chance; a test may raise them for it.
_OF_THE_NETWORK = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    socket.gaierror,
)
_LIBRARIES = (
    os.path.dirname(os.__file__),
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))),  # this package
)


def _is_library(path: str) -> bool:
    return (
        path.startswith(_LIBRARIES)
        or path.startswith("<frozen")
        or "site-packages" in path
        or "dist-packages" in path
    )


def _signal_handlers() -> Set[CodeType]:
    codes: Set[CodeType] = set()
    # Who has set a handler has imported this. An import here would cost each script its time, and
    # fail when no more files can be opened.
    signal = sys.modules.get("signal")
    if signal is None:
        return codes
    for number in signal.Signals:
        handler = signal.getsignal(number)
        handler = getattr(handler, "func", handler)  # of functools.partial
        if callable(handler) and not isinstance(handler, signal.Handlers):
            call = handler if hasattr(handler, "__code__") else getattr(handler, "__call__")
            if hasattr(call, "__code__"):
                codes.add(call.__code__)
    return codes


def _steps(traceback: Optional[TracebackType]) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _given_up_by_the_system(error: BaseException) -> bool:
    return any(
        isinstance(link, OSError) and link.errno == errno.ETIMEDOUT for link in _chain(error)
    )


def _innermost(error: BaseException) -> str:
    """The reason at the bottom of a chain of exceptions, in few words."""
    reason = str(error)
    for link in _chain(error):
        if isinstance(link, http.client.HTTPException):
            reason = "it ended in the middle of a message"
        elif isinstance(link, OSError) and not isinstance(link, requests.RequestException):
            reason = link.strerror or str(link)
    return reason.rstrip(".")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that led to it, the innermost last."""
    link: Optional[BaseException] = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__
