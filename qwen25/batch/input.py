"""What a batch is to ask: lines of text or of JSON, read as they are needed."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from typing import Any, BinaryIO, Iterator, NamedTuple, Optional, Tuple, Union

from ..client.worker import Request
from ..errors import InvalidRequestError
from ..protocol.prompt import Prompt

#: What a path may be given as.
Path = Union[str, "os.PathLike[str]"]


class Entry(NamedTuple):
    """One line of the input."""

    #: Its place among the lines that are not blank, from 0.
    number: int
    #: Its name in the input, else its number.
    id: object
    #: What to ask; or why that cannot be read.
    question: Union[Request, InvalidRequestError]
    #: 16 hexadecimal digits that another line does not have.
    digest: str


class Lines:
    """The lines of a file, or of standard input for `-`, as an iterable of entries.

    The first line tells whether all are text, each line a prompt, or JSON objects with `prompt` or
    `messages` and, if need be, `id`, `model` and `system`. Blank lines do not count.

    Raises:
        InvalidRequestError: The first line is a JSON object of another kind.
        OSError: The file cannot be read.
    """

    def __init__(self, source: Path) -> None:
        name = os.fspath(source)
        self._own = name != "-"
        self._file: BinaryIO = open(name, "rb") if self._own else sys.stdin.buffer
        #: Bytes in all and bytes read; `None` where nobody can know before the end.
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
            if number == 1 and line.startswith(b"\xef\xbb\xbf"):
                line = line[3:]
            line = line.rstrip(b"\r\n")
            if not line.strip():
                continue
            if index == 0:
                is_json = _is_json(line, number)
            yield _entry(index, number, line, is_json)
            index += 1

    def close(self) -> None:
        """Close the file, if it is not standard input. Closing twice is fine."""
        if self._own:
            self._file.close()


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
            hint="Name one of them in each line; a text that happens to be JSON can be given as"
            ' {"prompt": "..."}.',
        )
    return True


def _entry(index: int, number: int, line: bytes, is_json: bool) -> Entry:
    digest = hashlib.sha256(line).hexdigest()[:16]
    name: object = index
    question: Union[Request, InvalidRequestError]
    try:
        if is_json:
            name, question = _read_object(json.loads(line), index)
        else:
            question = Request(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # InvalidRequestError, UnicodeDecodeError too
        question = InvalidRequestError(f"Line {number} of the input cannot be read: {error}")
    return Entry(index, name, question, digest)


def _read_object(fields: Any, index: int) -> Tuple[object, Request]:
    if not isinstance(fields, dict):
        raise InvalidRequestError("It is no JSON object, as the first line is.")
    if ("prompt" in fields) == ("messages" in fields):
        raise InvalidRequestError("It needs either `prompt` or `messages`.")
    prompt: Prompt = fields["messages"] if "messages" in fields else fields["prompt"]
    for key in ("model", "system"):
        if not isinstance(fields.get(key), (str, type(None))):
            raise InvalidRequestError(f"Its `{key}` is not a string.")
    question = Request(prompt, fields.get("model"), fields.get("system"))
    return fields.get("id", index), question
