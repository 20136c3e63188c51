"""Check what has to be true before a version is tagged, but for what the other checks tell.

Run by `make release-check`, before these. Prints all that is not true, and fails then.
"""

import configparser
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def said_by(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    return done.stdout.strip()


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def version():
    return re.search(r'^__version__ = "(.+)"$', text_of("qwen25/version.py"), re.MULTILINE)[1]


def wrong_in_git():
    if said_by("git", "status", "--porcelain"):
        yield "There are changes that are not committed."
    if said_by("git", "rev-parse", "--abbrev-ref", "HEAD") != "main":
        yield "This is not the branch main."
    if said_by("git", "tag", "--list", f"v{version()}"):
        yield f"The tag v{version()} is there already: raise the version in qwen25/version.py."


def wrong_in_changelog():
    sections = re.split(r"^## ", text_of("CHANGELOG.md"), flags=re.MULTILINE)[1:]
    titles = [section.partition("\n")[0] for section in sections]
    if not any(re.fullmatch(rf"{re.escape(version())} - \d{{4}}-\d\d-\d\d", t) for t in titles):
        yield f"CHANGELOG.md has no section `## {version()} - YYYY-MM-DD`."
    for title, section in zip(titles, sections):
        if title == "Unreleased" and "\n- " in section:
            yield "CHANGELOG.md has changes under Unreleased: move them into the version's section."


def wrong_in_benchmarks():
    figures = re.findall(r"^\|.*\| ((?:NOT )?MET|met) \|$", text_of("docs/benchmarks.md"), re.M)
    if not figures or set(figures) != {"met"}:
        yield "docs/benchmarks.md shows a figure that is not met, or none: run make bench."


def wrong_in_dependencies():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(setup["options"]["install_requires"])
        requirements.flush()
        # Without --strict, what it can learn nothing about counts as sound.
        audit = [sys.executable, "-m", "pip_audit", "--strict", "--progress-spinner", "off"]
        done = subprocess.run(
            [*audit, "--requirement", requirements.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    if done.returncode:
        reason = done.stdout.strip().splitlines()[-1:]
        yield f"pip-audit does not pass the run-time dependencies: {' '.join(reason)}"


def main():
    checks = (wrong_in_git, wrong_in_changelog, wrong_in_benchmarks, wrong_in_dependencies)
    wrong = [problem for check in checks for problem in check()]
    for problem in wrong:
        print(f"NOT READY: {problem}")
    if wrong:
        sys.exit(1)
    print(f"{version()} can be tagged when the other checks pass")


if __name__ == "__main__":
    main()
