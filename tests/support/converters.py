"""Programs that make HTML of Markdown, without their own precautions, and a check of the HTML."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

NODE = Path(__file__).parents[1] / "notebook" / "node"

#: What the converters may make of Markdown that is safe.
TAGS = set(
    "h1 h2 h3 h4 h5 h6 p a ul ol li dl dt dd blockquote pre code em strong del s ins mark sub sup"
    " span br hr table thead tbody tr th td div section eq eqn input ruby rb rt rp abbr".split()
)
ATTRIBUTES = {
    "href": r"(?is:https?:|mailto:|#).*",
    "style": r"text-align: ?(left|right|center);?",
    "type": r"checkbox",
    "start": r"\d+",
    # A plugin for attributes reads them out of formulas: {x}, {i=1}.
    **dict.fromkeys("abcdefghijklmnopqrstuvwxyz", r"\w*"),
    **dict.fromkeys("class id align title disabled checked tabindex for".split(), r"(?s:.*)"),
}
_TAG = re.compile(r"""</?[a-zA-Z][\w-]*(?:\s+[\w-]+(?:=(?:"[^"<]*"|'[^'<]*'))?)*\s*/?>""")


class _Checker(HTMLParser):
    def handle_starttag(self, tag, attributes):
        assert tag in TAGS, tag
        for name, value in attributes:
            assert name in ATTRIBUTES, name
            assert re.fullmatch(ATTRIBUTES[name], value or ""), (name, value)

    def fail(self, content):
        raise AssertionError(content)

    handle_comment = handle_decl = handle_pi = unknown_decl = fail


def check(html):
    """Fail at HTML that does anything, or that a browser may read in another way."""
    for start in re.finditer("<(?=[a-zA-Z/!?])", html):
        assert _TAG.match(html, start.start()), html[start.start() :][:80]
    checker = _Checker()
    checker.feed(html)
    checker.close()


def _commonmark():
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": True})
    parser.enable(["table", "strikethrough"])
    parser.validateLink = lambda link: True
    return parser.render


def _myst():
    from markdown_it import MarkdownIt
    from mdit_py_plugins import (
        admon,
        amsmath,
        attrs,
        colon_fence,
        container,
        deflist,
        dollarmath,
        footnote,
        front_matter,
        myst_blocks,
        tasklists,
    )

    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    parser.validateLink = lambda link: True
    for plugin in [
        front_matter.front_matter_plugin,
        myst_blocks.myst_block_plugin,
        admon.admon_plugin,
        amsmath.amsmath_plugin,
        attrs.attrs_plugin,
        attrs.attrs_block_plugin,
        colon_fence.colon_fence_plugin,
        deflist.deflist_plugin,
        dollarmath.dollarmath_plugin,
        footnote.footnote_plugin,
        tasklists.tasklists_plugin,
    ]:
        parser.use(plugin)
    parser.use(container.container_plugin, "any", validate=lambda *_: True)
    return parser.render


def _mistune():
    import mistune

    plugins = "table strikethrough url footnotes task_lists def_list math abbr mark insert ruby"
    parser = mistune.create_markdown(
        escape=False, plugins=[*plugins.split(), "superscript", "subscript"]
    )
    parser.renderer.safe_url = lambda url: url
    return parser


def _mistune_directives():
    import mistune
    from mistune import directives

    every = [directives.Admonition(), directives.Image(), directives.Figure()]
    colons = directives.FencedDirective(every, ":")
    parser = mistune.create_markdown(
        escape=False, plugins=["def_list", "footnotes", colons, directives.RSTDirective(every)]
    )
    parser.renderer.safe_url = lambda url: url
    return parser


def _nbconvert():
    from nbconvert.filters.markdown_mistune import markdown2html_mistune

    return markdown2html_mistune


_PYTHON = {
    "markdown-it-py": _commonmark,
    "markdown-it-py with plugins": _myst,
    "mistune": _mistune,
    "mistune with directives": _mistune_directives,
    "nbconvert": _nbconvert,
}
_NODE = ("jupyterlab", "marked", "VS Code", "markdown-it", "markdown-it with plugins")
NAMES = (*_PYTHON, *_NODE)


class Converters(contextlib.AbstractContextManager):
    """Those that are installed; `missing` has the reasons for the others."""

    def __init__(self):
        self.missing = {}
        self._render = {}
        self._node = None
        for name, load in _PYTHON.items():
            try:
                self._render[name] = load()
            except ImportError as error:
                self.missing[name] = f"not installed: {error.name}"
        if shutil.which("node") is None:
            self.missing.update(dict.fromkeys(_NODE, "not installed: node"))
        elif not (NODE / "node_modules").exists():
            reason = "not installed: npm install --prefix tests/notebook/node"
            self.missing.update(dict.fromkeys(_NODE, reason))
        else:
            self._node = subprocess.Popen(
                ["node", "render.js"], cwd=NODE, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )

    def html(self, markdown):
        """What each makes of it, by name."""
        pages = {}
        if self._node is not None:
            self._node.stdin.write(json.dumps(markdown).encode() + b"\n")
            self._node.stdin.flush()
        for name, render in self._render.items():
            pages[name] = render(markdown)
        if self._node is not None:
            pages.update(json.loads(self._node.stdout.readline()))
        return pages

    def __exit__(self, *_):
        if self._node is not None:
            self._node.kill()
            self._node.communicate()
