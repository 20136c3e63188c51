"""`qwen25 models`: the sizes that the Space offers."""

from __future__ import annotations

import argparse

from .options import add_space_options, client_of
from .terminal import print_line, print_notice


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_space_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one size a line."""
    with client_of(arguments) as client:
        sizes = client.models
    for size in sizes:
        print_line(size)
    if not sizes:
        print_notice("This Space offers no choice of a model.")
    return 0
