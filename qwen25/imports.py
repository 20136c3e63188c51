"""Imports that wait until they are needed, so that importing this package stays fast."""

from __future__ import annotations

import contextlib
import errno
from typing import Iterator

from .errors import QwenError

#: The errors of a process, and of a system, that has opened all the files that it may.
_NO_FILE = (errno.EMFILE, errno.ENFILE)


@contextlib.contextmanager
def late_imports() -> Iterator[None]:
    """Say so when a module cannot be read since no more files can be opened.

    Raises:
        QwenError: It is so.
    """
    try:
        yield
    except (OSError, ImportError) as error:
        if getattr(error, "errno", None) not in _NO_FILE and "open files" not in str(error):
            raise
        raise QwenError(
            "No more files can be opened, and this needs modules that have to be read.",
            hint="Close files, or allow more of them: ulimit -n.",
        ) from error
