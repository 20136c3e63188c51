"""Make the pictures of the docs from the real thing: `make pictures`.

The stand-in model of a local Space answers in all of them. `docs/pictures/shown.json` keeps what
they show; `tests/docs/test_pictures.py` compares it with what the code shows today.

    python tests/pictures [NAME ...]

NAME is a picture, such as `ask`; without one all are made.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/support")]

from browser import chromium  # noqa: E402
from notebook_servers import has_idle_kernel, jupyterlab, serving  # noqa: E402
from shell_sessions import SESSIONS, record, shown  # noqa: E402
from shown_pages import MARIMO, NOTEBOOK, markdown_of, words_of_the_page  # noqa: E402

import qwen25.local  # noqa: E402
from qwen25 import Client  # noqa: E402

FOLDER = ROOT / "docs/pictures"
MARIMO_SETTINGS = """
[tool.marimo.display]
theme = "system"

[tool.marimo.runtime]
auto_instantiate = true
"""
#: Questions that follow each other, and one that stands for itself.
ASKED = [
    ["What is the capital of France?", "And of Italy?"],
    ["Explain in two sentences why the sky is blue."],
]


def main():
    known = {**dict.fromkeys(SESSIONS, terminal), "page": page, "notebook": lab, "marimo": marimo}
    names = sys.argv[1:] or list(known)
    file = FOLDER / "shown.json"
    texts = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    with one_thread(), qwen25.local.serve() as space:
        texts["answers"] = dict(answers(space.url))
        for name in names:
            print(f"{name} ...", flush=True)
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                texts[name] = known[name](name, space.url, Path(folder))
            text = json.dumps(texts, indent=1, ensure_ascii=False)
            file.write_text(text + "\n", encoding="utf-8")


@contextlib.contextmanager
def one_thread():
    """Let llama.cpp compute in one thread: two wait long for each other on a busy machine."""
    import xllamacpp

    original = xllamacpp.CommonParams

    def parameters():
        made = original()
        made.cpuparams.n_threads = made.cpuparams_batch.n_threads = 1
        return made

    xllamacpp.CommonParams = parameters
    try:
        yield
    finally:
        xllamacpp.CommonParams = original


def answers(space):
    """What the Space answers to the questions that the pictures show."""
    for questions in ASKED:
        talk = Client(space).conversation()
        for question in questions:
            yield question, talk.send(question)


def terminal(name, space, folder):
    """A terminal as a moving picture; no pause in it is longer than half a second."""
    session = SESSIONS[name]
    told = record(session, space, folder, pause=0.03)
    start = next(i for i, (_, text) in enumerate(told) if "$ " in text)
    told[start] = (told[start][0], "$ ")
    cast = folder / "told.cast"
    lines = [{"version": 2, "width": session.columns, "height": session.lines}]
    # The last prompt has nothing after it.
    lines += [[seconds, "o", text] for seconds, text in told[start:]]
    cast.write_text("".join(json.dumps(line) + "\n" for line in lines))
    subprocess.run(
        [
            *(sys.executable, "-m", "termtosvg", "render", cast, FOLDER / f"{name}.svg"),
            *("--template", "window_frame", "--max-frame-duration", "500", "--loop-delay", "4000"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return shown(session, told)


def page(name, space, folder):
    """The local Space's own page, after a question."""
    box = 'textarea[data-testid="textbox"]'
    for scheme in ("light", "dark"):
        with chromium(folder / scheme, (1000, 1400)) as shot:
            shot.prefer(scheme)
            shot.get(space)
            shot.until(lambda: shot.all(box)[-1].is_enabled())
            shot.all(box)[-1].send_keys(ASKED[0][0] + "\n")
            shot.until(lambda: "is Paris" in shot.text and not shot.all(".generating"))
            shot.run("scrollTo(0, 0)")
            keep(shot, f"{name}-{scheme}", _around(shot, ".gradio-container main"))
    return words_of_the_page(space)


def lab(name, space, folder):
    """Two cells in JupyterLab: an answer, and a table of answers."""
    cells = [
        {"cell_type": "code", "id": str(i), "metadata": {}, "outputs": [], "source": code}
        | {"execution_count": None}
        for i, code in enumerate(NOTEBOOK)
    ]
    python = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": cells, "metadata": {"kernelspec": python}}
    text = json.dumps({**notebook, "nbformat": 4, "nbformat_minor": 5})
    with jupyterlab(folder, folder, QWEN25_SPACE=space) as address:
        for scheme in ("light", "dark"):
            (folder / f"{scheme}.ipynb").write_text(text)
            with chromium(folder / f"chromium-{scheme}", (860, 900)) as shot:
                shot.prefer(scheme)
                shot.get(f"{address}/doc/tree/{scheme}.ipynb?token=seen")
                idle = ".jp-Notebook-ExecutionIndicator[data-status=idle]"
                shot.until(lambda: shot.all(idle) and not shot.all(".jp-Spinner"))
                run = 'jp-button[data-command="notebook:run-cell-and-select-next"]'
                shot.until(lambda: has_idle_kernel(address))
                for _ in cells:
                    shot.all(run)[0].click()
                shot.until(lambda: shot.all(".jp-OutputArea-output table") and shot.all(idle))
                keep(shot, f"{name}-{scheme}", _around(shot, ".jp-CodeCell"))
    return [*NOTEBOOK, *markdown_of(space)]


def marimo(name, space, folder):
    """A cell of marimo and its answer."""
    (folder / "notebook.py").write_text(MARIMO)
    (folder / "pyproject.toml").write_text(MARIMO_SETTINGS)
    options = "edit --headless --host 127.0.0.1 --no-token --skip-update-check notebook.py".split()
    last_words = markdown_of(space)[-1][-20:]
    for scheme in ("light", "dark"):
        # A second page would be told that it has connected again.
        with serving("marimo", *options, home=folder, work=folder, QWEN25_SPACE=space) as address:
            with chromium(folder / f"chromium-{scheme}", (860, 700)) as shot:
                shot.prefer(scheme)
                shot.get(address)
                shot.until(lambda: last_words in shot.text)
                keep(shot, f"{name}-{scheme}", _around(shot, ".marimo-cell"))
    return [MARIMO, *markdown_of(space)]


def keep(shot, name, clip):
    """Write a picture of a part of a page."""
    (FOLDER / f"{name}.webp").write_bytes(shot.picture(clip))


def _around(shot, selector):
    """The part of the page with what a selector finds, and a little around it."""
    script = """
        const found = [...document.querySelectorAll(arguments[0])];
        const all = found.map(e => e.getBoundingClientRect());
        return [Math.min(...all.map(r => r.left)), Math.min(...all.map(r => r.top)),
                Math.max(...all.map(r => r.right)), Math.max(...all.map(r => r.bottom))];
    """
    left, top, right, bottom = shot.run(script, selector)
    return left - 8, max(top - 8, 0), right - left + 16, bottom - top + 16


if __name__ == "__main__":
    main()
