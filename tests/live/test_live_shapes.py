"""The page of each app of `shapes/` shows what was recorded of it."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest
from catalogue import SHAPES, shapes_of

RECORDINGS = Path(__file__).parent.parent / "transcripts" / "shapes"


def recorded_shapes():
    """The shapes that the installed Gradio has been recorded with, and that can be asked."""
    try:
        installed = version("gradio")
    except ModuleNotFoundError:
        return []
    names = shapes_of(tuple(map(int, installed.split(".")[:2])))
    paths = [RECORDINGS / installed / name / "walk.json" for name in names if SHAPES[name].start]
    return [pytest.param(path, id=path.parent.name) for path in paths if path.exists()]


@pytest.mark.parametrize("path", recorded_shapes())
def test_a_page_shows_what_was_recorded(shown_on_page, path):
    walks = json.loads(path.read_text(encoding="utf-8"))
    name = path.parent.name
    first, second = walks["first"], walks["second"]
    shown = shown_on_page(name, first["query"], second["query"])
    assert shown == [first["text"], second["text"]]
    if "history" in walks:
        told = walks["history"]
        assert shown_on_page(name, told["query"], turns=told["history"]) == [told["text"]]
