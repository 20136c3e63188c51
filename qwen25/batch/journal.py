"""The output file of a batch: which prompts are answered. It survives any interruption."""

from __future__ import annotations

import errno
import functools
import json
import os
import re
import stat
import sys
import weakref
from array import array
from io import FileIO
from typing import Any, Dict, Iterator, Tuple

from ..errors import InvalidRequestError
from ..files import Path, path_of, replacing
from .input import Entry

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_START = b'{"index": '
_DIGEST = re.compile("[0-9a-f]{16}")


class Journal:
    """Answers as lines of JSON. Each is on the disk before the next one is handled.

    Opening it locks the file until the process ends, in whatever way, and removes an incomplete
    last line. Anything but a regular file, such as `/dev/stdout`, is only written to.

    Args:
        path: The file; created if it does not exist.
        retry_failed: Whether failed prompts count as not recorded; `forget_failed` removes them.

    Raises:
        InvalidRequestError: Another run writes to it, or it is not the output of a batch.
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path, *, retry_failed: bool = False) -> None:
        self.path = path_of(path)
        if os.path.isfile(self.path) or not os.path.exists(self.path):
            # The file itself and not a link to it, since it may be replaced.
            self.path = os.path.realpath(self.path)
        #: How many prompts are answered, and how many failed.
        self.answered = self.failed = 0
        self._retry_failed = retry_failed
        self._digests = _Digests()
        self._file = self._open()
        self._regular = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        try:
            if self._regular:
                self._recover()
        except BaseException:
            self._file.close()
            raise

    @property
    def end(self) -> int:
        """One more than the highest index that is recorded."""
        return self._digests.end

    def has(self, entry: Entry) -> bool:
        """Whether the entry is recorded.

        Raises:
            InvalidRequestError: Another prompt is recorded in its place.
        """
        recorded = self._digests.get(entry.number)
        if recorded and recorded != _number(entry.digest):
            raise self.foreign(f"prompt {entry.number} (from 0) was another one when it was asked")
        return bool(recorded)

    def forget_failed(self) -> None:
        """Remove the lines of the failed prompts that will be asked again."""
        if not (self._retry_failed and self.failed):
            return
        with replacing(self.path) as file:
            for line, fields in self._records():
                if "error" not in fields:
                    file.write(line)
            if sys.platform == "win32":
                self._file.close()  # an open file cannot be replaced there
        # The old file's lock is held until the new one has its own.
        old, self._file = self._file, self._open()
        old.close()
        self.failed = 0

    def write(self, entry: Entry, fields: Dict[str, Any]) -> None:
        """Record an entry. It is on the disk when this returns.

        Raises:
            OSError: The disk is full or fails; earlier records are unchanged.
        """
        record = {"index": entry.number, "id": entry.id, "digest": entry.digest, **fields}
        # Half a surrogate pair has no bytes in UTF-8; its escape means the same in JSON.
        line = json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        start = self._file.seek(0, os.SEEK_END) if self._regular else 0
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]
            if self._regular:
                os.fsync(self._file.fileno())
        except OSError as error:
            if self._regular:
                self._file.truncate(start)
            raise OSError(error.errno, error.strerror, self.path) from error

    def close(self) -> None:
        """Close the file and release its lock. Closing twice is fine."""
        self._file.close()

    def foreign(self, why: str) -> InvalidRequestError:
        """The error for a file that is not the output of this batch."""
        return InvalidRequestError(
            f"{self.path} does not belong to this input: {why}.",
            hint="Give another output file; this one is unchanged.",
        )

    def _open(self) -> FileIO:
        while True:
            file = open(self.path, "a+b", buffering=0)
            try:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return file
                _close_in_forked_processes(file)
                _lock(file.fileno())
                # It may have been replaced between being opened and being locked.
                if os.path.samestat(os.fstat(file.fileno()), os.stat(self.path)):
                    return file
            except FileNotFoundError:
                pass
            except BlockingIOError as error:
                file.close()
                raise InvalidRequestError(
                    f"Another run is writing to {self.path}.",
                    hint="Wait until it has ended, or give another output file.",
                ) from error
            except BaseException:
                file.close()
                raise
            file.close()

    def _recover(self) -> None:
        end = 0
        for line, fields in self._records():
            end += len(line)
            self._count(fields)
        size = os.fstat(self._file.fileno()).st_size
        if end == size:
            return
        if not end:
            # Without a complete line, the file must at least look like the start of one.
            self._file.seek(0)
            start = self._file.read(len(_START))
            if not _START.startswith(start):
                raise self.foreign("it holds something else")
        self._file.truncate(end)

    def _records(self) -> Iterator[Tuple[bytes, Dict[str, Any]]]:
        """The complete lines, with their fields."""
        with open(self.path, "rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    fields = json.loads(line)
                except (ValueError, RecursionError):
                    fields = None
                if not _is_record(fields):
                    raise self.foreign(f"line {number} is not an answer of a batch")
                yield line, fields

    def _count(self, fields: Dict[str, Any]) -> None:
        failed = "error" in fields
        self.answered += not failed
        self.failed += failed
        if failed and self._retry_failed:
            return
        index = fields["index"]
        if self._digests.get(index):
            raise self.foreign(f"prompt {index} (from 0) is in it twice")
        self._digests.set(index, _number(fields["digest"]))


class _Digests:
    """The digest of each recorded prompt, by its index; 0 where there is none.

    They are kept in blocks, so that a high index takes no more memory than a low one: a hostile
    file costs memory for its lines, not for the numbers in them. A million of them take 9 MB.
    """

    _BLOCK = 64

    def __init__(self) -> None:
        #: One more than the highest index.
        self.end = 0
        self._blocks: Dict[int, array[int]] = {}

    def get(self, index: int) -> int:
        block = self._blocks.get(index // self._BLOCK)
        return block[index % self._BLOCK] if block else 0

    def set(self, index: int, digest: int) -> None:
        block = self._blocks.get(index // self._BLOCK)
        if block is None:
            block = self._blocks[index // self._BLOCK] = array("Q", bytes(8 * self._BLOCK))
        block[index % self._BLOCK] = digest
        self.end = max(self.end, index + 1)


def _is_record(fields: Any) -> bool:
    return (
        isinstance(fields, dict)
        and type(fields.get("index")) is int  # true is an int too
        and fields["index"] >= 0
        and isinstance(fields.get("digest"), str)
        and _DIGEST.fullmatch(fields["digest"]) is not None
        and ("text" in fields) != ("error" in fields)
        and isinstance(fields.get("text", fields.get("error")), str)
    )


def _number(digest: str) -> int:
    # Never 0, which means that there is none.
    return int(digest, 16) or 1


def _lock(descriptor: int) -> None:
    """Take the lock; `BlockingIOError` if another run has it."""
    if sys.platform == "win32":
        os.lseek(descriptor, 1 << 40, os.SEEK_SET)  # locked bytes cannot be read there
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(errno.EWOULDBLOCK, "locked") from error
    else:
        # Not fcntl.lockf(): that lock would end when this process closes any other descriptor of
        # the file, such as a reader's, and it would not keep two runs in one process apart.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


#: Files to close in a forked process. The garbage collector removes those that are closed.
_locked: weakref.WeakSet[FileIO] = weakref.WeakSet()


def _close_in_forked_processes(file: FileIO) -> None:
    """Keep a lock from being inherited.

    A lock of `flock` belongs to the open file, which a forked process shares: when a run is
    killed, the workers of its process pool would keep the lock. A process that is started in
    another way inherits no file that Python has opened.
    """
    _watch_forks()
    _locked.add(file)


@functools.lru_cache(maxsize=None)  # once in a process
def _watch_forks() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_close_locked)


def _close_locked() -> None:
    for file in list(_locked):
        file.close()
