"""The page of each app of `shapes/` shows what was recorded of it."""

from __future__ import annotations

import pytest
from catalogue import recorded_shapes
from walks import walks_of


@pytest.mark.parametrize("path", recorded_shapes())
def test_a_page_shows_what_was_recorded(shown_on_page, path):
    walks = walks_of(path)
    name = path.stem
    first, second = walks["first"], walks["second"]
    shown = shown_on_page(name, first["query"], second["query"])
    assert shown == [first["text"], second["text"]]
    if "history" in walks:
        told = walks["history"]
        assert shown_on_page(name, told["query"], turns=told["history"]) == [told["text"]]
