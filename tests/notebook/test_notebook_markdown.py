"""Markdown of a model: what it looks like, and that nothing in it runs.

Each text goes through several converters, which disagree about much.
"""

import random
import time

import pytest
from attacks import ATTACKS
from converters import NAMES, Converters, check
from mixtures import mixture

from qwen25.notebook import safe_markdown

#: As many texts in `make test`; tests/fuzz/safe_markdown.py goes on for as long as one likes.
MIXTURES = 1500


@pytest.fixture(scope="module")
def converters():
    with Converters() as converters:
        yield converters


@pytest.fixture(params=NAMES)
def render(request, converters):
    """A program that makes HTML of Markdown, with all its own precautions switched off."""
    if request.param in converters.missing:
        pytest.skip(f"{request.param}: {converters.missing[request.param]}")
    return lambda markdown: converters.html(markdown)[request.param]


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_only_text(converters, attack):
    for text in (attack, f"- a\n  - b\n\n    {attack}\n\n{attack}", f"Term\n\n:   {attack}"):
        for html in converters.html(safe_markdown(text)).values():
            check(html)


def test_the_check_sees_attacks(render):
    seen = 0
    for attack in ATTACKS:
        try:
            check(render(attack))
        except AssertionError:
            seen += 1
    assert seen >= 8


def test_no_mixture_of_markdown_and_html_does_anything(converters):
    chance = random.Random(6)
    for _ in range(MIXTURES):
        text = mixture(chance)
        for name, html in converters.html(safe_markdown(text)).items():
            try:
                check(html)
            except AssertionError as error:
                raise AssertionError(f"{name}: {text!r} becomes {safe_markdown(text)!r}") from error


@pytest.mark.parametrize(
    "text",
    [
        "# Heading\n\nText with *emphasis*, **more** and ~~nothing~~.",
        "1. one\n2. two\n   - three\n\n> quoted\n\n---",
        "| a | b |\n|---|--:|\n| 1 | 2 |",
        "- [ ] to do\n- [x] done",
        "```python\nif a[0] < b:\n\tprint({'b': 1}, \"$x\", `x`)\n```",
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
        pytest.param("a `b` c", "a <code>b</code> c", id="code"),
        pytest.param("`<b>`", "<code>&#60;b&#62;</code>", id="html in code"),
        pytest.param("`` a`b ``", "<code>a&#96;b</code>", id="a backtick in code"),
        pytest.param("a ` b", "a &#96; b", id="a backtick alone"),
        pytest.param("\\[ a<b \\]", "$$ a< b $$", id="a formula as Qwen writes it"),
        pytest.param("in \\( a \\)", "in $a$", id="a formula in a line"),
        pytest.param("a=$b$", "a=<span></span>$b$", id="a formula that continues a word"),
        pytest.param("$$a\n= b % c\n$$", "$$a = b  $$", id="a formula on several lines"),
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
        pytest.param("[a](/b)", "&#91;a&#93;(/b)", id="a link to the notebook server"),
        pytest.param("```c\na < b;", "```c\na < b;\n```", id="unfinished code"),
        pytest.param(
            "```c\n#include <a>",
            "<pre><code>&#35;include &#60;a&#62;</code></pre>",
            id="code that holds what may be HTML",
        ),
        pytest.param(
            "- a\n  ```\n  <b>\n  ```",
            "- a\n\n  <pre><code>&#60;b&#62;</code></pre>",
            id="such code in a list",
        ),
        pytest.param("a\n    ```\n    b\n    ```", "a\n\n```\nb\n```", id="indented code"),
        pytest.param("```mermaid\na\n```", "```\na\n```", id="a diagram"),
        pytest.param("Term\n: a: b", "Term\n&#58; a: b", id="a definition list"),
        pytest.param("::: note\na", "&#58;:: note\na", id="a directive"),
        pytest.param("a{b}", "a&#123;b}", id="attributes"),
        pytest.param("---\na: b\n---", "***\na: b\n---", id="front matter"),
        pytest.param("a\u2028: b", "a\n&#58; b", id="a separator of lines"),
        pytest.param("a\n```\nb\n```\nc", "a\n\n```\nb\n```\n\nc", id="code without empty lines"),
        pytest.param(
            "- a\n  ```sh\n  b\n c\n  ```\n- d",
            "- a\n\n  ```sh\n  b\n  c\n  ```\n\n- d",
            id="code in a list",
        ),
        pytest.param("~~~\n```\n~~~", "````\n```\n````", id="a fence in code"),
        pytest.param("a\x1b[0m\x00\u202eb", "a\u241b&#91;0m\u2400\ufffdb", id="control characters"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_unsafe_markdown_is_rewritten(text, safe):
    assert safe_markdown(text) == safe


def test_a_deep_block_of_code_takes_little_room():
    text = "\t" * 10_000 + "```\n" + "x\n" * 10_000
    assert len(safe_markdown(text)) < 50 * len(text)


@pytest.mark.parametrize(
    "sign",
    [
        "`",
        "``` ",
        "$",
        "$$",
        "$a",
        "{",
        "$a{$",
        "\\[",
        "\\begin{a}",
        "[",
        "[a",
        "[a]",
        "![a](https://",
    ]
    + ["<", "\n", "]( (", ": ", "%", "*[", "- ", "```\n", "!", "+++", "..", "\u2028", "@[", "\\%"]
    + ["www.", "://", "{=", "=", "/// ", ".. ", "![a] ", "1"],
)
def test_no_text_takes_long(sign):
    """However often a sign begins what does not end: 100,000 characters take a second or two."""
    text = sign * (100_000 // len(sign))
    began = time.process_time()
    safe_markdown(text)
    safe_markdown(f"```\n{text}\n```")
    assert time.process_time() - began < 10
