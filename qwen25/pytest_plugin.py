"""The pytest fixture `fake_space`; comes with the package by the entry point `pytest11`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

import pytest

if TYPE_CHECKING:
    from .testing import FakeSpace


@pytest.fixture
def fake_space(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSpace]:
    """A `FakeSpace` that `Client()` asks during the test; set its `answer` to your script.

    `qwen25.complete` and `qwen25.stream` ask it too.
    """
    # Every pytest run of every project imports this plugin: only those that use it pay for more.
    from .testing import FakeSpace

    with FakeSpace() as space:
        monkeypatch.setenv("QWEN25_SPACE", space.url)
        # The client of the module's functions may have been made before, for another Space.
        monkeypatch.setattr("qwen25.client.client._default", None)
        yield space
