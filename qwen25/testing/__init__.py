"""A Space made of a script, for testing code that uses qwen25 without a network.

    from qwen25 import Client
    from qwen25.testing import FakeSpace

    with FakeSpace(["Hello", " world"]) as space:
        assert Client(space.url).complete("Hi") == "Hello world"

The standard library is all it needs. `docs/testing.md` tells the rest.
"""

from .question import Question
from .recording import NotRecordedError, record, replay
from .server import Request
from .space import FakeSpace
from .steps import (
    Delay,
    Drop,
    End,
    Fail,
    Gate,
    Hang,
    Heartbeat,
    Message,
    Raw,
    Repeat,
    Replace,
    Reply,
    Reset,
)

__all__ = [
    "Delay",
    "Drop",
    "End",
    "Fail",
    "FakeSpace",
    "Gate",
    "Hang",
    "Heartbeat",
    "Message",
    "NotRecordedError",
    "Question",
    "Raw",
    "Repeat",
    "Replace",
    "Reply",
    "Request",
    "Reset",
    "record",
    "replay",
]
