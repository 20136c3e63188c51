"""The file that a batch writes: what is answered, safe against every kind of end."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from array import array
from io import FileIO
from typing import Any, Dict, Iterator, Tuple

from ..errors import InvalidRequestError
from .input import Entry, Path

_START = b'{"index": '


class Journal:
    """Answers as lines of JSON, each on the disk before the next is asked for.

    Opening it takes a lock, which ends with the process whatever ends that, and drops a last line
    that was not written to its end. Another kind of file than a regular one, such as
    `/dev/stdout`, is only written to.

    Args:
        path: The file; made if it is not there.
        retry_failed: Whether those that failed count as not recorded; `forget_failed` drops them.

    Raises:
        InvalidRequestError: Another run writes to it, or it is not a batch's file.
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path, *, retry_failed: bool = False) -> None:
        self.path = os.fspath(path)
        if os.path.isfile(path) or not os.path.exists(path):
            # The file itself, since it may be replaced, and not a link to it.
            self.path = os.path.realpath(path)
        #: How many entries are answered, and how many failed.
        self.answered = self.failed = 0
        self._retry_failed = retry_failed
        # For each index: 0, or the digest of the prompt. A million of them take 8 MB.
        self._digests = array("Q")
        self._file = self._open()
        self._regular = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        try:
            if self._regular:
                self._recover()
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        """One more than the highest index that is recorded."""
        return len(self._digests)

    def has(self, entry: Entry) -> bool:
        """Whether the entry is recorded.

        Raises:
            InvalidRequestError: Another prompt is, in its place.
        """
        recorded = self._digests[entry.number] if entry.number < len(self._digests) else 0
        if recorded and recorded != _number(entry.digest):
            raise self.foreign(f"prompt {entry.number} (from 0) was another one when it was asked")
        return bool(recorded)

    def forget_failed(self) -> None:
        """Drop the lines of those to be asked anew: a file without them takes its place."""
        if not (self._retry_failed and self.failed):
            return
        beside = f"{self.path}.qwen25-tmp"  # one name: what a kill leaves there is written over
        try:
            with open(beside, "wb") as file:
                os.chmod(beside, stat.S_IMODE(os.fstat(self._file.fileno()).st_mode))
                for line, fields in self._records():
                    if "error" not in fields:
                        file.write(line)
                file.flush()
                os.fsync(file.fileno())
            if sys.platform == "win32":
                self._file.close()  # a file that is open cannot be replaced there
            os.replace(beside, self.path)
        except BaseException:
            if os.path.exists(beside):
                os.unlink(beside)
            raise
        # The old file's lock is held until the new one has its own.
        old, self._file = self._file, self._open()
        old.close()
        self.failed = 0

    def write(self, entry: Entry, fields: Dict[str, Any]) -> None:
        """Record an entry, on the disk when this returns.

        Raises:
            OSError: The disk is full, or fails; what was recorded before is as it was.
        """
        record = {"index": entry.number, "id": entry.id, "digest": entry.digest, **fields}
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
        """Close the file; its lock ends. Closing twice is fine."""
        self._file.close()

    def foreign(self, why: str) -> InvalidRequestError:
        """The error for a file that is not this batch's."""
        return InvalidRequestError(
            f"{self.path} does not belong to this input: {why}.",
            hint="Give another file to write to; this one was left as it is.",
        )

    def _open(self) -> FileIO:
        while True:
            file = open(self.path, "a+b", buffering=0)
            try:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return file
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
                    hint="Wait for its end, or give another file.",
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
            # Nothing says yet that the file is a batch's: it must look like the start of one.
            self._file.seek(0)
            start = self._file.read(len(_START))
            if not _START.startswith(start):
                raise self.foreign("it holds something else")
        self._file.truncate(end)

    def _records(self) -> Iterator[Tuple[bytes, Dict[str, Any]]]:
        """The whole lines, with what they say."""
        with open(self.path, "rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    fields = json.loads(line)
                    told = isinstance(fields["index"], int) and fields["index"] >= 0
                    told = told and _number(fields["digest"]) < 1 << 64
                    told = told and ("text" in fields) != ("error" in fields)
                except (ValueError, KeyError, TypeError, RecursionError):
                    told = False
                if not told:
                    raise self.foreign(f"line {number} is not an answer of a batch")
                yield line, fields

    def _count(self, fields: Dict[str, Any]) -> None:
        failed = "error" in fields
        self.answered += not failed
        self.failed += failed
        if failed and self._retry_failed:
            return
        index = fields["index"]
        missing = index + 1 - len(self._digests)
        if missing > 0:
            self._digests.extend([0] * missing)
        elif self._digests[index]:
            raise self.foreign(f"prompt {index} (from 0) is in it twice")
        self._digests[index] = _number(fields["digest"])


def _number(digest: str) -> int:
    # Never 0, which means that there is none.
    return int(digest, 16) or 1


def _lock(descriptor: int) -> None:
    """Take the lock; `BlockingIOError` when somebody else has it."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 1 << 40, os.SEEK_SET)  # what is locked cannot be read there
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(errno.EWOULDBLOCK, "locked") from error
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
