"""How pure code keeps a time limit without a clock of its own."""

from __future__ import annotations

from typing import Callable

#: Called now and then by work that could take long; raises `TimedOutError` when the time is over.
CheckTime = Callable[[], object]


def no_limit() -> None:
    """A `CheckTime` for work that may take as long as it needs."""
