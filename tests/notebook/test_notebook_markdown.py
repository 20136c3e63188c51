"""Markdown of a model: what it looks like, and that nothing in it runs.

That holds whoever renders it; here three programs do, which disagree about much. What JupyterLab
makes of it is seen in test_notebook_lab.py.
"""

import random
import time
from html.parser import HTMLParser

import pytest
from attacks import ATTACKS

from qwen25.notebook import safe_markdown

#: What JupyterLab, nbconvert and others may make of Markdown that is safe.
TAGS = set(
    "h1 h2 h3 h4 h5 h6 p a ul ol li dl dt dd blockquote pre code em strong del s sub sup span br hr"
    " table thead tbody tr th td div input".split()
)
# The last three are those of a box of a list of things to do.
ATTRIBUTES = set("href class style id align start type disabled checked".split())


class Checker(HTMLParser):
    """Fails at HTML that does anything."""

    def handle_starttag(self, tag, attributes):
        assert tag in TAGS
        for name, value in attributes:
            assert name in ATTRIBUTES
            if name == "href":
                assert value.lower().startswith(("http:", "https:", "mailto:", "#"))

    def fail(self, content):
        raise AssertionError(content)

    handle_comment = handle_decl = handle_pi = unknown_decl = fail


def check(html):
    checker = Checker()
    checker.feed(html)
    checker.close()


def commonmark():
    markdown_it = pytest.importorskip("markdown_it")
    parser = markdown_it.MarkdownIt("commonmark", {"html": True})
    parser.enable(["table", "strikethrough"])
    parser.validateLink = lambda link: True
    return parser.render


def mistune():
    mistune = pytest.importorskip("mistune")
    plugins = ["table", "strikethrough", "url", "footnotes", "task_lists", "def_list", "math"]
    parser = mistune.create_markdown(escape=False, plugins=plugins)
    parser.renderer.safe_url = lambda url: url
    return parser


def nbconvert():
    module = pytest.importorskip("nbconvert.filters.markdown_mistune")
    return module.markdown2html_mistune


@pytest.fixture(scope="module", params=[commonmark, mistune, nbconvert])
def render(request):
    """A program that makes HTML of Markdown, with all its own precautions switched off."""
    return request.param()


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_only_text(render, attack):
    check(render(safe_markdown(attack)))
    # And as part of something.
    check(render(safe_markdown(f"- a\n  - b\n\n    {attack}\n\n{attack}")))


def test_the_check_sees_attacks(render):
    seen = 0
    for attack in ATTACKS:
        try:
            check(render(attack))
        except AssertionError:
            seen += 1
    assert seen >= 8


def test_no_mixture_of_the_signs_of_markdown_and_html_does_anything(render):
    signs = [attack for attack in ATTACKS if "\n" not in attack]
    signs += "``` ~~~ ```` ` `` ~~ $ $$ \" ' \\ \\[ \\] \\( \\) \\begin{a} \\end{a} > <".split()
    signs += "[r] [r]: ( ) [ ] ! ![ ]( : <b <!-- --> <![CDATA[ <? <pre> </pre> <br> <sub>".split()
    signs += "--- === ** _ &lt; & x é @@0@@ { } | 1 www.x.y https://a.b/".split()
    signs += ["\n", "\n", "\n", "\n\n", "    ", "   ", "  ", "\t", "> ", "- ", "1. ", "# ", "| "]
    signs += ["\n|-|-|\n", "\r", "\\\n"]
    chance = random.Random(6)
    for _ in range(1000):
        text = "".join(chance.choice(signs) for _ in range(chance.randint(2, 30)))
        try:
            check(render(safe_markdown(text)))
        except AssertionError as error:
            raise AssertionError(f"{text!r} becomes {safe_markdown(text)!r}") from error


@pytest.mark.parametrize(
    "text",
    [
        "# Heading\n\nText with *emphasis*, **more**, `code` and ~~nothing~~.",
        "1. one\n2. two\n   - three\n\n> quoted\n\n---",
        "| a | b |\n|---|--:|\n| 1 | 2 |",
        "- [ ] to do\n- [x] done",
        "```python\nif a < b:\n\tprint('<b>', \"$x\", `x`)\n```",
        "~~~\n```\n~~~".replace("~~~", "````"),
        "Where $e^{i\\pi} < 0$ and\n\n$$a \\\\ b$$",
        "See [the *site*](https://a.b/c_(d)?e=f&g#h) or https://a.b/.",
        "H<sub>2</sub>O<br>CO<sub>2</sub>",
        "Größe & Maß; 中文，标点。😀\n\nBest & brightest: 3 > 2, [1, 2], f(x), a!",
    ],
)
def test_what_is_harmless_stays_as_it_is(text):
    assert safe_markdown(text) == text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        pytest.param("a < b <c>", "a &#60; b &#60;c>", id="html"),
        pytest.param("`<b>`", "<code>&#60;b&#62;</code>", id="html in code"),
        pytest.param("`` a`b ``", "<code>a&#96;b</code>", id="a backtick in code"),
        pytest.param("a ` b", "a &#96; b", id="a backtick alone"),
        pytest.param("\\[ a<b \\]", "$$ a< b $$", id="a formula as Qwen writes it"),
        pytest.param("in \\( a \\)", "in $a$", id="a formula in a line"),
        pytest.param(
            "\\begin{align}a\\end{align}", "$$\\begin{align}a\\end{align}$$", id="an environment"
        ),
        pytest.param(
            "from $5 to $10",
            "from <span>&#36;</span>5 to <span>&#36;</span>10",
            id="money is no formula",
        ),
        pytest.param("C:\\Users", "C:<span>&#92;</span>Users", id="a backslash"),
        pytest.param("\\*a\\*", "&#42;a&#42;", id="what was escaped"),
        pytest.param("![a](https://a.b/c.png)", "[a](https://a.b/c.png)", id="an image"),
        pytest.param("<https://a.b>", "[https://a.b](https://a.b)", id="an address"),
        pytest.param('[a](https://a.b "title")', "[a](https://a.b)", id="a title"),
        pytest.param("[a](/b)", "[a&#93;(/b)", id="a link to the notebook server"),
        pytest.param("```c\n#include <a>", "```c\n#include <a>\n```", id="unfinished code"),
        pytest.param("a\n```\nb\n```\nc", "a\n\n```\nb\n```\n\nc", id="code without empty lines"),
        pytest.param(
            "- a\n  ```sh\n  b\n c\n  ```\n- d",
            "- a\n\n  ```sh\n  b\n  c\n  ```\n\n- d",
            id="code in a list",
        ),
        pytest.param("~~~\n```\n~~~", "````\n```\n````", id="a fence in code"),
        pytest.param("a\x1b[0m\x00\u202eb", "a\u241b[0m\u2400\ufffdb", id="control characters"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_what_is_not_is_written_anew(text, safe):
    assert safe_markdown(text) == safe


def test_a_deep_block_of_code_takes_little_room():
    text = "\t" * 10_000 + "```\n" + "x\n" * 10_000
    assert len(safe_markdown(text)) < 50 * len(text)


@pytest.mark.parametrize(
    "sign", ["`", "``` ", "$", "$$", "\\[", "\\begin{a}", "[", "![a](https://", "<", "\n", "]( ("]
)
def test_no_text_takes_long(sign):
    """However often a sign begins what does not end: 100,000 characters take a second or two."""
    text = sign * (100_000 // len(sign))
    began = time.process_time()
    safe_markdown(text)
    assert time.process_time() - began < 10
