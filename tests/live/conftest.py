"""A real Gradio server in a process of its own, of the Gradio that is installed here."""

from __future__ import annotations

import collections
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import page as pages
import pytest
from catalogue import SHAPES

HAS_GRADIO = find_spec("gradio") is not None  # importing it takes ten seconds
GRADIO = tuple(map(int, version("gradio").split(".")[:2])) if HAS_GRADIO else (0, 0)


HERE = Path(__file__).parent


def layouts():
    """The chatbots that the installed Gradio has, each with its own layout of a conversation."""
    if GRADIO >= (6, 0):
        return ["messages"]
    typed = ["tuples", "messages"] if GRADIO >= (4, 44) else ["tuples"]
    # Its chatbot of that name is gone since modelscope_studio 1.0, which needs Gradio 5.
    modelscope = GRADIO < (5, 0) and find_spec("modelscope_studio")
    return (["modelscope"] if modelscope else []) + typed


class Process:
    """A script of this folder as a subprocess that is told and tells; every wait has an end."""

    def __init__(self, script, folder, *options, python=sys.executable):
        #: The installed Gradio, such as `(4, 44)`.
        self.version = GRADIO
        #: Where Gradio's own words and tracebacks go.
        self.log = folder / "stderr.txt"
        self._lines = collections.deque()
        self._news = threading.Condition()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [python, "-X", "utf8", str(HERE / script), *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=str(folder),
                encoding="utf-8",
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            with self._news:
                self._lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._lines.append("END")
            self._news.notify_all()

    def wait_for(self, words, timeout=10):
        """Drop what the app said up to the line that begins with `words`, and return that line."""
        heard = []
        deadline = time.monotonic() + timeout
        with self._news:
            while self._news.wait_for(lambda: self._lines, deadline - time.monotonic()):
                heard.append(self._lines.popleft())
                if heard[-1].startswith(words):
                    return heard[-1]
                if heard[-1] == "END":
                    break
        log = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise AssertionError("no {!r} within {} s, but {}\n{}".format(words, timeout, heard, log))

    def go(self, n=1):
        """Let a waiting writer take `n` steps."""
        self._tell("go\n" * n)

    def _tell(self, lines):
        self._process.stdin.write(lines)
        self._process.stdin.flush()

    def kill(self):
        """End the server at once, as a crash does."""
        self._process.kill()
        self._close()

    def stop(self):
        """End the server as the end of the tests does, by closing its standard input."""
        self._process.stdin.close()
        try:
            self._process.wait(10)
        finally:
            self.kill()

    def _close(self):
        self._process.wait(10)
        self._reader.join(10)
        self._process.stdin.close()
        self._process.stdout.close()


class App(Process):
    """`app.py`: one app, whose writer is led by the test."""

    def __init__(self, folder, *options, **python):
        super().__init__("app.py", folder, *options, **python)
        try:
            self.url = self.wait_for("URL", timeout=120).split()[1]
        except BaseException:
            self.kill()
            raise

    def reset(self):
        """Begin a test: nothing is left of the writers, the steps and the lines of those before."""
        self._tell("reset\n")
        self.wait_for("RESET")


class Shapes(Process):
    """`shapes/launch.py`: the apps of that folder, each started when it is first asked for."""

    def __init__(self, folder):
        super().__init__("shapes/launch.py", folder)
        self._urls = {}

    def __call__(self, name):
        """Return the address of the app of a shape."""
        if name not in self._urls:
            self._tell("start {}\n".format(name))
            # The first one waits for Gradio to be imported too.
            line = self.wait_for(("URL " + name + " ", "FAILED"), timeout=120)
            assert line.startswith("URL"), line
            self._urls[name] = line.split()[2]
        return self._urls[name]


@pytest.fixture(scope="session", autouse=True)
def gradio():
    if not HAS_GRADIO:
        pytest.skip("no Gradio is installed to test against")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """The way to the app goes through no proxy, and no token of the developer goes along."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("HF_TOKEN", "QWEN25_SPACE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session", params=layouts())
def app_of_session(request, gradio, tmp_path_factory):
    app = App(tmp_path_factory.mktemp("app"), "--chatbot", request.param)
    yield app
    app.stop()


@pytest.fixture
def app(app_of_session):
    """The app that the tests share, once for each kind of chatbot."""
    app_of_session.reset()
    return app_of_session


@pytest.fixture
def start_app(gradio, tmp_path_factory):
    """Start an app of the test's own: `start_app("--limit", "1")`."""
    apps = []

    def start(*options):
        apps.append(App(tmp_path_factory.mktemp("app"), *options))
        return apps[-1]

    yield start
    for app in apps:
        app.kill()


@pytest.fixture(scope="module")
def shape_space(gradio, tmp_path_factory):
    """Start an app of `shapes/` and return its address: `shape_space("two_steps")`.

    `shape_space.go()` lets an answer to a query that begins with GATE grow by a piece.
    """
    shapes = Shapes(tmp_path_factory.mktemp("shapes"))
    yield shapes
    shapes.stop()


@pytest.fixture
def shown_on_page(shape_space):
    """What the page of a shape answers to each query in one window, as a list of texts.

    `shown_on_page("two_steps", "hello", turns=[["hi", "there"]])` begins with an earlier turn, as
    far as the page can be told of it.
    """

    def ask(name, *queries, turns=()):
        return pages.shown(shape_space(name), SHAPES[name], queries, turns)

    return ask
