"""`qwen25 api`: a server for programs that speak OpenAI's protocol."""

from __future__ import annotations

import argparse
from typing import Dict, List

from ..errors import InvalidRequestError
from .options import add_space_options, client_of
from .terminal import print_message


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_space_options(parser)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="where to listen (default: %(default)s); another address needs $QWEN25_API_KEY",
    )
    parser.add_argument("--port", type=int, default=8000, help="default: %(default)s; 0 is any")
    parser.add_argument(
        "--alias",
        metavar="NAME=SIZE",
        action="append",
        default=[],
        help="another name of a model, such as gpt-4o-mini=72B; may be given several times",
    )
    parser.add_argument(
        "--origin",
        metavar="URL",
        action="append",
        default=[],
        help="a page in a browser that may ask, such as http://localhost:3000; several times too",
    )
    parser.add_argument(
        "--no-flatten",
        action="store_true",
        help="refuse a system prompt or a history that the Space has no place for, which otherwise"
        " goes into the prompt",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=int,
        default=8,
        help="how many requests are asked at once, at most (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    from ..openai import serve

    options = {
        "host": arguments.host,
        "port": arguments.port,
        "aliases": _aliases(arguments.alias),
        "origins": arguments.origin,
        "workers": arguments.workers,
        "flatten": not arguments.no_flatten,
    }
    with client_of(arguments) as client, serve(client, **options) as server:
        spaces = " or ".join(space.id or space.url for space in client.spaces)
        print_message(f"qwen25: {server.base_url} is answered by {spaces} (Ctrl-C ends it)")
        server.wait()
    return 0


def _aliases(pairs: List[str]) -> Dict[str, str]:
    aliases = {}
    for pair in pairs:
        name, equals, size = pair.partition("=")
        if not equals:
            raise InvalidRequestError(
                f"--alias {pair} is not an alias.", hint="Write NAME=SIZE, as in gpt-4o-mini=72B."
            )
        aliases[name] = size
    return aliases
