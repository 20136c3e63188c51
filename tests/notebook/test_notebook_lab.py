"""The real thing: JupyterLab in Chromium."""

from __future__ import annotations

import importlib.util
import json

import pytest
from attacks import ATTACKS
from browser import PATIENCE, chromium, missing
from notebook_servers import has_idle_kernel, jupyterlab

from qwen25.testing import FakeSpace, Gate, Hang

NEEDED = missing() + [name for name in ("jupyterlab",) if not importlib.util.find_spec(name)]

pytestmark = [
    pytest.mark.skipif(bool(NEEDED), reason=f"not installed: {', '.join(NEEDED)}"),
    # On a busy machine JupyterLab takes a minute to show its first page.
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A running JupyterLab: its address, and the directory of its notebooks."""
    home, work = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("work")
    with jupyterlab(home, work) as address:
        yield address, work


class Page:
    """A notebook that is open in JupyterLab."""

    def __init__(self, page, address, name):
        #: What a script says that runs in the page.
        self.ask = page.run
        self.all = page.all
        self.until = page.until
        page.get(f"{address}/doc/tree/{name}?token=seen")
        # Its kernel runs, and the page is connected to it.
        self.until(lambda: has_idle_kernel(address))
        self.until(lambda: self.all(".jp-Notebook-ExecutionIndicator[data-status=idle]"))

    def run(self):
        """Click the run button: the selected cell, at first the first, and the next is selected."""
        self._click("notebook:run-cell-and-select-next")

    def interrupt(self):
        """Click the stop button."""
        self._click("notebook:interrupt-kernel")

    def _click(self, command):
        self.all(f'jp-button[data-command="{command}"]')[0].click()

    def output(self, number):
        """The text of a cell's outputs, as it is seen."""
        cell = self.all(".jp-CodeCell")[number]
        return "\n".join(area.text for area in self.all(".jp-OutputArea-output", cell))


@pytest.fixture
def open_notebook(lab, tmp_path, request):
    """Opens a notebook of these cells in Chromium."""
    address, work = lab

    def open_notebook(*cells):
        name = f"{request.node.name}.ipynb"
        notebook = {
            "cells": [
                {
                    "cell_type": "code",
                    "id": f"cell{number}",
                    "source": source,
                    "metadata": {},
                    "outputs": [],
                    "execution_count": None,
                }
                for number, source in enumerate(cells)
            ],
            "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        (work / name).write_text(json.dumps(notebook))
        return Page(page, address, name)

    with chromium(tmp_path / "chromium") as page:
        yield open_notebook


def asking(space):
    return f"import qwen25\nqwen25.Client({space.url!r}).stream('Hi')"


def test_a_stream_is_seen_growing_and_then_whole(open_notebook):
    gate = Gate()
    with FakeSpace(["## Paris\n\nis the **capi", gate, "tal** of:\n\n- France"]) as space:
        page = open_notebook(asking(space))
        page.run()
        page.until(lambda: "capi" in page.output(0))
        assert page.output(0) == "Paris\nis the **capi"
        gate.set()
        page.until(lambda: "France" in page.output(0))
    assert page.output(0) == "Paris\nis the capital of:\nFrance"
    assert [element.text for element in page.all(".jp-RenderedMarkdown h2")] == ["Paris"]
    assert [element.text for element in page.all(".jp-RenderedMarkdown strong")] == ["capital"]


def test_the_stop_button_stops_the_space_and_keeps_what_came(open_notebook):
    with FakeSpace(["Half of", Hang()]) as space:
        page = open_notebook(asking(space))
        page.run()
        page.until(lambda: "Half of" in page.output(0))
        page.interrupt()
        space.wait_for(lambda: space.left == 1, timeout=PATIENCE)
        page.until(lambda: "KeyboardInterrupt" in page.output(0))
    assert page.output(0) == (
        "Half of\nKeyboardInterrupt: The answer was stopped; what came is kept."
    )


#: The elements of the outputs that do something, or would when they are clicked.
ACTIVE = """
    const acts = ({name, value}) => name.startsWith("on") || /^\\s*javascript:/i.test(value);
    return [...document.querySelectorAll(".jp-OutputArea-output *")].filter(
        (element) => element.matches("script, img, iframe, object, embed, form")
            || [...element.attributes].some(acts)
    ).map((element) => element.outerHTML);
"""


def test_no_script_of_a_model_runs(open_notebook):
    """What a cell has just shown is trusted: JupyterLab runs the HTML in its Markdown."""
    attacks = [attack.replace("alert(1)", "(window.ran=1)") for attack in ATTACKS]
    # A formula at the end: when it is set, all before it is.
    attacks.append("$x^2$")
    with FakeSpace(lambda question: [attacks[int(question.prompt)]]) as space:
        page = open_notebook(
            "import qwen25\nfrom qwen25.notebook import show\n"
            f"client = qwen25.Client({space.url!r})\n"
            f"for number in range({len(attacks)}):\n    show(client.stream(str(number)))",
            "from IPython.display import Markdown\n"
            "Markdown('a <img src=x onerror=\"window.ran=1\">')",
        )
        page.run()
        page.until(lambda: page.all("mjx-container"))
        assert page.ask(ACTIVE) == []
        assert not page.ask("return window.ran")
        # And that this test would see it:
        page.run()
        page.until(lambda: page.ask("return window.ran"))
        assert len(page.ask(ACTIVE)) == 1


def test_code_and_formulas_look_right(open_notebook):
    answer = (
        "1. Use `<b>` so:\n   ```html\n   <b>Hi</b> & $x\n   ```\n2. Then \\( a<b \\) for $5.\n\n"
        "```python\nif a < b:\n    print('<script>')\n```"
    )
    with FakeSpace([answer]) as space:
        page = open_notebook(asking(space))
        page.run()
        page.until(lambda: page.all("mjx-container"))
    assert [element.text for element in page.all(".jp-RenderedMarkdown code")] == [
        "<b>",
        "<b>Hi</b> & $x",
        "if a < b:\n    print('<script>')",
    ]
    # The colours of a program.
    assert page.all(".jp-RenderedMarkdown pre span")
    assert len(page.all("mjx-container")) == 1
    assert "for $5." in page.output(0)
