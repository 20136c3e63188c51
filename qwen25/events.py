"""What happens on the way to an answer, as immutable values.

Each field is checked when it is read: a number is finite, a text has no surrogates. A number that
is not finite says nothing, and is `None`.
"""

# Without `from __future__ import annotations`, whose types are texts: NamedTuple would compile each
# of them at every start.
from typing import NamedTuple, Optional, Tuple, Union


class Queued(NamedTuple):
    """The request waits in the Space's queue."""

    #: How many requests are before this one; 0 is next.
    rank: int
    #: How many requests wait in all.
    size: int
    #: Seconds until the start, as the server expects them; `None` when it does not know.
    eta: Optional[float] = None


class Started(NamedTuple):
    """A worker of the Space has taken the request."""

    #: Seconds for the whole answer, as the server expects them; `None` when it does not know.
    eta: Optional[float] = None


class Step(NamedTuple):
    """One bar of a `Progress`; what the app did not say is `None`."""

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
    """How far the app's work is; nested bars are several steps, the outermost first."""

    steps: Tuple[Step, ...] = ()


class Note(NamedTuple):
    """A note from the app to its user, or from this library while a Space wakes up."""

    #: `info` or `warning`.
    level: str
    text: str


class Thought(NamedTuple):
    """What a reasoning model thinks, or a tool does, before the answer; never part of the text."""

    #: What the app calls it, such as `Thinking`.
    title: str
    #: All of this thought so far; the next `Thought` of the same title has more.
    text: str


class Text(NamedTuple):
    """A piece of the answer, never empty."""

    piece: str


#: What `on_event` is called with.
Event = Union[Queued, Started, Progress, Note, Thought]
