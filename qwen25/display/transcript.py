"""A conversation as text, and as Markdown."""

from __future__ import annotations

from typing import Dict, Iterable, List, Optional, Tuple

from ..control_characters import escape_controls
from .markdown import safe_markdown


def transcript(system: Optional[str], messages: Iterable[Dict[str, str]]) -> str:
    """The turns as plain text; empty without any."""
    turns = [f"{role}: {content}" for role, content in _turns(system, messages)]
    return escape_controls("\n\n".join(turns))


def markdown_transcript(system: Optional[str], messages: Iterable[Dict[str, str]]) -> str:
    """The turns as Markdown that runs no script."""
    turns = [
        f"**{role}**\n\n{safe_markdown(content)}" for role, content in _turns(system, messages)
    ]
    return "\n\n---\n\n".join(turns) or "*Nothing was said yet.*"


def _turns(system: Optional[str], messages: Iterable[Dict[str, str]]) -> List[Tuple[str, str]]:
    turns = [(turn["role"].capitalize(), turn["content"]) for turn in messages]
    return ([] if system is None else [("System", system)]) + turns
