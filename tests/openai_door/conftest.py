"""A door to a scripted Space, for the tests of this folder."""

from __future__ import annotations

import contextlib
import importlib.util

import pytest
from doors import Door

from qwen25 import Client
from qwen25.testing import FakeSpace

NEEDED = ("starlette", "uvicorn")


@pytest.fixture(autouse=True)
def no_api_key(monkeypatch):
    for name in ("QWEN25_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def door():
    """Open a door to a Space: `door(space, aliases=...)`; all are closed at the end."""
    for name in NEEDED:
        if not importlib.util.find_spec(name):
            pytest.skip(f"not installed: {name}")
    with contextlib.ExitStack() as stack:

        def open_door(space, client_options={}, **options):
            from qwen25.openai import serve

            url = space.url if isinstance(space, FakeSpace) else space
            client = stack.enter_context(Client(url, **client_options))
            return Door(stack.enter_context(serve(client, **options)))

        yield open_door


@pytest.fixture
def space():
    with FakeSpace(["Hello", " world"]) as space:
        yield space


@pytest.fixture
def opened(door, space):
    return door(space, {"max_retries": 0}, aliases={"gpt-4o-mini": "7B"})
