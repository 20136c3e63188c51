"""Answers in marimo, looked at in Chromium."""

from __future__ import annotations

import importlib.util
import os
import queue
import shutil
import subprocess
import sys
import threading

import pytest
from attacks import ATTACKS

from qwen25.testing import Fail, FakeSpace, Gate

marimo = pytest.importorskip("marimo")

#: Seconds after which a test gives up.
PATIENCE = 60

missing = [name for name in ("selenium",) if not importlib.util.find_spec(name)]
missing += [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
in_browser = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")

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

OPTIONS = """
    --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync --window-size=1000,800
""".split()


@pytest.fixture
def driver(tmp_path):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for option in (*OPTIONS, f"--user-data-dir={tmp_path / 'chromium'}"):
        options.add_argument(option)
    options.binary_location = shutil.which("chromium")
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def opened(driver, tmp_path):
    """Opens a notebook with these lines in its cell, as an app, in Chromium."""
    servers = []

    def opened(space, code):
        file = tmp_path / "notebook.py"
        file.write_text(NOTEBOOK.format(url=space.url, code=code))
        options = "--headless --host 127.0.0.1 --no-token".split()
        server = subprocess.Popen(
            [sys.executable, "-m", "marimo", "run", *options, str(file)],
            env={
                **os.environ,
                "HOME": str(tmp_path),
                "no_proxy": "127.0.0.1",
                "PYTHONUNBUFFERED": "1",
            },
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said = queue.SimpleQueue()

        # A pipe that is not read would stop the server when it is full.
        def read():
            for line in server.stdout:
                said.put(line)
            said.put(None)

        reader = threading.Thread(target=read)
        reader.start()
        servers.append((server, reader))
        line = ""
        while "http://" not in line:
            line = said.get(timeout=PATIENCE)
            assert line is not None, "the server has ended"
        driver.get(line[line.index("http://") :].split()[0])
        return driver

    yield opened
    for server, reader in servers:
        server.terminate()
        try:
            server.wait(PATIENCE / 2)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(PATIENCE)
        reader.join()
        server.stdout.close()


def until(driver, predicate):
    """Wait for something to become true of the page."""
    from selenium.common.exceptions import TimeoutException, WebDriverException
    from selenium.webdriver.support.ui import WebDriverWait

    # What was found a moment ago may have been replaced.
    wait = WebDriverWait(driver, PATIENCE, 0.1, ignored_exceptions=[WebDriverException])
    try:
        wait.until(lambda driver: predicate())
    except TimeoutException:
        pytest.fail(f"The page shows: {page(driver)}")


def page(driver):
    return driver.find_element("tag name", "body").text


def bold(driver):
    return [each.text for each in driver.find_elements("css selector", "strong")]


@in_browser
@pytest.mark.parametrize("code", ["client.stream('Hi')", "show(client.stream('Hi'))"])
def test_an_answer_grows_as_markdown(opened, code):
    gate = Gate()
    with FakeSpace(["**Hel", "lo** you", gate, " and **all**"]) as space:
        driver = opened(space, code)
        until(driver, lambda: bold(driver) == ["Hello"])
        assert "all" not in page(driver)
        gate.set()
        until(driver, lambda: bold(driver) == ["Hello", "all"])


@in_browser
def test_a_failure_is_shown_below_what_came(opened):
    with FakeSpace(["**Hello**", Fail("Out of memory")]) as space:
        driver = opened(space, "client.stream('Hi')")
        until(driver, lambda: "Out of memory" in page(driver))
        assert bold(driver) == ["Hello"]
        assert "GenerationError" in page(driver)


@in_browser
def test_a_conversation_is_a_transcript(opened):
    with FakeSpace(["**Hello**"]) as space:
        driver = opened(space, "talk = client.conversation(); talk.send('Hi'); talk")
        until(driver, lambda: "Hello" in bold(driver))
        assert {"User", "Assistant"} <= set(bold(driver))


@in_browser
def test_no_script_of_a_model_runs(opened):
    with FakeSpace([attack + "\n\n" for attack in ATTACKS] + ["\n\nTHE END"]) as space:
        driver = opened(space, "client.stream('Hi')")
        until(driver, lambda: "THE END" in page(driver))
        # An alert would have made each look at the page fail.
        assert not driver.find_elements("css selector", "[onerror], [onclick], [onload]")
        assert not driver.find_elements("css selector", "a[href^=javascript], img[src=x]")


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
