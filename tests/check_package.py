"""Build the wheel and the sdist, check them, and use the wheel in an empty environment.

Run by `make lint`; prints one line, and fails with the reason.
"""

import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
USE = """
from qwen25 import Client
from qwen25.testing import FakeSpace
with FakeSpace(["Hello", " world"]) as space:
    assert Client(space.url).complete("Hi") == "Hello world"
"""


def run(*command):
    subprocess.run([str(word) for word in command], check=True, cwd=ROOT, timeout=600)


def build(dist):
    command = [sys.executable, "-m", "build", "--outdir", str(dist)]
    done = subprocess.run(
        command, cwd=ROOT, timeout=600, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout
    for word in ("Warning", "deprecated"):
        assert word not in done.stdout, f"the build warns:\n{done.stdout}"


def check_contents(wheel, sdist):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode("utf-8")
    lines = text.splitlines()
    assert "\n```python\n" in text, "the wheel has no page for an index"
    dead = re.findall(r"\]\((?!https?:)[^)]*\)", text)
    assert not dead, f"on an index these links would be dead: {dead}"
    assert "License-Expression: MIT" in lines, "the wheel has no licence expression"
    assert "qwen25/py.typed" in names, "the wheel has no py.typed"
    strangers = [name for name in names if not name.startswith(("qwen25/", "qwen25-"))]
    assert not strangers, f"the wheel holds {strangers}"
    with tarfile.open(sdist) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("setup.cfg", "setup.py", "LICENSE", "README.md", "qwen25/client/client.py"):
        assert name in files, f"the sdist lacks {name}"


def main():
    with tempfile.TemporaryDirectory() as folder:
        dist, empty = Path(folder, "dist"), Path(folder, "empty")
        build(dist)
        (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
        run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
        check_contents(wheel, sdist)
        venv.create(empty, with_pip=True)
        python = empty / "bin" / "python"
        run(python, "-m", "pip", "install", "--quiet", wheel)
        run(python, "-W", "error", "-c", USE)
        run(empty / "bin" / "qwen25", "--version")
    print(f"{wheel.name} and {sdist.name} are sound")


if __name__ == "__main__":
    main()
