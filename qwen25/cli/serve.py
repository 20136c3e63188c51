"""`qwen25 serve`: a Space on this machine."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--gguf", metavar="FILE", help="the model: a GGUF file")
    model.add_argument(
        "-m",
        "--model",
        metavar="SIZE",
        help="a size such as 0.5B, downloaded from the Hugging Face hub",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, help="the port to listen on (default: a free one)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    from ..local.command import serve_until_interrupted

    return serve_until_interrupted(arguments.gguf, arguments.model, arguments.host, arguments.port)
