"""Answers in marimo, looked at in Chromium."""

from __future__ import annotations

import contextlib

import pytest
from attacks import ATTACKS
from browser import chromium, missing
from notebook_servers import serving

from qwen25.testing import Fail, FakeSpace, Gate

marimo = pytest.importorskip("marimo")

in_browser = pytest.mark.skipif(bool(missing()), reason=f"not installed: {', '.join(missing())}")

pytestmark = pytest.mark.timeout(300)

NOTEBOOK = """
import marimo

app = marimo.App()


@app.cell
def _():
    from qwen25 import Client
    from qwen25.notebook import show

    client = Client({url!r})
    return client, show


@app.cell
def _(client, show):
    {code}
    return


if __name__ == "__main__":
    app.run()
"""


@pytest.fixture
def opened(tmp_path):
    """Opens a notebook with these lines in its cell, as an app, in Chromium."""
    options = "run --headless --host 127.0.0.1 --no-token notebook.py".split()
    with contextlib.ExitStack() as stack:

        def opened(space, code):
            (tmp_path / "notebook.py").write_text(NOTEBOOK.format(url=space.url, code=code))
            server = serving("marimo", *options, home=tmp_path, work=tmp_path)
            address = stack.enter_context(server)
            page = stack.enter_context(chromium(tmp_path / "chromium", (1000, 800)))
            page.get(address)
            return page

        yield opened


def bold(page):
    return [each.text for each in page.all("strong")]


@in_browser
@pytest.mark.parametrize("code", ["client.stream('Hi')", "show(client.stream('Hi'))"])
def test_an_answer_grows_as_markdown(opened, code):
    gate = Gate()
    with FakeSpace(["**Hel", "lo** you", gate, " and **all**"]) as space:
        page = opened(space, code)
        page.until(lambda: bold(page) == ["Hello"])
        assert "all" not in page.text
        gate.set()
        page.until(lambda: bold(page) == ["Hello", "all"])


@in_browser
def test_a_failure_is_shown_below_what_came(opened):
    with FakeSpace(["**Hello**", Fail("Out of memory")]) as space:
        page = opened(space, "client.stream('Hi')")
        page.until(lambda: "Out of memory" in page.text)
        assert bold(page) == ["Hello"]
        assert "GenerationError" in page.text


@in_browser
def test_a_conversation_is_a_transcript(opened):
    with FakeSpace(["**Hello**"]) as space:
        page = opened(space, "talk = client.conversation(); talk.send('Hi'); talk")
        page.until(lambda: "Hello" in bold(page))
        assert {"User", "Assistant"} <= set(bold(page))


@in_browser
def test_no_script_of_a_model_runs(opened):
    with FakeSpace([attack + "\n\n" for attack in ATTACKS] + ["\n\nTHE END"]) as space:
        page = opened(space, "client.stream('Hi')")
        page.until(lambda: "THE END" in page.text)
        # An alert would have made each look at the page fail.
        assert not page.all("[onerror], [onclick], [onload]")
        assert not page.all("a[href^=javascript], img[src=x]")


def test_marimo_makes_nothing_active_of_safe_markdown():
    from html.parser import HTMLParser

    from qwen25.display.markdown import safe_markdown

    class Checker(HTMLParser):
        def handle_starttag(self, tag, attributes):
            assert tag not in ("script", "img", "svg", "iframe", "style", "object", "embed")
            for name, value in attributes:
                assert not name.startswith("on")
                assert not (value or "").strip().lower().startswith(("javascript:", "data:"))

    for attack in ATTACKS:
        Checker().feed(marimo.md(safe_markdown(attack)).text)
