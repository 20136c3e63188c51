"""Many prompts: the answers of `Client.map`, and crash-safe batches, from file to file."""

from ..client.map import Answer
from .running import Batch, Summary, run

__all__ = ["Answer", "Batch", "Summary", "run"]
