"""What the arguments of the public methods may be: one check for each, before anything is asked.

A check returns the value as the rest of the library takes it, or raises `InvalidRequestError`.
Secrets are never shown.
"""

from __future__ import annotations

import os
import re
from typing import Any, Dict, Iterator, Mapping, Optional, Tuple, Union

from ..errors import InvalidRequestError, describe
from ..transport.address import is_proxy

#: More tries make no sense, and larger numbers overflow where seconds are computed from them.
_MOST_TRIES = 1_000_000
_MOST_WORKERS = 100_000
_LONGEST_NAME = 200

# Compiled at the first use: importing this stays fast.
_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# HTTP has no way to write other characters; requests would fail, and show the value.
_HEADER_VALUE = r"(?:[!-~\xa1-\xff](?:[ -~\t\xa0-\xff]*[!-~\xa1-\xff])?)?"


def model_name(model: Any) -> str:
    """The name of a model; whether the Space has it is known later."""
    if (
        not isinstance(model, str)
        or not 0 < len(model.strip()) <= _LONGEST_NAME
        or not model.isprintable()
    ):
        raise InvalidRequestError(
            f"model={describe(model)} is not the name of a model.",
            hint='Give one such as "7B"; Client().models lists them.',
        )
    return model


def system_prompt(system: Any) -> Optional[str]:
    """A system prompt, or `None` for the Space's own."""
    if system is not None and not (isinstance(system, str) and _is_encodable(system)):
        raise InvalidRequestError(f"system={describe(system)} is not a text.")
    return system


def count(name: str, value: Any, least: int, what: str, most: int = _MOST_TRIES) -> int:
    """A whole number, such as one of tries."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidRequestError(
            f"{name}={describe(value)} is not a number of {what} from {least:,} to {most:,}."
        )
    return value


def worker_count(workers: Any) -> int:
    """How many prompts are on their way at once."""
    return count("workers", workers, 1, "workers", _MOST_WORKERS)


def flag(name: str, value: Any) -> bool:
    """Yes or no; other values are more likely a mistake than an opinion."""
    if not isinstance(value, bool):
        raise InvalidRequestError(f"{name}={describe(value)} is neither True nor False.")
    return value


def callback(name: str, function: Any) -> Any:
    """A function, or `None`."""
    if function is not None and not callable(function):
        raise InvalidRequestError(f"{name}={describe(function)} cannot be called.")
    return function


def function_name(endpoint: Any) -> Optional[str]:
    """The API name of a function, or `None` for the first that chats."""
    if endpoint is not None and not (isinstance(endpoint, str) and endpoint.strip("/ ")):
        raise InvalidRequestError(
            f"endpoint={describe(endpoint)} is not the name of a function.",
            hint='Give an API name such as "chat"; leave it out to take the first that chats.',
        )
    return endpoint


def labelled(inputs: Any) -> Dict[str, Any]:
    """Values by label; `None` is none. They are checked when the Space is known."""
    if inputs is None:
        return {}
    if not isinstance(inputs, Mapping) or not all(isinstance(label, str) for label in inputs):
        raise InvalidRequestError(
            "inputs has to be a dict of labels and values.", hint='Such as {"Temperature": 0.2}.'
        )
    return dict(inputs)


def token(given: Any) -> Union[None, str, bool]:
    """A token, `None` for that of the environment, or `False` for none."""
    if given is not None and given is not False and not isinstance(given, str):
        raise InvalidRequestError(
            "token is no token.", hint="Give the token itself, a str, or set HF_TOKEN."
        )
    return given


def login(auth: Any) -> Optional[Tuple[str, str]]:
    """A username and a password, or `None`."""
    if auth is None:
        return None
    pair = tuple(auth) if isinstance(auth, (tuple, list)) else ()
    if len(pair) != 2 or not all(isinstance(each, str) and _is_encodable(each) for each in pair):
        raise InvalidRequestError("auth has to be a pair of texts: (username, password).")
    return pair


def proxy_url(proxy: Any) -> Optional[str]:
    """The URL of a proxy, or `None` for those of the environment."""
    if proxy is None:
        return None
    if not isinstance(proxy, str) or not _is_plain(proxy) or not is_proxy(proxy):
        raise InvalidRequestError(
            "proxy is not the URL of a proxy.",
            hint='Give one such as "http://proxy.example:8080" or "socks5://127.0.0.1:1080".',
        )
    return proxy


def header_fields(headers: Any) -> Dict[str, str]:
    """Headers by name; `None` is none."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise InvalidRequestError("headers has to be a dict of names and values.")
    for name, value in headers.items():
        if not isinstance(name, str) or not re.fullmatch(_HEADER_NAME, name):
            raise InvalidRequestError(f"headers has {describe(name)}, which is not a name.")
        if not isinstance(value, str) or not re.fullmatch(_HEADER_VALUE, value):
            raise InvalidRequestError(
                f"headers[{name!r}] is not a value that HTTP can carry.",
                hint="Give a str of one line, in characters of Latin-1, without spaces around it.",
            )
    return dict(headers)


def certificates(verify: Any) -> Union[bool, str]:
    """Whether certificates are checked, or the path of an authority's."""
    if isinstance(verify, bool):
        return verify
    try:
        path = os.fspath(verify)
    except TypeError:
        path = None
    if not isinstance(path, str) or not path or "\0" in path:
        raise InvalidRequestError(
            f"verify={describe(verify)} is neither True nor False nor the path of a certificate."
        )
    return path


def session(given: Any) -> Any:
    """A `requests.Session`, or what has its method `request`; `None` for one of our own."""
    if given is not None and (
        isinstance(given, type) or not callable(getattr(given, "request", None))
    ):
        raise InvalidRequestError(
            f"session={describe(given)} is not a session.", hint="Give a requests.Session()."
        )
    return given


def executor(given: Any) -> Any:
    """A `concurrent.futures.Executor`, or what has its method `submit`; `None` for threads."""
    if given is not None and (
        isinstance(given, type) or not callable(getattr(given, "submit", None))
    ):
        raise InvalidRequestError(
            f"executor={describe(given)} is not an executor.",
            hint="Give a concurrent.futures.Executor, or leave it out for threads.",
        )
    return given


def prompts_of(prompts: Any) -> Iterator[Any]:
    """Many prompts; each is checked when it is its turn."""
    if isinstance(prompts, (str, bytes, bytearray, Mapping)):
        # They can be iterated, by characters and by keys.
        raise _not_prompts(prompts)
    try:
        return iter(prompts)
    except TypeError as error:
        raise _not_prompts(prompts) from error


def _not_prompts(prompts: Any) -> InvalidRequestError:
    return InvalidRequestError(
        f"A map takes many prompts, and this is one {type(prompts).__name__}.",
        hint='Put it into a list, such as ["Hello"], or use complete().',
    )


def client_like(client: Any, *methods: str) -> Any:
    """A client, or what has these methods of one."""
    if isinstance(client, type) or not all(callable(getattr(client, m, None)) for m in methods):
        raise InvalidRequestError(
            f"{describe(client)} is not a client.", hint="Give one such as Client()."
        )
    return client


def _is_encodable(text: str) -> bool:
    """Whether a text has no lone surrogates, which nothing can send."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_plain(text: str) -> bool:
    """Whether a text can be a part of a URL, as it is: one line, without spaces around."""
    return _is_encodable(text) and text.isprintable() and text == text.strip()
