"""The command line: `qwen25`, and `python -m qwen25`."""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from typing import Any, Callable, Collection, Dict, List, NoReturn, Tuple

from ..control_characters import escape_controls
from ..errors import QwenError
from ..version import __version__
from . import ask
from .completion import SHELLS, completion_script
from .failure import INTERRUPTED, report
from .terminal import print_message


def _chat() -> Any:
    from . import chat

    return chat


def _batch() -> Any:
    from . import batch

    return batch


def _serve() -> Any:
    from . import serve

    return serve


def _api() -> Any:
    from . import api

    return api


def _models() -> Any:
    from . import models

    return models


def _status() -> Any:
    from . import status

    return status


#: What a command does, and its module with `configure(parser)` and `run(arguments)`. A module is
#: imported when its command is called, by an import statement: PyInstaller sees no others.
_COMMANDS: Dict[str, Tuple[str, Callable[[], Any]]] = {
    "ask": ("ask one question; the word ask itself may be left out", lambda: ask),
    "chat": ("ask in turns", _chat),
    "batch": ("ask all questions of a file", _batch),
    "serve": ("run a Space on this machine", _serve),
    "api": ("answer programs that speak OpenAI's protocol", _api),
    "models": ("list the sizes that the Space offers", _models),
    "status": ("tell whether the Space is up, and how it is asked", _status),
}

#: Options of the program itself, which need no command.
_ALONE = ("-h", "--help", "--version", "--print-completion", "--print-man-page")

_ENVIRONMENT = """\
options of a question: qwen25 ask --help; of another command: qwen25 COMMAND --help

environment:
  QWEN25_SPACE   the Space to ask
  QWEN25_AUTH    NAME:PASSWORD, for the login of the app in QWEN25_SPACE
  QWEN25_API_KEY what callers of qwen25 api have to send as their key
  HF_TOKEN       a Hugging Face token, for a private Space
  HTTPS_PROXY, HTTP_PROXY, NO_COLOR as everywhere

exit codes:
  0 done   1 failed   2 usage   69 Space unavailable   75 try later   77 no access   130 Ctrl-C
"""


def main() -> int:
    """Run what the program's arguments say; returns the exit code."""
    verbosity = 0
    try:
        _prepare_streams()
        try:
            arguments = _parse(sys.argv[1:])
            verbosity = arguments.verbose
            _log(verbosity)
            code: int = arguments.run(arguments)
            return code
        finally:
            # Here a full disk or a closed pipe can still be told from success.
            sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return 0
    # Unforeseen errors are one line too, unless -vv asks for more.
    except Exception as error:
        if isinstance(error, OSError) and not isinstance(error, QwenError):
            _forget_output()
        return report(error, verbosity)


class _Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        print_message(f"qwen25: {' '.join(message.split())}. Try: {self.prog} --help")
        self.exit(2)


def _parse(words: List[str]) -> argparse.Namespace:
    words = _command_first(words)
    return _parser_of(words[:1]).parse_args(words)


def _parser_of(names: Collection[str]) -> _Parser:
    """The parser of the program, with the options of the commands of these names."""
    parser = _Parser(
        prog="qwen25",
        usage='%(prog)s [COMMAND] ...\n       %(prog)s "What is the capital of France?"',
        description="Ask Qwen2.5 and other chat apps on Hugging Face Spaces.",
        epilog=_ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"qwen25 {__version__}")
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        metavar="SHELL",
        choices=SHELLS,
        help="write the completion for bash, zsh or fish to standard output",
    )
    parser.add_argument(
        "--print-man-page",
        action=_PrintManPage,
        nargs=0,
        help="write the manual page to standard output",
    )
    commands = parser.add_subparsers(metavar="COMMAND", prog="qwen25")
    for name, (help, imported) in _COMMANDS.items():
        command = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
        if name in names:
            module = imported()
            module.configure(command)
            _add_verbose(command)
            command.set_defaults(run=module.run)
    return parser


class _PrintCompletion(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *values: Any) -> None:
        whole = _parser_of(_COMMANDS)
        ask.add_options(whole)  # they need no command
        print(completion_script(values[1], whole))
        parser.exit()


class _PrintManPage(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *values: Any) -> None:
        from .man_page import man_page

        print(man_page(_parser_of(_COMMANDS)), end="")
        parser.exit()


def _command_first(words: List[str]) -> List[str]:
    """The arguments with the command's name before its options; without a name it is `ask`."""
    if words[:1] and words[0].split("=")[0] in _ALONE:
        return words
    options = _Parser(prog="qwen25", add_help=False)
    ask.add_options(options)
    _add_verbose(options)
    options.add_argument("rest", nargs=argparse.REMAINDER)
    rest = options.parse_known_args(words)[0].rest
    before = words[: len(words) - len(rest)]
    if rest and rest[0] in _COMMANDS:
        return [rest[0], *before, *rest[1:]]
    return ["ask", *words]


def _add_verbose(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="log to standard error; -vv: more"
    )


def _prepare_streams() -> None:
    if sys.stdout is None:
        raise OSError("standard output is closed")
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(newline="\n")  # byte for byte, on Windows too


def _forget_output() -> None:
    """Let what could not be written go, or Python would try once more at its end, and complain."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _HarmlessFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return escape_controls(super().format(record))


def _log(verbosity: int) -> None:
    if verbosity:
        handler = logging.StreamHandler()
        handler.setFormatter(_HarmlessFormatter("%(asctime)s %(levelname)s %(message)s"))
        logger = logging.getLogger("qwen25")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO if verbosity == 1 else logging.DEBUG)
