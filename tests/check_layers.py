"""Check the direction of imports, and that each contract fails when it is broken.

Run by `make lint`; prints one line, and fails with the report of import-linter.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: For each contract in setup.cfg, an import that breaks it: the file, and the line.
BREAKS = {
    "Imports point down": ("qwen25/transport/address.py", "from ..client import limiter"),
    "The protocol is pure": ("qwen25/protocol/prompt.py", "import socket"),
    "Only the transport knows": ("qwen25/client/limiter.py", "import requests"),
    "Inner parts of urllib3": ("qwen25/transport/auth.py", "import urllib3"),
}


def lint(folder):
    command = [Path(sys.executable).parent / "lint-imports", "setup.cfg"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout


def main():
    code, report = lint(ROOT)
    assert code == 0, report
    for name, (file, line) in BREAKS.items():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(ROOT / "qwen25", Path(folder, "qwen25"))
            shutil.copy(ROOT / "setup.cfg", folder)
            path = Path(folder, file)
            path.write_text(f"{path.read_text()}\n{line}\n")
            code, report = lint(folder)
            broken = [row for row in report.splitlines() if " BROKEN" in row]
        assert code and any(row.startswith(name) for row in broken), (name, report)
    print(f"imports point down; {len(BREAKS)} contracts hold, and each fails when it is broken")


if __name__ == "__main__":
    main()
