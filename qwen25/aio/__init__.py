"""The blocking client for programs with an event loop."""

from .client import AsyncClient, AsyncConversation, AsyncStream

__all__ = ["AsyncClient", "AsyncConversation", "AsyncStream"]
