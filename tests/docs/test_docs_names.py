"""A public name has its tests and its page; what a page names is there; links lead somewhere."""

from __future__ import annotations

import importlib
import importlib.util
import re

from fences import DOCS, ROOT, pages

import qwen25

#: Modules whose names are imported from the module, and not from `qwen25`.
MODULES = ("batch", "aio", "provider", "notebook", "openai", "local", "testing")

#: Names of `qwen25` that are no part of the interface's pages: the version is in the title of each.
ELSEWHERE = ("__version__",)


def public_names():
    """Every public name, with the module that a newcomer looks for."""
    for name in qwen25.__all__:
        if name not in ELSEWHERE:
            room, *module = getattr(qwen25, name).__module__.split(".")[1:]
            yield name, module[0] if module else room
    for module in MODULES:
        for name in importlib.import_module(f"qwen25.{module}").__all__:
            yield name, module


NAMES = sorted(set(public_names()))


def interface_page(module):
    return (DOCS / "interface" / f"{module}.md").read_text(encoding="utf-8")


def says(name, files):
    """Whether one of the files says the name."""
    word = re.compile(rf"\b{name}\b")
    return any(word.search(file.read_text(encoding="utf-8")) for file in files)


def test_a_name_has_its_entry_in_the_interface():
    """The page has the module's name, and makes the entry of the docstring."""
    for name, module in NAMES:
        entries = re.findall(r"^\.\. auto\w+:: ([\w.]+)", interface_page(module), re.MULTILINE)
        whole = f"qwen25.{module}" in entries
        assert whole or name in [entry.split(".")[-1] for entry in entries], (module, name)


def test_a_name_is_told_of_in_a_guide():
    """The page of the interface links to the guide, and some guide says the name."""
    guides = [page for page in pages() if page.parent == DOCS]
    for name, module in NAMES:
        assert re.search(r"\]\(\.\./[\w-]+\.md", interface_page(module)), module
        assert says(name, guides), (module, name)


def test_a_name_has_its_tests():
    """They stand in a file or a folder that has the name of the module."""
    tests = ROOT / "tests"
    for name, module in NAMES:
        assert [*tests.rglob(f"test_{module}.py"), *(tests / module).glob("test_*.py")], name


def prose():
    """Each page with its text."""
    return [(page, page.read_text(encoding="utf-8")) for page in pages()]


def _is_module(name):
    return importlib.util.find_spec(name) is not None


def test_a_dotted_name_on_a_page_is_there():
    """`qwen25.testing.FakeSpace`, and the like."""
    for page, text in prose():
        for name in set(re.findall(r"(?<![\w./-])qwen25((?:\.\w+)+)", text)):
            found = qwen25
            for part in name.split(".")[1:]:
                if not hasattr(found, part):
                    module = getattr(found, "__name__", "")
                    if not _is_module(f"{module}.{part}"):
                        raise AssertionError(f"{page.name}: there is no {name}")
                    try:
                        importlib.import_module(f"{module}.{part}")
                    except ModuleNotFoundError:
                        break  # it belongs to a package that is not installed here
                found = getattr(found, part)


def test_a_member_on_a_page_is_there():
    """`Client.stream`, and the like."""
    for page, text in prose():
        for owner, member in set(re.findall(r"`(Client|Stream|Conversation|Timeout)\.(\w+)", text)):
            assert hasattr(getattr(qwen25, owner), member), (page.name, owner, member)


def test_a_file_of_this_project_on_a_page_is_there():
    """`qwen25/client.py`, `tests/test_client.py`, and the like."""
    for page, text in prose():
        for path in set(
            re.findall(
                r"`((?:qwen25|tests|docs)/(?:[\w./-]+\.(?:py|md|svg|ipynb|sh|json)|[\w./-]*/))`",
                text,
            )
        ):
            assert (ROOT / path).exists(), (page.name, path)


def test_the_drawing_shows_modules_that_are_there():
    """And the text says each of them."""
    drawing = (DOCS / "how-it-works.svg").read_text(encoding="utf-8")
    text = (DOCS / "how-it-works.md").read_text(encoding="utf-8")
    modules = set(re.findall(r"\b(\w+\.py)\b", drawing))
    assert modules
    for module in modules:
        assert [*(ROOT / "qwen25").rglob(module)], module
        assert f"`{module}`" in text


def test_every_error_is_in_the_table_of_errors():
    """With the built-in error that it also is."""
    table = (DOCS / "errors.md").read_text(encoding="utf-8")
    for name in qwen25.__all__:
        kind = getattr(qwen25, name)
        if isinstance(kind, type) and issubclass(kind, qwen25.QwenError):
            row = re.search(rf"^\| `{name}` \|(.*?)\|", table, re.MULTILINE)
            assert row, name
            for builtin in (ValueError, ConnectionError, TimeoutError):
                assert issubclass(kind, builtin) == (f"`{builtin.__name__}`" in row[1]), name


def test_every_error_that_is_raised_has_its_part_of_the_troubleshooting():
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    parts = re.findall(r"^## (.+)$", page, re.MULTILINE)
    told = {name for part in parts for name in part.split(", ")}
    errors = {name for name in qwen25.__all__ if name.endswith("Error")}
    assert told == errors - {"SpaceError"}  # which is the root of others, and never raised itself


def slug(heading):
    """The anchor that a heading has."""
    heading = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-")


def test_links_of_pages_and_readme_lead_to_what_is_there():
    """Files of this project, and headings in them; addresses on the web are left alone."""
    for page, text in prose():
        text = re.sub(r"^( *)(`{3,}).*?^\1\2$", "", text, flags=re.MULTILINE | re.DOTALL)
        text = re.sub(r"`[^`\n]+`", "", text)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"https?:|mailto:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), (page.name, target)
            if anchor and file.suffix == ".md":
                headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in map(slug, headings), (page.name, target)


def test_every_page_is_in_a_table_of_contents():
    """A page that nobody finds is no page."""
    listed = set()
    for page, text in prose():
        for block in re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            for line in block.splitlines():
                if line and not line.startswith(":"):
                    listed.add((page.parent / f"{line}.md").resolve())
    there = {page.resolve() for page in DOCS.rglob("*.md")} - {DOCS / "index.md"}
    assert there == listed
