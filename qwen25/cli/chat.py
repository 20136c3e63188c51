"""`qwen25 chat`: questions and answers in turns."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Callable, Dict

from .. import Client, Conversation, InvalidRequestError, QwenError
from ..client.spaces import first_that_tells
from .failure import INTERRUPTED, report
from .options import add_model_options, add_plain_option, add_space_options, client_of
from .output import output_for, write_answer
from .status_line import StatusLine
from .terminal import is_terminal, print_message, print_notice, write_stderr

_HELP = """\
/system [TEXT]  set the system prompt, or show it
/model [SIZE]   ask another model from now on, or list them
/undo           take back the last turn
/clear          start again; the system prompt stays
/save FILE      write the conversation into a file
/load FILE      go on with a conversation from a file
/help           this list
/exit           leave, as Ctrl-D does
A line that ends in \\ goes on in the next one; \"\"\" begins and ends a message of many lines.
Put a space before a message that begins with /. Ctrl-C stops an answer, which is then not kept."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_model_options(parser)
    add_space_options(parser)
    add_plain_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Talk until one of the two leaves."""
    try:
        import readline  # noqa: F401  its import gives input() arrow keys and a history
    except ImportError:
        pass  # as on Windows, whose terminal has them itself
    with client_of(arguments, model=arguments.model, system=arguments.system) as client:
        return _Chat(client, arguments).run()


class _Chat:
    def __init__(self, client: Client, arguments: argparse.Namespace) -> None:
        self._client = client
        self._plain: bool = arguments.plain
        self._verbosity: int = arguments.verbose
        self._talk = client.conversation(system=arguments.system, model=arguments.model)
        self._commands: Dict[str, Callable[[str], None]] = {
            "/system": self._system,
            "/model": self._model,
            "/undo": self._undo,
            "/clear": self._clear,
            "/save": self._save,
            "/load": self._load,
            "/help": self._help,
        }

    def run(self) -> int:
        print_notice("A chat with Qwen2.5. /help lists the commands, Ctrl-D leaves.")
        interrupted = False
        code = 0
        while True:
            try:
                line = _read(">>> ")
                if line.strip() == "/exit":
                    return code
                if not line.startswith("/"):
                    line = _message(line)
            except EOFError:
                print_notice("")
                return code
            except KeyboardInterrupt:
                if interrupted:
                    print_notice("")
                    return INTERRUPTED
                interrupted = True
                print_notice("\nCtrl-C once more, or Ctrl-D, leaves.")
                continue
            interrupted = False
            try:
                if line.startswith("/"):
                    self._command(line)
                elif line.strip():
                    self._ask(line)
            except QwenError as error:
                failed = report(error, self._verbosity)
                # At a prompt the person has seen it; a script has only the exit code.
                code = 0 if is_terminal(sys.stdin) else failed
            except KeyboardInterrupt:
                print_notice("Stopped.")

    def _ask(self, prompt: str) -> None:
        with StatusLine("Asking", shown=not self._verbosity) as status:
            stream = self._talk.stream(prompt, on_event=status.update)
            write_answer(stream, output_for(self._plain), status)

    def _command(self, line: str) -> None:
        name, _, rest = line.partition(" ")
        command = self._commands.get(name)
        if command is None:
            print_message(f"qwen25: There is no command {name}. /help lists those there are.")
        else:
            command(rest.strip())

    def _system(self, text: str) -> None:
        if text:
            self._talk.system = text
        print_message(f"System prompt: {self._talk.system or 'that of the Space'}")

    def _model(self, name: str) -> None:
        if name:
            spaces = self._client.spaces
            self._talk.model = first_that_tells(spaces, lambda space: space.size(name)) or name
        sizes = self._client.models or [str(self._talk.model)]
        print_message(" ".join(f"[{size}]" if size == self._talk.model else size for size in sizes))

    def _undo(self, _: str) -> None:
        self._talk.undo()
        self._tell_length()

    def _clear(self, _: str) -> None:
        self._talk.clear()
        self._tell_length()

    def _save(self, path: str) -> None:
        try:
            self._talk.save(_path(path))
        except OSError as error:
            print_message(
                f"qwen25: The file cannot be written: {error.strerror}. /save FILE elsewhere."
            )
        else:
            self._tell_length()

    def _load(self, path: str) -> None:
        try:
            self._talk = Conversation.load(_path(path), self._client)
        except OSError as error:
            print_message(f"qwen25: The file cannot be read: {error.strerror}. /load another FILE.")
        else:
            self._tell_length()

    def _help(self, _: str) -> None:
        print_message(_HELP)

    def _tell_length(self) -> None:
        turns = sum(message["role"] == "user" for message in self._talk.messages)
        print_notice(f"The conversation has {turns} turn{'' if turns == 1 else 's'}.")


def _path(path: str) -> str:
    if not path:
        raise InvalidRequestError("No file was named.", hint="Put its name behind the command.")
    return os.path.expanduser(path)


def _message(line: str) -> str:
    """The whole message that a line begins; the end of the input ends it too."""
    if line.startswith('"""'):
        lines = [line[3:]]
        while not lines[-1].endswith('"""'):
            try:
                lines.append(_read("... "))
            except EOFError:
                return "\n".join(lines)
        return "\n".join(lines)[:-3]
    lines = [line]
    while lines[-1].endswith("\\"):
        lines[-1] = lines[-1][:-1]
        try:
            lines.append(_read("... "))
        except EOFError:
            break
    return "\n".join(lines)


def _read(prompt: str) -> str:
    """A line from standard input; the prompt is shown only where it is typed."""
    if not is_terminal(sys.stdin):
        prompt = ""
    elif not is_terminal(sys.stdout):
        write_stderr(prompt)  # standard output has the answers only
        prompt = ""
    return input(prompt)
