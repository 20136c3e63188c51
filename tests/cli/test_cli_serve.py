"""`qwen25 serve` hands its arguments on; what it starts is tested with the local Space."""

from __future__ import annotations

from command import run


def test_a_model_file_that_is_not_there_is_code_1():
    done = run("serve", "--gguf", "/nowhere/model.gguf")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"\nqwen25: " in b"\n" + done.stderr and b"Traceback" not in done.stderr


def test_a_file_and_a_size_are_one_too_many():
    done = run("serve", "--gguf", "a.gguf", "-m", "0.5B")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"not allowed with" in done.stderr
