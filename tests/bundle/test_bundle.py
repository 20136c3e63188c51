"""The command in a bundle that PyInstaller makes; `tox -e bundle` runs this."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from qwen25.testing import FakeSpace

pytest.importorskip("PyInstaller")

PATIENCE = 300

MAIN = "import sys; from qwen25.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The bundled command."""
    folder = tmp_path_factory.mktemp("bundle")
    script = folder / "command.py"
    script.write_text(MAIN, encoding="utf-8")
    options = ["--onedir", "--noconfirm", "--log-level=ERROR", "--name=qwen25"]
    options += ["--distpath=dist", "--workpath=work", "--specpath=."]
    subprocess.run(
        [sys.executable, "-m", "PyInstaller", *options, script],
        cwd=folder,
        check=True,
        timeout=PATIENCE,
    )
    return Path(folder, "dist", "qwen25", "qwen25")


@pytest.fixture(scope="module")
def run(bundle):
    def run(*arguments, **options):
        return subprocess.run(
            [bundle, *arguments], capture_output=True, text=True, timeout=PATIENCE, **options
        )

    return run


@pytest.fixture
def space(monkeypatch):
    with FakeSpace(["Hello", " world"]) as space:
        monkeypatch.setenv("QWEN25_SPACE", space.url)
        yield space


def test_the_version_is_told(run):
    assert run("--version").stdout.startswith("qwen25 ")


def test_one_question_is_answered(run, space):
    done = run("Hi")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello world\n", "")


def test_the_sizes_are_listed(run, space):
    assert "72B" in run("models").stdout.split()


def test_the_status_is_told(run, space):
    done = run("status")
    assert done.returncode == 0 and space.url in done.stdout


def test_a_chat_is_held(run, space):
    done = run("chat", input="Hi\n")
    assert done.returncode == 0 and "Hello world" in done.stdout


def test_a_batch_is_run(run, space, tmp_path):
    source, out = tmp_path / "in", tmp_path / "out.jsonl"
    source.write_text("Hi\n", encoding="utf-8")
    assert run("batch", str(source), str(out)).returncode == 0
    assert '"Hello world"' in out.read_text("utf-8")


@pytest.mark.parametrize("command, code", [("serve", 1), ("api", 2)])
def test_a_server_without_its_packages_names_what_is_missing(run, command, code):
    done = run(command)
    assert (done.returncode, done.stdout) == (code, "")
    assert "pip install" in done.stderr and "Traceback" not in done.stderr


def test_every_command_is_in_the_bundle(run):
    from qwen25.cli import _COMMANDS

    for name in _COMMANDS:
        assert run(name, "--help").returncode == 0, name
