"""What happens on the way to an answer, as immutable values."""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple, Union


class Queued(NamedTuple):
    """The request waits in the Space's queue."""

    #: How many requests are before this one; 0 is next.
    rank: int
    #: How many requests wait in all.
    size: int
    #: Seconds until the start, as the server expects them; `None` when it has no idea.
    eta: Optional[float] = None


class Started(NamedTuple):
    """A worker of the Space has taken the request."""

    #: Seconds that the whole answer takes, as the server expects them; `None` when it has no idea.
    eta: Optional[float] = None


class Step(NamedTuple):
    """One bar of a `Progress`; whatever the app left open is `None`."""

    #: Steps done.
    index: Optional[float] = None  # type: ignore[assignment]  # tuple.index gives way
    #: Steps in all.
    length: Optional[float] = None
    #: What is counted, such as `steps`.
    unit: Optional[str] = None
    #: The share that is done, from 0 to 1, for an app that counts no steps.
    progress: Optional[float] = None
    #: What the app is doing.
    desc: Optional[str] = None


class Progress(NamedTuple):
    """The app tells how far its work is; nested bars are several steps, the outermost first."""

    steps: Tuple[Step, ...] = ()


class Note(NamedTuple):
    """A word from the app to its user, or from this library while a Space wakes up."""

    #: `info` or `warning`.
    level: str
    text: str


class Text(NamedTuple):
    """A piece of the answer, never empty."""

    piece: str


#: What `on_event` is called with.
Event = Union[Queued, Started, Progress, Note]
