"""Many prompts: the answers of `Client.map`, and batches from file to file that survive all."""

from ..client.map import Answer
from .running import Batch, Summary, run

__all__ = ["Answer", "Batch", "Summary", "run"]
