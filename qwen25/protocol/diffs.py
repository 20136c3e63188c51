"""Gradio's diffs of values; pure."""

from __future__ import annotations

from typing import Any

from .chatbot import Path


def edit(value: Any, action: str, path: Path, change: Any) -> Any:
    """Apply one change of a diff in place; returns the value, which an empty path replaces."""
    if not path:
        if action == "replace":
            return change
        if action == "append":
            return _appended(value, change)
        raise ValueError(f"{action!r} needs a path")
    *way, last = path
    place = value
    for key in way:
        place = place[key]
    if action == "append":
        place[last] = _appended(place[last], change)
    elif action == "replace":
        place[last]  # a place that is not there must fail, also in a dict
        place[last] = change
    elif action == "add" and isinstance(place, list):
        place.insert(last, change)  # type: ignore[arg-type]  # a key raises TypeError
    elif action == "add":
        place[last] = change
    elif action == "delete":
        del place[last]
    else:
        raise ValueError(f"unknown action {action!r}")
    return value


def _appended(text: Any, more: Any) -> str:
    if not isinstance(text, str) or not isinstance(more, str):
        raise TypeError("only a text can be appended to a text")
    return text + more
