"""Replacing a file: whole, private and in its place."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading

import pytest

from qwen25 import InvalidRequestError
from qwen25.files import path_of, replacing

posix_only = pytest.mark.skipif(
    os.name != "posix", reason="permissions and links as POSIX has them"
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def replace(path, content=b"new"):
    with replacing(path) as file:
        file.write(content)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_replaced_and_nothing_is_left_beside_it(path):
    for content in (b"one", b"two"):
        replace(path, content)
        assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]


def test_the_path_leads_to_the_old_content_until_the_new_one_is_whole(path):
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"half")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"half"


@posix_only
@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o666])
def test_permissions_stay(path, permissions):
    path.touch()
    path.chmod(permissions)
    replace(path)
    assert mode(path) == permissions


@posix_only
def test_a_private_file_is_private_while_it_is_written(path):
    path.touch()
    path.chmod(0o600)
    with replacing(path):
        assert {mode(file) for file in path.parent.iterdir()} == {0o600}


@posix_only
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_new_file_has_the_permissions_of_any_new_file(path, mask):
    code = f"import os; os.umask({mask}); from qwen25.files import replacing\n"
    code += f"with replacing({str(path)!r}): pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert mode(path) == 0o666 & ~mask


@posix_only
def test_a_symbolic_link_stays_and_the_file_behind_it_is_replaced(path):
    (path.parent / "folder").mkdir()
    behind = path.parent / "folder" / "real"
    behind.write_bytes(b"old")
    path.symlink_to(behind)
    replace(path)
    assert path.is_symlink()
    assert behind.read_bytes() == b"new"


@posix_only
def test_a_link_to_a_file_that_is_not_there_makes_it_there(path):
    behind = path.parent / "real"
    path.symlink_to(behind)
    replace(path)
    assert path.is_symlink() and behind.read_bytes() == b"new"


@posix_only
def test_a_link_at_the_temporary_name_is_not_written_through(path, monkeypatch):
    victim = path.parent / "victim"
    victim.write_bytes(b"mine")
    monkeypatch.setattr(os, "urandom", bytes)
    (path.parent / f".qwen25-{bytes(8).hex()}.tmp").symlink_to(victim)
    with pytest.raises(FileExistsError):
        replace(path)
    assert victim.read_bytes() == b"mine"


def test_the_temporary_name_is_another_one_each_time(path):
    names = set()
    for _ in range(20):
        with replacing(path):
            names.update(os.listdir(path.parent))
    assert len(names - {path.name}) == 20


@pytest.mark.parametrize("moment", ["block", "fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_after_a_failure_the_old_file_is_there_and_nothing_else(path, monkeypatch, moment, error):
    path.write_bytes(b"old")

    def fail(*_):
        raise error

    if moment != "block":
        monkeypatch.setattr(os, moment, fail)
    with pytest.raises(type(error)) as caught:
        with replacing(path):
            if moment == "block":
                fail()
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]
    if isinstance(error, OSError):
        assert caught.value.filename == str(path)


def test_threads_that_write_one_file_never_fail_and_it_is_always_whole(path):
    contents = [bytes([number]) * 10_000 for number in range(4)]
    replace(path, contents[0])
    failed, seen, ended = [], set(), threading.Event()

    def write(content):
        try:
            for _ in range(50):
                replace(path, content)
        except BaseException as error:
            failed.append(error)

    def read():
        while not ended.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in [reader, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    ended.set()
    reader.join()
    assert failed == []
    assert seen <= set(contents)
    assert os.listdir(path.parent) == [path.name]


@posix_only
def test_what_is_no_regular_file_is_written_to():
    replace(os.devnull)
    assert not stat.S_ISREG(os.stat(os.devnull).st_mode)


@posix_only
def test_a_name_of_the_greatest_length_can_be_replaced(path):
    path = path.with_name("n" * 255)
    replace(path)
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("bad", [0, True, None, 1.5, "", "a\0b", [], object()], ids=repr)
def test_what_is_no_path_is_refused(bad):
    with pytest.raises(InvalidRequestError, match="not the path of a file"):
        path_of(bad)


@pytest.mark.parametrize("path", ["/no/such/folder/file", "."])
def test_a_place_that_cannot_be_written_is_an_error_with_its_name(path):
    with pytest.raises(OSError) as caught:
        replace(path)
    assert caught.value.filename == path
