"""Files: the paths that a user gives, and replacing a file safely."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import BinaryIO, Iterator, Union

from .errors import InvalidRequestError, describe

#: What a path may be given as.
Path = Union[str, "os.PathLike[str]"]


def path_of(path: Path) -> str:
    """Check a path, and return it as a string.

    Raises:
        InvalidRequestError: It is not a path, or the system cannot have a file of that name.
    """
    try:
        # Not open(path) right away: it takes a number, such as 0 or True, for an open file.
        name = os.fsdecode(path)
        if name and b"\0" not in os.fsencode(name):
            return name
    except (TypeError, UnicodeError):
        pass
    raise InvalidRequestError(
        f"{describe(path)} is not the path of a file.", hint='Give a string such as "file.json".'
    )


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file that takes the place of another one when the `with` block ends.

    The path leads to the old or to the new content at any moment, never to a part of one. After an
    error the old file is as it was, and nothing else is left. The new file keeps the permissions
    of the old one. A symbolic link stays; the file that it leads to is replaced. What is not a
    regular file, such as `/dev/stdout`, is written to.

    Raises:
        InvalidRequestError: The path is not a path.
        OSError: The file cannot be written; `filename` is its path.
    """
    name = path_of(path)
    target = os.path.realpath(name)
    # Beside the target, since a rename does not leave its file system. A name that can be guessed
    # could be a link that another user has put there.
    temporary = os.path.join(os.path.dirname(target), f".qwen25-{os.urandom(8).hex()}.tmp")
    try:
        mode = _mode(target)
        if mode is not None and not stat.S_ISREG(mode):
            with open(name, "wb") as file:
                yield file
            return
        try:
            with open(temporary, "xb", opener=_private if mode is not None else None) as file:
                if mode is not None:
                    os.chmod(temporary, stat.S_IMODE(mode))
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from error


def _mode(path: str) -> Union[int, None]:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _private(path: str, flags: int) -> int:
    # The content must not be readable by others before the permissions are set.
    return os.open(path, flags, 0o600)
