"""JSON from a server that is not trusted: bounded in time, depth and number of values; pure."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Tuple, Union

from .pacing import CheckTime, no_limit

#: Characters; what is shorter is left to `json`, which cannot be interrupted.
_SMALL = 128 * 1024
#: The most values in one text. `json` has the same limits of its own for depth and digits.
_MOST_VALUES = 250_000
_MOST_NESTED = 200
_MOST_DIGITS = 4300
#: How many values are read between two looks at the time.
_STRIDE = 256

_BLANK = " \t\n\r"


def read_json(text: str, check_time: CheckTime = no_limit) -> Any:
    """Decode a text that is one JSON value.

    Raises:
        ValueError: It is something else, or beyond a limit.
        RecursionError: A short text is nested too deeply.
    """
    return read_json_between(text, 0, len(text), check_time)


def read_json_between(text: str, start: int, stop: int, check_time: CheckTime = no_limit) -> Any:
    """Decode a part of a text, as `read_json` does; a long part is not copied."""
    if stop - start <= _SMALL:
        return json.loads(text[start:stop])
    value, end = _read(text, _end_of_blank(text, start), check_time)
    # A value that goes on behind `stop`, or that is followed by another.
    if end > stop or _end_of_blank(text, end) < stop:
        raise ValueError("not one JSON value")
    return value


def _read(text: str, position: int, check_time: CheckTime) -> Tuple[Any, int]:
    """Read the value at a position; returns it, and where it ends.

    Containers are read here, one value after the other; each string and number is left to `json`.
    """
    scalar = json.JSONDecoder(parse_int=_integer).raw_decode
    open_containers: List[Union[List[Any], Dict[str, Any]]] = []
    keys: List[str] = []  # one for each dict among them
    known: Dict[str, str] = {}
    count = 0
    while True:
        count += 1
        if not count % _STRIDE:
            check_time()
            if count > _MOST_VALUES:
                raise ValueError(f"more than {_MOST_VALUES} values")
        char = text[position : position + 1]
        value: Any
        if char in ("[", "{"):
            value = [] if char == "[" else {}
            position = _end_of_blank(text, position + 1)
            if text[position : position + 1] != _closing(value):
                if len(open_containers) == _MOST_NESTED:
                    raise ValueError("nested too deeply")
                open_containers.append(value)
                if char == "{":
                    key, position = _key(text, position, scalar)
                    keys.append(known.setdefault(key, key))
                continue
            position += 1
        else:
            value, position = scalar(text, position)
        # The value is whole: put it where it belongs, and so each container that ends with it.
        while open_containers:
            container = open_containers[-1]
            if isinstance(container, list):
                container.append(value)
            else:
                container[keys.pop()] = value
            position = _end_of_blank(text, position)
            char = text[position : position + 1]
            position += 1
            if char == ",":
                position = _end_of_blank(text, position)
                if isinstance(container, dict):
                    key, position = _key(text, position, scalar)
                    keys.append(known.setdefault(key, key))
                break
            if char != _closing(container):
                raise ValueError(f"{_closing(container)!r} was expected at {position - 1}")
            value = open_containers.pop()
        else:
            return value, position


def _key(text: str, position: int, scalar: Any) -> Tuple[str, int]:
    """Read a key of an object and its colon; returns it, and where its value begins."""
    if text[position : position + 1] != '"':
        raise ValueError(f"a key was expected at {position}")
    key, position = scalar(text, position)
    position = _end_of_blank(text, position)
    if text[position : position + 1] != ":":
        raise ValueError(f"':' was expected at {position}")
    return key, _end_of_blank(text, position + 1)


def _closing(container: object) -> str:
    return "]" if isinstance(container, list) else "}"


def _end_of_blank(text: str, position: int) -> int:
    if text[position : position + 1] not in _BLANK:
        return position
    found = re.compile(f"[{_BLANK}]*").match(text, position)
    assert found is not None  # it may be empty
    return found.end()


def _integer(digits: str) -> int:
    # Before 3.8.14, and where the limit is turned off, Python takes very long for many digits.
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)
