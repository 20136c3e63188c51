"""Markdown that an untrusted author wrote, rewritten so that no script in it runs."""

from __future__ import annotations

import re
from typing import List

from ..control_characters import escape_controls

# Programs that show notebooks disagree on what is code, a formula, a link or HTML, and some run the
# HTML of fresh outputs. So each part is written such that it is harmless whatever it is taken for,
# and nothing depends on where a program sees a part begin or end:
#
# - In text, what could begin anything but plain formatting becomes character references. What is
#   worth keeping is recognized here, and written again from harmless parts.
# - Code between fences keeps its colours only if it would also be harmless without the fences.
#   Other code becomes one line of HTML in which all punctuation is a reference.
# - Formulas are one line, so that no line of theirs begins a list, a definition or a fence.

_FENCE = re.compile(r"([ \t]*)(`{3,}(?=[^`]*$)|~{3,})\s*([\w+#.-]*).*")


def safe_markdown(text: str) -> str:
    """Markdown that looks the same, and in which no script runs when it is shown.

    Formatting, code, tables, formulas, and links to the web are kept. Images become links, so that
    nothing is fetched from anywhere; other HTML is shown as it is written.
    """
    blocks: List[str] = []
    prose: List[str] = []
    in_list = False
    lines = iter(_LINE_SEPARATOR.sub("\n", escape_controls(text)).split("\n"))
    for line in lines:
        opening = _FENCE.fullmatch(line)
        if opening is None:
            prose.append(line)
            in_list = in_list or _LIST_ITEM.match(line) is not None
            continue
        indent, fence, language = opening.groups()
        code: List[str] = []
        for line in lines:
            word = line.strip()
            if set(word) == {fence[0]} and len(word) >= len(fence):
                break
            code.append(line)
        margin = min(len(indent.expandtabs(4)), _DEEPEST)
        code = [re.sub(f"^[ ]{{0,{margin}}}", "", line) for line in code]
        # Indented code that belongs to no list item is meant to be a block of its own.
        blocks += [_prose("\n".join(prose)), _code_block(margin * in_list, language, code)]
        prose.clear()
    blocks.append(_prose("\n".join(prose)))
    return _without_front_matter("\n\n".join(block for block in blocks if block))


#: Characters that some programs take for the end of a line.
_LINE_SEPARATOR = re.compile("[\u2028\u2029]")
_LIST_ITEM = re.compile(r"[ \t]*(?:[-+*]|\d{1,9}[.)])\s")
#: Columns that a block of code is indented by, at most.
_DEEPEST = 40


def _code_block(margin: int, language: str, code: List[str]) -> str:
    """A block of code between empty lines, whose fences are longer than any in it."""
    lines = "\n".join(code)
    if _HARMFUL.search(lines):
        return f"{' ' * margin}<pre><code>{_references(lines)}</code></pre>"
    if language.lower().startswith("mermaid"):
        language = ""  # nbconvert does not escape it
    longest = max((len(run) for line in code for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join(" " * margin + line for line in (fence + language, *code, fence))


#: What could do something in a program that does not take it for code. Every alternative is also
#: found where it is harmless; that costs only the colours.
_HARMFUL = re.compile(
    r"""
    <[a-zA-Z/!?]                        # HTML
  | \]\(  |  !\[[^\[\]]*\]\s*\[         # a link, an image
  | ^[^a-zA-Z\n]*?\[[^\[\]\n]*\]:       # a link definition
  | (?<!\S)(?=\S*\$)\S*(?:://|www\.)   # a formula in the address of a link
  | \\(?:href|mmlToken|unicode|style|class|cssId|require|def|let|newcommand|html)
  | \{(?=[^{}\n]*=)[^{}\n]*\}          # attributes
  | ^[^\w\n]*?(?:::: | \.\.[ ]+[\w-]+:: | ///[ ]*\w+[ ]*\|)   # directives
    """,
    re.VERBOSE | re.MULTILINE,
)


def _without_front_matter(text: str) -> str:
    """The text, whose first lines are no settings that end at a line such as `---` in code."""
    first, newline, rest = text.partition("\n")
    if re.fullmatch(r"-{3,}\s*", first):
        first = "***"  # the same rule across the page
    elif re.match(r"([-+;=])\1\1", first):
        first = _reference(first[0]) + first[1:]
    return first + newline + rest


_URL = r"(?:https?://|mailto:)(?:[\w.~:/?#@!&*+,;=%'-]|\([\w.~:/?#@!&*+,;=%'-]*\))+"
# No part of it looks further than some thousand characters, so that no text makes it slow.
_INLINE = re.compile(
    rf"""
    (?P<ticks>(?<!`)`+(?!`)) (?P<code>.{{1,2000}}?) (?<!`)(?P=ticks)(?!`)
  | (?P<display> \$\$.{{1,2000}}?\$\$ | \\\[.{{1,2000}}?\\\]
      | \\begin\{{(?P<environment>[a-z]{{1,20}}\*?)\}}.{{1,2000}}?\\end\{{(?P=environment)\}} )
  | (?P<inline> \\\(.{{1,1000}}?\\\) | \$(?![\s$])[^$\n]{{1,1000}}(?<![\s\\])\$(?!\d) )
  | !?\[(?P<label>[^\[\]\n]{{0,1000}})\]
      \((?P<target>{_URL})(?:\s+(?:"[^"\n]{{0,1000}}"|'[^'\n]{{0,1000}}'))?\)
  | <(?P<address>{_URL})>
  | <(?P<tag>br|/?su[bp])\s?/?>
  | \\(?P<escaped>[!-/:-@\[-`{{-~])
  | (?P<special>\\(?!\n)|<|\$|`+|~{{3,}}|\{{|[!@%^](?=[!@%^\[<])|\](?=\s{{0,9}}[(:])
      | \[(?![^\[\]\n]*\]) | \[(?=[^\[\]\n]*\]\s{{0,9}}[(:])
      | (?<![^\s>])(?: [:~](?=[\s:]|$) | [!?/+](?=[!?/+]{{2}}) | % | \.(?=\.\s) ))
    """,
    re.VERBOSE | re.DOTALL,
)
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~\n\t]")


def _prose(text: str) -> str:
    # Nothing that is recognized goes on over an empty line.
    paragraphs = re.split(r"(\n\s*\n)", text)
    return "".join(_INLINE.sub(_rewritten, paragraph) for paragraph in paragraphs).strip("\n")


def _rewritten(found: re.Match[str]) -> str:
    kind = found.lastgroup
    if kind == "code":
        return _code_span(found["code"])
    if kind == "display":
        formula = found["display"]
        return _formula(found, formula if found["environment"] else formula[2:-2], "$$")
    if kind == "inline":
        width = 1 if found["inline"][0] == "$" else 2
        return _formula(found, found["inline"][width:-width].strip(), "$")
    if kind == "target":
        label = _INLINE.sub(_rewritten, found["label"] or found["target"])
        return f"[{label}]({found['target']})"
    if kind == "address":
        return f"[{found['address']}]({found['address']})"
    if kind == "tag":
        return f"<{found['tag']}>"
    return "".join(map(_literal, found["escaped"] or found["special"]))


def _code_span(code: str) -> str:
    """Code in a line; as HTML, since tables and formulas may begin or end in backticks."""
    code = re.sub(r"\s+", " ", code)
    if code.strip():
        code = code.strip()
    return f"<code>{_references(code)}</code>"


def _formula(found: re.Match[str], formula: str, sign: str) -> str:
    """A formula that is no HTML, no link and no attribute in a program that shows no formulas."""
    if "$" in formula or not _is_balanced(formula):
        return _references(found[0])  # programs disagree on its end
    formula = _COMMENT.sub(" ", formula).replace("\n", " ")
    formula = re.sub(r"\\(?:href|mmlToken)\b", r"\\text", formula)
    formula = _ACTIVE.sub(r"\g<0> ", formula)
    formula = formula.replace('"', "''").replace("`", "'")
    # It must not become a part of the address before it.
    joined = found.start() and not found.string[found.start() - 1].isspace()
    return f"{'<span></span>' * bool(joined)}{sign}{formula}{sign}"


def _is_balanced(formula: str) -> bool:
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", formula):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0


#: What a space ends that would be a tag, a fence, a link, an address, an attribute; TeX skips it.
_ACTIVE = re.compile(
    r"<(?=[a-zA-Z/!?])|~(?=~)|\](?=\s*[(:])|/(?=/)|\b(?i:www)(?=\.)|[a-zA-Z]{2}(?==)"
)
#: In TeX, up to the end of the line.
_COMMENT = re.compile(r"(?<!\\)%[^\n]*\n")


def _literal(character: str) -> str:
    reference = _reference(character)
    # A program that looks for formulas in the finished page does not look across elements.
    return f"<span>{reference}</span>" if character in "\\$" else reference


def _references(text: str) -> str:
    return _PUNCTUATION.sub(lambda found: _literal(found[0]), text)


def _reference(character: str) -> str:
    return f"&#{ord(character)};"
