"""The manual page, made from the parser: `qwen25 --print-man-page`."""

from __future__ import annotations

import argparse
import re
from typing import Iterable, List, Tuple

from ..version import __version__
from .completion import commands_of


def man_page(parser: argparse.ArgumentParser) -> str:
    """The manual page of a parser and its commands, as `man` reads it."""
    commands = [command for action in parser._actions for command in commands_of(action)]
    usage = [line.strip() for line in (parser.usage or "").splitlines()]
    lines = [
        f'.TH QWEN25 1 "" "qwen25 {__version__}" "User Commands"',
        ".SH NAME",
        _text(f"{parser.prog} - {_lower_first(parser.description or '').rstrip('.')}"),
        ".SH SYNOPSIS",
        *_separated(_bold(each % {"prog": parser.prog}) for each in usage),
        ".SH OPTIONS",
        *_options(parser),
        ".SH COMMANDS",
    ]
    for command in commands:
        lines += [f".SS {_text(command.prog)}", _text(command.description or "")]
        lines += _options(command)
    for heading, text in _sections(parser.epilog or ""):
        lines += [f".SH {heading.upper()}", ".nf", *map(_text, text), ".fi"]
    return "\n".join(lines) + "\n"


def _options(parser: argparse.ArgumentParser) -> Iterable[str]:
    for action in parser._actions:
        if action.help in (None, argparse.SUPPRESS) or commands_of(action):
            continue
        value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
        names = ", ".join(f"{name}{value}" for name in action.option_strings) or value.strip()
        yield from (".TP", _bold(names), _text(str(action.help) % {**vars(action)}))


def _sections(epilog: str) -> Iterable[Tuple[str, List[str]]]:
    """The headings that stand alone on a line, each with the lines below it."""
    for part in re.split(r"\n\n", epilog.strip()):
        heading, *text = part.splitlines()
        if heading.endswith(":") and text:
            yield heading.rstrip(":"), [line[2:] for line in text]


def _separated(lines: Iterable[str]) -> List[str]:
    return "\n.br\n".join(lines).split("\n")


def _bold(text: str) -> str:
    return f".B {_text(text)}"


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    # A line that begins with one of these would be a command.
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
