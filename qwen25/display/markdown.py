"""Markdown that an untrusted author wrote, rewritten so that no script in it runs."""

from __future__ import annotations

import re
from typing import List

from .control_characters import escape_controls

# Whether a piece of Markdown is code, a formula, a link or HTML, every program that shows notebooks
# decides in its own way, and some of them run the HTML of fresh outputs. So nothing is left for
# them to decide. Blocks of code are written so that all see where they begin and end. In all
# other text what could begin anything but plain formatting is written as a character reference, and
# what is worth keeping is recognized here and written anew, from harmless parts.

_FENCE = re.compile(r"([ \t]*)(`{3,}(?=[^`]*$)|~{3,})\s*([\w+#.-]*).*")


def safe_markdown(text: str) -> str:
    """Markdown that looks the same, and in which no script runs when it is shown.

    Formatting, code, tables, formulas, and links to the web are kept. Images become links, so that
    nothing is fetched from anywhere; other HTML is shown as it is written.
    """
    blocks: List[str] = []
    prose: List[str] = []
    lines = iter(escape_controls(text).split("\n"))
    for line in lines:
        opening = _FENCE.fullmatch(line)
        if opening is None:
            prose.append(line)
            continue
        indent, fence, language = opening.groups()
        code: List[str] = []
        for line in lines:
            word = line.strip()
            if set(word) == {fence[0]} and len(word) >= len(fence):
                break
            code.append(line)
        blocks += [_prose("\n".join(prose)), _code_block(indent, language, code)]
        prose.clear()
    blocks.append(_prose("\n".join(prose)))
    return "\n\n".join(block for block in blocks if block)


#: Columns that a block of code is indented by, at most: each of its lines is.
_DEEPEST = 40


def _code_block(indent: str, language: str, code: List[str]) -> str:
    """A block of code between empty lines, whose fence is longer than any in it.

    A line that stood further left than its fence would end the list that the block is part of, and
    the block with it.
    """
    margin = min(len(indent.expandtabs(4)), _DEEPEST)
    code = [re.sub(f"^ {{0,{margin}}}", "", line) for line in code]
    longest = max((len(run) for line in code for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join(" " * margin + line for line in (fence + language, *code, fence))


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
  | (?P<special>\\(?!\n)|<|\$|`+|~{{3,}}|!(?=!*[\[<])|\](?=\s{{0,9}}[(:]))
    """,
    re.VERBOSE | re.DOTALL,
)
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


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
        return f"$${_formula(formula if found['environment'] else formula[2:-2])}$$"
    if kind == "inline":
        width = 1 if found["inline"][0] == "$" else 2
        return f"${_formula(found['inline'][width:-width]).strip()}$"
    if kind == "target":
        label = _INLINE.sub(_rewritten, found["label"] or found["target"])
        return f"[{label}]({found['target']})"
    if kind == "address":
        return f"[{found['address']}]({found['address']})"
    if kind == "tag":
        return f"<{found['tag']}>"
    return "".join(map(_literal, found["escaped"] or found["special"]))


def _code_span(code: str) -> str:
    """Code in a line; as HTML, since a table may take a part of it for a cell."""
    code = re.sub(r"\s+", " ", code)
    if code.strip():
        code = code.strip()
    if re.fullmatch(r"[\w .,=+/'-]+", code):
        return f"`{code}`"
    return f"<code>{_PUNCTUATION.sub(lambda found: _reference(found[0]), code)}</code>"


def _formula(formula: str) -> str:
    """A formula that is no HTML, no link and no attribute in a program that shows no formulas."""
    formula = re.sub(r"\\(?:href|mmlToken)\b", r"\\text", formula)
    formula = re.sub(r"<(?=[a-zA-Z/!?])|~(?=~)|\](?=\s*[(:])", r"\g<0> ", formula)
    return formula.replace('"', "''").replace("`", "'")


def _literal(character: str) -> str:
    reference = _reference(character)
    # A program that looks for formulas in the finished page does not look across elements.
    return f"<span>{reference}</span>" if character in "\\$" else reference


def _reference(character: str) -> str:
    return f"&#{ord(character)};"
