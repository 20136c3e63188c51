"""`docs/quickstart.ipynb`: it runs from top to bottom, and what it gave is kept in it."""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from kernels import PATIENCE, ROOT, environment

from qwen25.testing import FakeSpace

QUICKSTART = ROOT / "docs" / "quickstart.ipynb"

nbformat = pytest.importorskip("nbformat")


@contextlib.contextmanager
def real_space():
    """The Gradio app of the tests: a real server, whose answers are scripted."""
    if not importlib.util.find_spec("gradio"):
        pytest.skip("not installed: gradio")
    app = Path(__file__).parents[1] / "live" / "app.py"
    server = subprocess.Popen(
        [sys.executable, str(app)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with server:
        yield server.stdout.readline().split()[1]
        # It ends when its standard input does.
        server.communicate(timeout=PATIENCE)


@contextlib.contextmanager
def fake_space():
    with FakeSpace(lambda question: [f"About *{question.prompt}*", ", briefly."]) as space:
        yield space.url


@pytest.fixture
def notebook():
    return nbformat.read(QUICKSTART, as_version=4)


def shown(cell):
    """What a cell shows, as text."""
    return "".join(
        output["text"] if output.output_type == "stream" else output["data"]["text/plain"]
        for output in cell.outputs
    )


def check_table(notebook):
    """The table of many answers has a line for each question."""
    (table,) = [shown(cell) for cell in notebook.cells if "client.map" in cell.source]
    header, *lines = table.splitlines()
    assert header.split() == ["question", "seconds", "answer"]
    assert len(lines) == 6


@pytest.mark.parametrize("space", [fake_space, real_space])
def test_it_runs_from_top_to_bottom(space, notebook, tmp_path):
    """A cell that fails would fail this test; each shows what it showed when it was kept."""
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    kept = [[output.output_type for output in cell.get("outputs", [])] for cell in notebook.cells]
    with space() as url:
        client = nbclient.NotebookClient(
            notebook, timeout=PATIENCE, kernel_name="python3", coalesce_streams=True
        )
        client.execute(env=environment(tmp_path, QWEN25_SPACE=url), cwd=str(tmp_path))
    now = [[output.output_type for output in cell.get("outputs", [])] for cell in notebook.cells]
    assert now == kept
    check_table(notebook)


def test_its_table_is_kept(notebook):
    check_table(notebook)


def test_its_outputs_are_kept_and_say_who_answered(notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert all(shown(cell).strip() for cell in code if not cell.source.startswith("%load_ext"))
    assert "SmolLM2-135M-Instruct" in notebook.cells[0].source


def test_it_names_no_machine(notebook):
    text = QUICKSTART.read_text(encoding="utf-8")
    for word in ("127.0.0.1", "localhost", "/home/", "/root/", "/tmp/"):
        assert word not in text
