"""What the arguments of a `FakeSpace` may be; a check returns the value, or raises."""

from __future__ import annotations

from collections import deque
from typing import Any, Iterable, List, Optional, Tuple

from ..errors import InvalidRequestError, describe
from .steps import FAULTS, STEPS


def choice(name: str, value: str, known: Iterable[str]) -> str:
    """One of some words."""
    if not isinstance(value, str) or value not in known:
        words = ", ".join(map(repr, known)) if name == "newline" else ", ".join(known)
        raise InvalidRequestError(f"{name}={describe(value)} is unknown; it is one of {words}.")
    return value


def flag(name: str, value: bool) -> bool:
    """Yes or no."""
    _require(name, value, isinstance(value, bool), "True or False")
    return value


def count(name: str, value: Optional[int], least: int) -> Optional[int]:
    """A whole number, or `None`."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    fits = value is None or (is_number and least <= value < 2**31)
    _require(name, value, fits, f"a number of at least {least}, or None")
    return value


def index(name: str, value: int) -> int:
    """A whole number from 0."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    _require(name, value, is_number and 0 <= value < 2**31, "a number of at least 0")
    return value


def prefix(value: str) -> str:
    """The beginning of paths, without a slash at its end; empty is none."""
    fits = isinstance(value, str) and value.isascii() and value.isprintable() and " " not in value
    fits = fits and (not value or (value.startswith("/") and not value.endswith("/")))
    _require("prefix", value, fits, 'a path such as "/gradio_api", or ""')
    return value


def login(auth: Any) -> Optional[Tuple[str, str]]:
    """A username and a password, or `None`."""
    if auth is None:
        return None
    fits = isinstance(auth, (tuple, list)) and len(auth) == 2
    fits = fits and all(isinstance(each, str) for each in auth)
    _require("auth", auth, fits, "a pair of texts: (username, password)")
    return (auth[0], auth[1])


def texts(name: str, values: Any) -> Tuple[str, ...]:
    """A list of texts."""
    each = items(name, values, "a list of texts")
    _require(name, values, all(isinstance(text, str) for text in each), "a list of texts")
    return tuple(each)


def script(name: str, given: Any) -> Any:
    """A script that can be played for every request; what is no step in it is told when played."""
    if isinstance(given, STEPS) or callable(given):
        return given
    expected = "a script: a text, a step of qwen25.testing, a list of these, or a function"
    return tuple(items(name, given, expected))


def plan(name: str, given: Any) -> Any:
    """What happens to requests: nothing special, one fault for all, or a list that is used up."""
    if given is None or isinstance(given, FAULTS):
        return given
    expected = "a Reply, Drop, Reset or Hang, a list of these and None, or None"
    faults = items(name, given, expected)
    for fault in faults:
        _require(name, fault, fault is None or isinstance(fault, FAULTS), expected)
    return deque(faults)


def items(name: str, values: Any, expected: str) -> List[Any]:
    """The items of a list, or of anything like it."""
    try:
        # Each of these can be iterated, and none of them is a list of something.
        found = None if isinstance(values, (str, bytes, dict)) else list(values)
    except TypeError:
        found = None
    _require(name, values, found is not None, expected)
    return found or []


def _require(name: str, value: object, fits: bool, expected: str) -> None:
    if not fits:
        raise InvalidRequestError(f"{name}={describe(value)}; expected was {expected}.")
