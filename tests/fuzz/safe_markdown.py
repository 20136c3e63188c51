"""Look for Markdown that does something after `safe_markdown`: python tests/fuzz/safe_markdown.py

Each text that is found is printed, with the converter; the exit code is then 1.
"""

import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from converters import Converters, check  # noqa: E402
from mixtures import mixture  # noqa: E402

from qwen25.notebook import safe_markdown  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=random.randrange(10**9))
    parser.add_argument("--raw", action="store_true", help="without safe_markdown: finds much")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    texts = pages = found = 0
    end = time.monotonic() + arguments.seconds
    with Converters() as converters:
        for name, reason in converters.missing.items():
            print(f"{name}: {reason}")
        while time.monotonic() < end:
            text = mixture(chance)
            markdown = text if arguments.raw else safe_markdown(text)
            texts += 1
            for name, html in converters.html(markdown).items():
                pages += 1
                try:
                    check(html)
                except AssertionError as error:
                    found += 1
                    if found <= 20:
                        print(
                            f"{name}: {text!r}\n  becomes {markdown!r}\n  and {html!r}\n  {error}"
                        )
    print(f"seed {arguments.seed}: {texts} texts, {pages} pages of HTML, {found} that do something")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
