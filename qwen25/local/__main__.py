"""`python -m qwen25.local PROMPT`: one question to a local Space that is started for it."""

from __future__ import annotations

import argparse
import sys

from .command import ask_once


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m qwen25.local",
        description="Start a local Space, ask it one question, print the answer, and stop it.",
    )
    parser.add_argument("prompt", help="what to ask")
    return ask_once(parser.parse_args().prompt)


if __name__ == "__main__":
    sys.exit(main())
