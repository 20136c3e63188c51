"""How Sphinx builds these pages: `sphinx-build -W -n docs build/docs`."""

import re
import shutil
import sys
from pathlib import Path

from pygments.lexers.special import TextLexer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

project = "qwen25"
author = "the developers of qwen25"
release = re.search(
    r'__version__ = "(.+)"', (ROOT / "qwen25/version.py").read_text(encoding="utf-8")
)[1]
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"qwen25 {release}"
html_show_sourcelink = False
html_show_copyright = False

# Links such as page.md#a-heading are checked too.
myst_heading_anchors = 3

# The docstrings say `name` for what is code, as Markdown does.
default_role = "literal"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False

# -n wants a target for every name in a signature. These have none in this build:
nitpick_ignore_regex = [
    # They have docs of their own, and a build asks no other machine.
    (r"py:.*", r"(concurrent|os|pathlib|pytest|requests|socket|starlette)\..*"),
    (r"py:.*", r"(Executor|Path)"),
    # Names for types that are written out: interface/client.md tells what a prompt is.
    (r"py:.*", r"(qwen25\.protocol\.prompt\.)?(Prompt|Message)"),
    (r"py:.*", r"(qwen25\.testing\.server\.)?Headers"),
    (r"py:.*", r"app\.Turn"),
    (r"py:.*", r"(ChatPlan|Input|Quota|Target|qwen25\.aio\.client\.T)"),
    (r"py:.*", r"(qwen25\.display\.cell\.)?EventStream"),
]


def setup(app):
    """Read docstrings as they are written here, around napoleon, which reads their sections."""
    attributes = {}

    def before(app, what, name, obj, options, lines):
        if what in ("attribute", "data", "property"):
            attributes[name] = list(lines)
        lines[:] = _with_code_marked(lines)

    def after(app, what, name, obj, options, lines):
        # napoleon takes what stands before a colon in an attribute's docstring for its type.
        if name in attributes:
            lines[:] = attributes.pop(name)

    # Sphinx does not see the pictures that have a light and a dark form, which are HTML.
    app.connect("build-finished", copy_pictures)
    app.add_lexer("ipython", TextLexer)  # a build does not need IPython
    app.connect("autodoc-process-docstring", before, priority=400)
    app.connect("autodoc-process-docstring", after, priority=600)


def copy_pictures(app, exception):
    """Put the pictures where the pages look for them."""
    if exception is None and app.builder.format == "html":
        there = Path(app.outdir, "pictures")
        shutil.copytree(ROOT / "docs/pictures", there, dirs_exist_ok=True)


def _with_code_marked(lines):
    """What is indented after an empty line is code, as in Markdown."""
    marked = []
    for index, line in enumerate(lines):
        if line.startswith("    ") and index > 1 and not lines[index - 1].strip():
            if not lines[index - 2].startswith(" "):
                marked += [".. code-block:: python", ""]
        marked.append(line)
    return marked
