"""Completion in the shells themselves, and the manual page as `man` shows it."""

import os
import select
import shutil
import subprocess
import sys
import time

import pytest
from command import PATIENCE, run

posix = pytest.mark.skipif(os.name == "nt", reason="shells of POSIX")

#: What is typed, and words that it has to be completed with.
LINES = [
    ("qwen25 ba", ["batch"]),
    ("qwen25 batch --re", ["--retry-failed"]),
    ("qwen25 -m Cod", ["Coder-7B", "Coder-1.5B"]),
    ("qwen25 chat --model Math-1", ["Math-1.5B"]),
    ("qwen25 --print-completion f", ["fish"]),
    ("qwen25 serve --gguf mod", ["model.gguf"]),
    ("qwen25 batch que", ["questions.txt"]),
]


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Makes a shell's script, in a folder with two files that can be completed."""
    pytest.importorskip("shtab")
    monkeypatch.chdir(tmp_path)
    for name in ("model.gguf", "questions.txt"):
        (tmp_path / name).touch()
    path = os.pathsep.join(sys.path)  # the folder is another one

    def script(shell):
        if shutil.which(shell) is None:
            pytest.skip(f"not installed: {shell}")
        done = run("--print-completion", shell, PYTHONPATH=path)
        assert (done.returncode, done.stderr) == (0, b"")
        folder = tmp_path / "functions"
        folder.mkdir()
        (folder / "_qwen25").write_bytes(done.stdout)
        return folder / "_qwen25"

    return script


def output_of(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=PATIENCE, check=True)
    return done.stdout.decode()


@posix
def test_bash_completes(script):
    lines = [f"source {script('bash')}"]
    for line, _ in LINES:
        lines += [f"COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=()"]
        lines += ['_shtab_qwen25 qwen25 "${COMP_WORDS[COMP_CWORD]}"; echo "${COMPREPLY[@]}"']
    completed = output_of("bash", "--norc", "-c", "\n".join(lines)).splitlines()
    assert [line.split() for line in completed] == [words for _, words in LINES]


@posix
def test_fish_completes(script):
    source = f"source {script('fish')}"
    for line, words in LINES:
        lines = output_of("fish", "--no-config", "-c", f"{source}; complete -C '{line}'")
        assert [each.split("\t")[0] for each in lines.splitlines()] == words, line


@posix
@pytest.mark.parametrize("line, words", LINES, ids=[line for line, _ in LINES])
def test_zsh_completes(script, line, words):
    import pty

    setup = f"fpath=({script('zsh').parent} $fpath); autoload -U compinit; compinit -u -D"
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "dumb", "PS1": "> "}
    with subprocess.Popen(
        ["zsh", "-f", "-i"], stdin=slave, stdout=slave, stderr=slave, env=environment
    ) as zsh:
        try:
            # What is typed is echoed: the quotes keep the echo from looking like the output.
            os.write(master, f"{setup}; echo re'a'dy\n".encode())
            read_until(master, ["\nready"])
            # The first one completes what all words have in common, the second one lists them.
            os.write(master, f"{line}\t\t".encode())
            read_until(master, words)
        finally:
            zsh.kill()
            os.close(slave)
    os.close(master)


def read_until(source, words):
    """Read from a terminal until all words have come."""
    output = b""
    deadline = time.monotonic() + PATIENCE
    while not all(word.encode() in output for word in words):
        ready = select.select([source], [], [], max(deadline - time.monotonic(), 0))[0]
        assert ready, output.decode()
        output += os.read(source, 65536)
    return output


def test_another_shell_is_a_wrong_usage():
    done = run("--print-completion", "csh")
    assert done.returncode == 2
    assert b"bash" in done.stderr and b"zsh" in done.stderr and b"fish" in done.stderr


def test_without_shtab_the_command_says_how_to_get_it(tmp_path, monkeypatch):
    (tmp_path / "shtab.py").write_text("raise ImportError('hidden')\n")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = run("--print-completion", "bash", PYTHONPATH=path)
    assert done.returncode == 2
    assert b'pip install "qwen25[cli]"' in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_the_manual_page_has_every_command_and_option():
    page = run("--print-man-page").stdout.decode().replace("\\-", "-")
    for word in ("batch", "--retry-failed", "--gguf FILE", "QWEN25_SPACE", "75 try later"):
        assert word in page


def test_man_shows_the_manual_page_without_a_complaint(tmp_path):
    if shutil.which("groff") is None:
        pytest.skip("not installed: groff")
    page = tmp_path / "qwen25.1"
    page.write_bytes(run("--print-man-page").stdout)
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", str(page)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
    )
    assert done.stderr == b""
    assert "QWEN25(1)" in done.stdout.decode()
