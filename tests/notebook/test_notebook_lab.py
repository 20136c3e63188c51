"""The real thing: JupyterLab in Chromium."""

from __future__ import annotations

import importlib.util
import json
import queue
import shutil
import subprocess
import sys
import threading

import pytest
import requests
from attacks import ATTACKS
from kernels import PATIENCE, environment

from qwen25.testing import FakeSpace, Gate, Hang

NEEDED = [name for name in ("jupyterlab", "selenium") if not importlib.util.find_spec(name)]
NEEDED += [name for name in ("chromium", "chromedriver") if not shutil.which(name)]

pytestmark = [
    pytest.mark.skipif(bool(NEEDED), reason=f"not installed: {', '.join(NEEDED)}"),
    # On a busy machine JupyterLab takes a minute to show its first page.
    pytest.mark.timeout(300),
]

OPTIONS = """
    --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync --window-size=1000,800
""".split()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A running JupyterLab: its address, and the directory of its notebooks."""
    home, work = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("work")
    options = "--no-browser --allow-root --ip=127.0.0.1 --port=0 --ServerApp.token=seen".split()
    # It would ask whether to fetch its news, in front of what is looked at here.
    settings = home / ".jupyter/lab/user-settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options],
        cwd=work,
        env=environment(home, no_proxy="127.0.0.1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Somebody has to read what it says, or it waits.
    said = queue.SimpleQueue()
    reader = threading.Thread(target=lambda: [said.put(line) for line in server.stderr])
    reader.start()
    try:
        line = ""
        while "http://127.0.0.1:" not in line:
            line = said.get(timeout=PATIENCE)
        yield line[line.index("http://") :].split("/lab")[0].rstrip("/"), work
    finally:
        server.terminate()
        try:
            server.wait(PATIENCE / 2)
        except subprocess.TimeoutExpired:
            # Its kernels look whether it is there, and end by themselves.
            server.kill()
            server.wait(PATIENCE)
        reader.join()
        server.stderr.close()


def _is_ready(kernel):
    return kernel["connections"] and kernel["execution_state"] == "idle"


class Page:
    """A notebook that is open in JupyterLab."""

    def __init__(self, driver, address, name):
        self._driver = driver
        driver.get(f"{address}/doc/tree/{name}?token=seen")
        # Its kernel runs, and the page is connected to it.
        kernels = f"{address}/api/kernels?token=seen"
        self.until(lambda: any(map(_is_ready, requests.get(kernels, timeout=PATIENCE).json())))
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

    def ask(self, script):
        """What a script says that runs in the page."""
        return self._driver.execute_script(script)

    def all(self, selector, inside=None):
        """The elements that a CSS selector finds."""
        return (inside or self._driver).find_elements("css selector", selector)

    def until(self, predicate):
        """Wait for something to become true of the page."""
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver.support.ui import WebDriverWait

        # An output that is updated is taken out of the page, and another one put in: what was
        # found a moment ago may be gone.
        passing = [WebDriverException, IndexError]
        wait = WebDriverWait(self._driver, PATIENCE, 0.1, ignored_exceptions=passing)
        return wait.until(lambda driver: predicate())


@pytest.fixture
def open_notebook(lab, tmp_path, request):
    """Opens a notebook of these cells in Chromium."""
    from selenium import webdriver

    address, work = lab
    options = webdriver.ChromeOptions()
    for option in (*OPTIONS, f"--user-data-dir={tmp_path / 'chromium'}"):
        options.add_argument(option)
    options.binary_location = shutil.which("chromium")
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options, service)

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
        return Page(driver, address, name)

    yield open_notebook
    driver.quit()


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
