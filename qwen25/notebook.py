"""Answers in a notebook: `show`, `safe_markdown`, and the magics `%qwen` and `%%qwen`."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, Tuple

from .client.client import Client
from .display.cell import show, with_short_traceback
from .display.markdown import safe_markdown
from .errors import InvalidRequestError, QwenError

__all__ = ["safe_markdown", "show"]


def load(shell: Any) -> None:
    """Give an IPython the magics `%qwen` and `%%qwen`."""
    shell.register_magic_function(_Magic(shell).qwen, "line_cell", "qwen")
    if _keep_questions not in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.append(_keep_questions)


def _keep_questions(lines: List[str]) -> List[str]:
    """Stop IPython from reading `%qwen Where is Paris?` as a request for help on `Paris`."""
    if lines and lines[0].startswith("%%"):
        return lines  # IPython does not read the text of such a cell
    return [_QUESTION.sub(_as_call, line) for line in lines]


_QUESTION = re.compile(r"^(\s*)%qwen\s+(\S.*\?)\s*$")


def _as_call(question: re.Match[str]) -> str:
    indent, words = question.groups()
    return f"{indent}get_ipython().run_line_magic('qwen', {words!r})\n"


class _Magic:
    """The magic `%qwen`, with its client and the last conversation."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._client = Client()
        self._last = self._client.conversation()

    def qwen(self, line: str, cell: Optional[str] = None) -> None:
        """Send a prompt to Qwen2.5, and show the answer while it is written.

            %qwen [-m SIZE] [-s SYSTEM] [-c] [-o NAME] PROMPT

            %%qwen [-m SIZE] [-s SYSTEM] [-c] [-o NAME] [START OF THE PROMPT]
            PROMPT

        -m SIZE    the model to ask, such as 7B
        -s SYSTEM  the system prompt; put several words in quotes
        -c         continue the last conversation
        -o NAME    keep the whole answer in this variable
        --         end of the options, for a prompt that begins with a hyphen

        The Space is $QWEN25_SPACE, else Qwen/Qwen2.5; `%reload_ext qwen25` reads it again.
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
            raise with_short_traceback(error)
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
        raise with_short_traceback(_misuse(f"-o {options['o']} is not a name for a variable."))
    word = line.split(None, 1)[0] if line else ""
    if word == "--":
        return options, line[2:].strip()
    if re.match("-[a-zA-Z-]", word) or word == "-":
        raise with_short_traceback(
            _misuse(f"{word} is not an option of %qwen, or its value is missing.")
        )
    return options, line


def _misuse(message: str) -> InvalidRequestError:
    return InvalidRequestError(message, hint="See: %qwen?")
