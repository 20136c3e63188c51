"""A small, synchronous Python client for Qwen2.5 and other chat apps on Hugging Face Spaces."""

from .client.client import Client, complete, stream
from .client.conversation import Conversation
from .client.space import Space
from .client.spaces import SpaceOptions
from .client.streaming import Stream
from .errors import (
    AuthenticationError,
    ConnectionFailedError,
    EndpointNotFoundError,
    GenerationError,
    InvalidRequestError,
    NoSpaceAnsweredError,
    ProtocolError,
    QueueFullError,
    QwenError,
    RateLimitError,
    SpaceError,
    SpaceNotFoundError,
    SpaceUnavailableError,
    StreamInterruptedError,
    TimedOutError,
    UnknownModelError,
)
from .events import Note, Progress, Queued, Started, Step, Text, Thought
from .timeouts import Timeout
from .version import __version__

__all__ = [
    "AuthenticationError",
    "Client",
    "ConnectionFailedError",
    "Conversation",
    "EndpointNotFoundError",
    "GenerationError",
    "InvalidRequestError",
    "NoSpaceAnsweredError",
    "Note",
    "Progress",
    "ProtocolError",
    "QueueFullError",
    "Queued",
    "QwenError",
    "RateLimitError",
    "Space",
    "SpaceError",
    "SpaceNotFoundError",
    "SpaceOptions",
    "SpaceUnavailableError",
    "Started",
    "Step",
    "Stream",
    "StreamInterruptedError",
    "Text",
    "Thought",
    "TimedOutError",
    "Timeout",
    "UnknownModelError",
    "__version__",
    "complete",
    "stream",
]


def load_ipython_extension(ipython: object) -> None:
    """Give an IPython the magics `%qwen` and `%%qwen`; called by `%load_ext qwen25`."""
    from .notebook import load

    load(ipython)
