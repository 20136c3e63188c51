"""What a script is made of: pieces of text, waiting, and everything that can go wrong."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Union

from ..events import Note, Progress, Queued, Started


class Delay(NamedTuple):
    """Nothing is sent for a while."""

    seconds: float


class Heartbeat(NamedTuple):
    """The message that a Space sends when it has been silent for 15 seconds."""


class Replace(NamedTuple):
    """The app rewrites its answer: the whole text is this from now on."""

    text: str


class Message(NamedTuple):
    """Any message of the queue; `event_id` is filled in unless it is there.

    `process_completed` ends the script, `unexpected_error` the connection too, as in a real Space.
    """

    fields: Mapping[str, Any]


class Raw(NamedTuple):
    """Any bytes, as they are, in the body of the stream."""

    data: bytes


class Repeat(NamedTuple):
    """These steps again and again, until the client leaves or the Space is closed."""

    steps: Sequence[Step]


class Fail(NamedTuple):
    """The app has failed; `detail` is what it tells of the reason, `None` is nothing."""

    detail: Optional[str] = None


class End(NamedTuple):
    """The response ends as HTTP wants it, but without the message that completes the answer."""


class Drop(NamedTuple):
    """The connection is closed in the middle of whatever it carries."""


class Reset(NamedTuple):
    """The connection is reset (RST), as by a server that crashed."""


class Hang(NamedTuple):
    """Silence until the client leaves or the Space is closed."""


class Gate(threading.Event):
    """A `threading.Event` at which a script waits until the test sets it.

    A test that holds the gate needs no sleeping: what the server has sent and what it has not
    is certain.
    """

    def __init__(self) -> None:
        super().__init__()
        self._watching = threading.Lock()
        self._watchers: List[socket.socket] = []

    def set(self) -> None:
        """Let every script pass, those that wait here and those that come later."""
        super().set()
        with self._watching:
            for watcher in self._watchers:
                watcher.send(b"\0")

    @contextlib.contextmanager
    def watched(self) -> Iterator[socket.socket]:
        """A socket that has something to read once the gate is set.

        A server has to wait for its client and for the gate at once, and only sockets can be
        waited for together.
        """
        reader, writer = socket.socketpair()
        with reader, writer:
            with self._watching:
                self._watchers.append(writer)
                if self.is_set():
                    writer.send(b"\0")
            try:
                yield reader
            finally:
                with self._watching:
                    self._watchers.remove(writer)


class Reply(NamedTuple):
    """A whole HTTP response in place of the ordinary one."""

    status: int = 200
    #: `bytes` as they are, `str` as HTML, anything else as JSON.
    body: object = b""
    #: Added to `Content-Type` and `Content-Length`, or in their place.
    headers: Mapping[str, str] = {}
    #: Seconds between two bytes, those of the status line and the headers too; 0 sends all at once.
    every: float = 0.0


#: What one entry of a script can be; a `str` is a piece that the answer grows by.
Step = Union[
    str,
    Queued,
    Started,
    Progress,
    Note,
    Heartbeat,
    Replace,
    Message,
    Raw,
    Repeat,
    Delay,
    Gate,
    Fail,
    End,
    Drop,
    Reset,
    Hang,
]

#: What can be played instead of the ordinary response to a request.
Fault = Union[Reply, Drop, Reset, Hang]

#: The steps that are no bytes.
Pause = Union[Delay, Gate, End, Drop, Reset, Hang]

# The same for isinstance(), which takes no Union before Python 3.10.
STEPS = (
    str,
    Queued,
    Started,
    Progress,
    Note,
    Heartbeat,
    Replace,
    Message,
    Raw,
    Repeat,
    Delay,
    Gate,
    Fail,
    End,
    Drop,
    Reset,
    Hang,
)
FAULTS = (Reply, Drop, Reset, Hang)
