"""Check that docs, messages and docstrings have no words that a reader has to look up.

Run by `make lint`, beside codespell. Prints each place with a better word, and fails then.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: What not to write, as a regular expression, and what to write in its place.
BETTER = {
    "nobody": "no one; or say what happens",
    "somebody": "someone; or say who",
    "who(?:m|so)?ever": "anyone who; or say who",
    "anew": "again",
    "whence|thereof|wherein|hereby|hitherto|lest|albeit": "a plain word",
    "be meant so": "is invalid",
    "who asks what|who stands on whom": "a title that names the subject",
    "utili[sz]e": "use",
    "leverag(?:e|es|ed|ing)": "use",
    "whilst|amongst": "while, among",
    "in order to": "to",
}
_WORDS = re.compile("|".join(rf"\b({word})\b" for word in BETTER), re.IGNORECASE)


def pages():
    """The texts that users read: pages, and the code with its docstrings and messages."""
    yield from [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    yield from sorted((ROOT / "docs").rglob("*.md"))
    yield from sorted((ROOT / ".github").rglob("*.md"))
    yield from sorted((ROOT / "qwen25").rglob("*.py"))


def findings(text):
    """Each word that is found: its line, the word, and what is better."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in _WORDS.finditer(line):
            index = next(i for i, group in enumerate(found.groups()) if group)
            yield number, found[0], list(BETTER.values())[index]


def main():
    count = 0
    for page in pages():
        for line, word, better in findings(page.read_text(encoding="utf-8")):
            print(f"{page.relative_to(ROOT)}:{line}: {word!r}; better: {better}")
            count += 1
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main()
