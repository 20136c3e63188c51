"""Shell completion, made from the parser by shtab: `qwen25 --print-completion SHELL`."""

from __future__ import annotations

import argparse
from typing import List

from ..errors import InvalidRequestError
from ..sizes import SIZES

SHELLS = ("bash", "zsh", "fish")

#: The arguments that are paths of files, by their metavars.
_FILES = ("FILE", "IN", "OUT")


def completion_script(shell: str, parser: argparse.ArgumentParser) -> str:
    """The script that teaches a shell the options of a parser; the parser is changed for it.

    Raises:
        InvalidRequestError: shtab is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise InvalidRequestError(
            "The completion is made by the package shtab, and it is missing.",
            hint='Install it, for Python 3.9 or later: pip install "qwen25[cli]".',
        ) from error
    for action in actions_of(parser):
        if action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar == "SIZE":
            action.choices = SIZES
    script: str = shtab.complete(parser, shell)
    return script


def actions_of(parser: argparse.ArgumentParser) -> List[argparse.Action]:
    """All options and arguments of a parser, those of its commands among them."""
    found = []
    for action in parser._actions:
        found.append(action)
        for command in commands_of(action):
            found += actions_of(command)
    return found


def commands_of(action: argparse.Action) -> List[argparse.ArgumentParser]:
    """The parsers of the commands, if the action is the choice of one."""
    if not isinstance(action, argparse._SubParsersAction):
        return []
    return list(action.choices.values())
