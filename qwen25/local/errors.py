"""What can go wrong with the local Space, and how its optional packages are imported."""

from __future__ import annotations

import contextlib
from typing import Iterator

from ..errors import QwenError


class LocalSpaceError(QwenError):
    """The local Space cannot start, or its model cannot answer."""


@contextlib.contextmanager
def extra_needed() -> Iterator[None]:
    """Turn the import error of a missing package into the command that installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise LocalSpaceError(
            f"The local Space needs the package {error.name}, which is not installed.",
            hint='Run: pip install "qwen25[local]"',
        ) from error
