"""Answers in a notebook: shown as Markdown while they are written, and the magics `%qwen`.

IPython is never imported here: where this runs in it, it is there already.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from typing import Any, Dict, List, Optional, Tuple, TypeVar, Union

from .client.client import Client
from .client.conversation import Conversation
from .client.streaming import Stream
from .display.control_characters import escape_controls
from .display.live import Repainter
from .errors import InvalidRequestError, QwenError
from .events import Note, Queued, Text

__all__ = ["safe_markdown", "show"]

#: Seconds between two updates: with the last one they are never more than 12 in a second.
_EVERY = 0.1


def show(stream: Stream) -> None:
    """Show an answer in the cell while it is written, and keep what came.

    Where there is no notebook, in a terminal IPython or in plain Python, the text is written to
    standard output, piece by piece.

    Raises:
        QwenError: As the stream itself; what came before stays shown.
    """
    shell = _shell()
    notebook = shell is not None and "text/markdown" in shell.display_formatter.active_types
    paper: Union[_Page, _Roll] = _Page() if notebook else _Roll()
    try:
        # Whatever ends this early, the Space stops writing.
        with stream, paper:
            paper.write(stream.text)
            for event in stream.events():
                if isinstance(event, Text):
                    paper.write(event.piece)
                    if stream.rewritten:
                        paper.correct(stream.text)
                elif isinstance(event, Queued):
                    paper.excuse(f"In the queue: place {event.rank + 1} of {event.size}")
                elif isinstance(event, Note):
                    paper.excuse(event.text)
            if stream.rewritten:
                paper.correct(stream.text)
    except KeyboardInterrupt as interrupt:
        raise _brief(interrupt, "KeyboardInterrupt: The answer was stopped; what came is kept.")


def show_result(stream: Stream) -> None:
    """Show a `Stream` that is the last line of a cell; called by IPython."""
    try:
        show(stream)
    except QwenError as error:
        raise CellFailed(error) from error


class CellFailed(BaseException):
    """The cell could not show its answer; the reason is the `__cause__`.

    No `Exception`, because IPython prints those that come while it shows a result, and then goes on
    as if nothing were wrong: "Run All" would run what builds on an answer that is not there.
    """

    def __init__(self, error: QwenError) -> None:
        super().__init__(str(error))
        _brief(self, f"{type(error).__name__}: {error}")


def transcript(conversation: Conversation) -> str:
    """A conversation as plain text."""
    turns = [f"{role}: {content}" for role, content in _turns(conversation)]
    return escape_controls("\n\n".join(turns) or repr(conversation))


def markdown_transcript(conversation: Conversation) -> str:
    """A conversation as Markdown in which nothing runs."""
    turns = [f"**{role}**\n\n{safe_markdown(content)}" for role, content in _turns(conversation)]
    return "\n\n---\n\n".join(turns) or "*Nothing was said yet.*"


def _turns(conversation: Conversation) -> List[Tuple[str, str]]:
    turns = [(turn["role"].capitalize(), turn["content"]) for turn in conversation.messages]
    return ([] if conversation.system is None else [("System", conversation.system)]) + turns


def load(shell: Any) -> None:
    """Give an IPython the magics `%qwen` and `%%qwen`."""
    shell.register_magic_function(_Magic(shell).qwen, "line_cell", "qwen")
    if _let_ask not in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.append(_let_ask)


def _let_ask(lines: List[str]) -> List[str]:
    """Keep IPython from taking `%qwen Where is Paris?` for a wish to see the help of `Paris`."""
    if lines and lines[0].startswith("%%"):
        return lines  # what stands in such a cell is not for IPython to read
    return [_QUESTION.sub(_as_call, line) for line in lines]


_QUESTION = re.compile(r"^(\s*)%qwen\s+(\S.*\?)\s*$")


def _as_call(question: re.Match[str]) -> str:
    indent, words = question.groups()
    return f"{indent}get_ipython().run_line_magic('qwen', {words!r})\n"


class _Magic:
    """What `%qwen` remembers: its client, and the last conversation."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._client = Client()
        self._last = self._client.conversation()

    def qwen(self, line: str, cell: Optional[str] = None) -> None:
        """Ask Qwen2.5, and show the answer while it is written.

            %qwen [-m SIZE] [-s SYSTEM] [-c] [-o NAME] PROMPT

            %%qwen [-m SIZE] [-s SYSTEM] [-c] [-o NAME] [BEGINNING OF THE PROMPT]
            PROMPT

        -m SIZE    the model to ask, such as 7B
        -s SYSTEM  the system prompt; one of several words stands in quotes
        -c         go on with the last conversation
        -o NAME    keep the whole answer in this variable
        --         end the options, for a prompt that begins like one

        It asks the Space in $QWEN25_SPACE, else Qwen/Qwen2.5; `%reload_ext qwen25` looks anew.
        """
        options, beginning = _parse(line)
        prompt = "\n\n".join(part for part in (beginning, (cell or "").strip()) if part)
        last = self._last if "c" in options else self._client.conversation()
        # A copy: a question that fails leaves the last conversation as it was.
        talk = self._client.conversation(
            system=options.get("s", last.system),
            model=options.get("m", last.model),
            messages=last.messages,
        )
        try:
            stream = talk.stream(prompt)
            show(stream)
        except QwenError as error:
            raise _brief(error)
        self._last = talk
        if "o" in options:
            self._shell.user_ns[options["o"]] = stream.text


_OPTION = re.compile(
    r"""-(?:(?P<flag>c)|(?P<name>[mos])\s*(?P<value>"[^"]*"|'[^']*'|\S+))(?:\s+|$)"""
)


def _parse(line: str) -> Tuple[Dict[str, str], str]:
    """The options of a magic, and the words after them, which are left as they are."""
    options: Dict[str, str] = {}
    line = line.strip()
    while True:
        option = _OPTION.match(line)
        if option is None:
            break
        name, value = option["name"] or option["flag"], option["value"] or ""
        options[name] = value[1:-1] if value[:1] in ("'", '"') else value
        line = line[option.end() :]
    if not options.get("o", "text").isidentifier():
        raise _brief(_misuse(f"-o {options['o']} is not a name for a variable."))
    word = line.split(None, 1)[0] if line else ""
    if word == "--":
        return options, line[2:].strip()
    if re.match("-[a-zA-Z-]", word) or word == "-":
        raise _brief(_misuse(f"{word} is no option of %qwen, or lacks its value."))
    return options, line


def _misuse(message: str) -> InvalidRequestError:
    return InvalidRequestError(message, hint="See: %qwen?")


_Error = TypeVar("_Error", bound=BaseException)


def _brief(error: _Error, line: Optional[str] = None) -> _Error:
    """Let IPython show one line for an error; the frames are still there for `%debug`."""
    line = f"{type(error).__name__}: {error}" if line is None else line
    # A partial of a builtin, since errors can be pickled.
    setattr(error, "_render_traceback_", functools.partial(list, [escape_controls(line)]))
    return error


def _shell() -> Any:
    """The IPython that this runs in, if any."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


# What an answer is shown on


class _Page:
    """One output of a cell that is updated as its text grows."""

    def __init__(self) -> None:
        self._display = sys.modules["IPython"].display.display
        self._id = os.urandom(8).hex()
        self._pieces: List[str] = []
        self._waiting = ""
        self._shown: Optional[str] = None
        # A text of a million characters takes long to prepare.
        self._repainter = Repainter(self._update, every=_EVERY, share=4)

    def write(self, piece: str) -> None:
        """Add a piece."""
        self._pieces.append(piece)
        self._repainter.tell()

    def correct(self, text: str) -> None:
        """The answer is this, whatever was written."""
        self._pieces = [text]
        self._repainter.tell()

    def excuse(self, reason: str) -> None:
        """Say why there is no text yet; the text takes its place."""
        self._waiting = f"*{reason}*"
        self._repainter.tell()

    def __enter__(self) -> _Page:
        self._repainter.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting = ""
        self._repainter.__exit__()

    def _update(self) -> None:
        text = "".join(self._pieces) or self._waiting
        if text != self._shown and (text or self._shown):
            content = {"text/markdown": safe_markdown(text), "text/plain": escape_controls(text)}
            known = self._shown is not None
            self._display(content, raw=True, display_id=self._id, update=known)
            self._shown = text


class _Roll:
    """Plain text on standard output, where nothing can be taken back."""

    def __init__(self) -> None:
        self._begun = False
        self._corrected: Optional[str] = None

    def write(self, piece: str) -> None:
        """Add a piece."""
        if piece:
            self._begun = True
            sys.stdout.write(escape_controls(piece))
            sys.stdout.flush()

    def correct(self, text: str) -> None:
        """The answer is this, whatever was written."""
        self._corrected = text

    def excuse(self, reason: str) -> None:
        """Why there is no text yet is not said: it would stay."""

    def __enter__(self) -> _Roll:
        return self

    def __exit__(self, *_: object) -> None:
        if self._corrected is not None:
            self.write(f"\n\nThe Space has rewritten its answer:\n\n{self._corrected}")
        if self._begun:
            sys.stdout.write("\n")
            sys.stdout.flush()


# Text that somebody else wrote

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
