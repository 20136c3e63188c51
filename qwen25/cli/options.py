"""The options that commands share, and the client that they describe."""

from __future__ import annotations

import argparse
import os
from typing import Any, List, Optional, Tuple

from .. import Client, InvalidRequestError
from ..protocol.prompt import DEFAULT_MODEL
from ..transport.address import Address, default_spaces


def add_space_options(parser: argparse.ArgumentParser) -> None:
    """Which Space to ask, and how to reach it."""
    parser.add_argument(
        "--space",
        metavar="SPACE",
        action="append",
        help="id or URL of the Space; several, in order of preference, when it is repeated"
        " (default: $QWEN25_SPACE, with commas between several, else Qwen/Qwen2.5)",
    )
    parser.add_argument(
        "--endpoint",
        metavar="NAME",
        help="API name of the function to ask, for an app with several chats",
    )
    parser.add_argument(
        *("-i", "--input"),
        dest="settings",  # `input` is the file of a batch
        metavar="LABEL=VALUE",
        action="append",
        default=[],
        help="set one of the app's other inputs, such as Temperature=0.2; may be repeated",
    )
    parser.add_argument(
        "--flatten",
        action="store_true",
        help="put a system prompt or a history that the app has no place for into the prompt",
    )
    parser.add_argument(
        "--proxy", metavar="URL", help="for all requests (default: $HTTPS_PROXY and its kin)"
    )
    parser.add_argument("--timeout", metavar="SECONDS", type=float, help="for all of it")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """The options that choose the model and the system prompt."""
    parser.add_argument(
        *("-m", "--model"),
        metavar="SIZE",
        default=DEFAULT_MODEL,
        help="such as 7B or Coder-7B (default: the Space's own, 72B on Qwen/Qwen2.5)",
    )
    parser.add_argument("-s", "--system", metavar="TEXT", help="the system prompt")


def add_plain_option(parser: argparse.ArgumentParser) -> None:
    """How an answer looks on a terminal."""
    parser.add_argument(
        "--plain", action="store_true", help="bare text on a terminal too, no rendered Markdown"
    )


def client_of(arguments: argparse.Namespace, **options: Any) -> Client:
    """The client for the Space that `add_space_options` has read.

    Args:
        arguments: The parsed arguments.
        options: Further ones for the `Client`.
    """
    return Client(
        arguments.space,
        proxy=arguments.proxy,
        auth=_login(arguments.space),
        endpoint=arguments.endpoint,
        inputs=dict(map(_setting, arguments.settings)),
        flatten=arguments.flatten,
        **{"timeout": arguments.timeout, **options},
    )


def _setting(text: str) -> Tuple[str, str]:
    label, equals, value = text.partition("=")
    if not equals or not label.strip():
        raise InvalidRequestError(
            f"--input {text!r} has no label.", hint="Give a label, =, and a value: Temperature=0.2"
        )
    return label, value


def _login(spaces: Optional[List[str]]) -> Optional[Tuple[str, str]]:
    """`$QWEN25_AUTH`, which is for the one Space in `$QWEN25_SPACE` and shown to no other."""
    login = os.environ.get("QWEN25_AUTH")
    own = default_spaces()
    if not login or not os.environ.get("QWEN25_SPACE") or len(own) > 1:
        return None
    if spaces is not None and [Address.of(space) for space in spaces] != [Address.of(own[0])]:
        return None
    username, colon, password = login.partition(":")
    if not colon:
        raise InvalidRequestError(
            "QWEN25_AUTH is no login.", hint="Set it to the name, a colon, and the password."
        )
    return username, password
