"""The input of a batch: lines of text or of JSON, read when they are needed."""

from __future__ import annotations

import codecs
import hashlib
import json
import math
import os
import stat
import sys
from typing import Any, BinaryIO, Iterator, NamedTuple, NoReturn, Optional, Tuple, Union

from ..client.worker import Request
from ..errors import InvalidRequestError
from ..files import Path, path_of
from ..protocol.prompt import Prompt

#: What a file in another encoding than UTF-8 begins with. UTF-32 first: its mark begins with
#: that of UTF-16.
_OTHER_MARKS = [
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
]

#: Far less than Python's limit on recursion, so that what was written can be read again.
_DEEPEST_ID = 64


class Entry(NamedTuple):
    """One line of the input."""

    #: Its place among the lines that are not blank, from 0.
    number: int
    #: Its `id` in the input, else its number.
    id: object
    #: What to ask, or why the line cannot be read.
    request: Union[Request, InvalidRequestError]
    #: 16 hexadecimal digits of a hash of the line.
    digest: str


class Lines:
    """The lines of a file, or of standard input for `-`, as an iterable of entries.

    The first line decides: either each line is a prompt, or each is a JSON object with `prompt` or
    `messages`, and optionally `id`, `model` and `system`. Blank lines do not count.

    Raises:
        InvalidRequestError: Standard input is closed; the file is not UTF-8, or its first line is a
            JSON object of another kind.
        OSError: The file cannot be read.
    """

    def __init__(self, source: Path) -> None:
        self._name = path_of(source)
        self._own = self._name != "-"
        self._file = open(self._name, "rb") if self._own else _standard_input()
        #: The number of bytes in all, `None` if it is not known; and of those that were read.
        self.size: Optional[int] = None
        self.read = 0
        status = os.fstat(self._file.fileno()) if self._own else None
        if status is not None and stat.S_ISREG(status.st_mode):
            self.size = status.st_size

    def __iter__(self) -> Iterator[Entry]:
        index = 0
        is_json = False
        for number, line in enumerate(self._file, 1):
            self.read += len(line)
            if number == 1:
                self._check_encoding(line)
                if line.startswith(codecs.BOM_UTF8):
                    line = line[len(codecs.BOM_UTF8) :]
            line = line.rstrip(b"\r\n")
            if not line.strip():
                continue
            if index == 0:
                is_json = _is_json(line, number)
            yield _entry(index, number, line, is_json)
            index += 1

    def close(self) -> None:
        """Close the file, unless it is standard input. Closing twice is fine."""
        if self._own:
            self._file.close()

    def _check_encoding(self, start: bytes) -> None:
        found = next((name for mark, name in _OTHER_MARKS if start.startswith(mark)), None)
        if found is None and b"\0" in start:
            found = _without_mark(start)
        if found is not None:
            name = self._name if self._own else "The input"
            raise InvalidRequestError(
                f"{name} looks like {found} text; UTF-8 was expected.",
                hint=f"Convert it: iconv -f {found} -t UTF-8 OLD > NEW",
            )


def _without_mark(start: bytes) -> str:
    """The encoding of text that has zero bytes and no mark: those of English letters tell it."""
    width = 32 if b"\0\0\0" in start else 16
    return f"UTF-{width}{'LE' if start.index(0) % 2 else 'BE'}"


def _standard_input() -> BinaryIO:
    # It is None when it was closed, and has no bytes where a notebook has replaced it.
    file: Optional[BinaryIO] = getattr(sys.stdin, "buffer", None)
    if file is None or file.closed:
        raise InvalidRequestError(
            "Standard input is closed, or cannot be read as bytes.",
            hint="Give the name of a file, or pipe the prompts in.",
        )
    return file


def _is_json(line: bytes, number: int) -> bool:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if not isinstance(fields, dict):
        return False
    if "prompt" not in fields and "messages" not in fields:
        raise InvalidRequestError(
            f"Line {number} of the input is a JSON object without `prompt` and without `messages`.",
            hint="Put one of them into each line; to ask a text that looks like JSON, write"
            ' {"prompt": "..."}.',
        )
    return True


def _entry(index: int, number: int, line: bytes, is_json: bool) -> Entry:
    digest = hashlib.sha256(line).hexdigest()[:16]
    name: object = index
    request: Union[Request, InvalidRequestError]
    try:
        if is_json:
            name, request = _read_object(_strict_json(line), index)
        else:
            request = Request(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # InvalidRequestError, UnicodeDecodeError too
        request = InvalidRequestError(f"Line {number} of the input cannot be read: {error}")
    return Entry(index, name, request, digest)


def _strict_json(line: bytes) -> Any:
    """Read JSON, without the numbers that Python reads and could not write as JSON."""

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            refuse(text)
        return value

    def refuse(text: str) -> NoReturn:
        raise ValueError(f"{text[:20]} is not a number that JSON can hold.")

    # Decoded here, since json.loads() takes UTF-16 and UTF-32 too, line by line.
    return json.loads(line.decode("utf-8"), parse_float=number, parse_constant=refuse)


def _read_object(fields: Any, index: int) -> Tuple[object, Request]:
    if not isinstance(fields, dict):
        raise InvalidRequestError("It is not a JSON object, as the first line is.")
    if ("prompt" in fields) == ("messages" in fields):
        raise InvalidRequestError("It needs either `prompt` or `messages`.")
    prompt: Prompt = fields["messages"] if "messages" in fields else fields["prompt"]
    for key in ("model", "system"):
        if not isinstance(fields.get(key), (str, type(None))):
            raise InvalidRequestError(f"Its `{key}` is not a string.")
    name = fields.get("id", index)
    if _depth(name) > _DEEPEST_ID:
        raise InvalidRequestError(f"Its `id` is nested more than {_DEEPEST_ID} levels deep.")
    return name, Request(prompt, fields.get("model"), fields.get("system"))


def _depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)
