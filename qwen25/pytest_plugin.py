"""What pytest gets from this package, by the entry point `pytest11`.

The fixture `fake_space`, the marker `qwen25_replay`, and the option `--qwen25-record`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Iterator

import pytest

if TYPE_CHECKING:
    from .testing import FakeSpace

# Every pytest run of every project imports this plugin: only those that use it pay for more.

_MARKER = "qwen25_replay"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--qwen25-record`."""
    parser.getgroup("qwen25").addoption(
        "--qwen25-record",
        action="store_true",
        help=f"ask the real Space in tests marked {_MARKER}, and record its answers",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(path): answer the clients of this test from a recording; the path is below the"
        " test's folder, by default recordings/MODULE/TEST.json",
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let a marked test, and its fixtures, run within its recording."""
    names = getattr(item, "fixturenames", None)
    if names is not None and item.get_closest_marker(_MARKER) is not None:
        names.insert(0, "_qwen25_recording")


@pytest.fixture
def _qwen25_recording(request: pytest.FixtureRequest) -> Iterator[None]:
    from .testing import record, replay

    marker = request.node.get_closest_marker(_MARKER)
    module = Path(request.node.path)
    name = re.sub(r"[^\w.-]+", "-", request.node.name).strip("-")
    path = module.parent.joinpath(*(marker.args or ("recordings", module.stem, f"{name}.json")))
    if not request.config.getoption("--qwen25-record"):
        with replay(path):
            yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with record(path):
        yield


@pytest.fixture
def fake_space(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSpace]:
    """A `FakeSpace` that `Client()` asks during the test; set its `answer` to your script.

    `qwen25.complete` and `qwen25.stream` ask it too.
    """
    from .testing import FakeSpace

    with FakeSpace() as space:
        monkeypatch.setenv("QWEN25_SPACE", space.url)
        # The client of the module's functions may have been made before, for another Space.
        monkeypatch.setattr("qwen25.client.client._default", None)
        yield space
