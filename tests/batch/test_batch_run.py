"""`qwen25.batch.run`: from file to file, and how it continues."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import threading
import time
import tracemalloc
from io import FileIO

import pytest

from qwen25 import Client, InvalidRequestError
from qwen25.batch import Batch, journal, run
from qwen25.batch.input import Lines
from qwen25.cli.batch import _finishing_at_interrupt
from qwen25.client.map import MapRun
from qwen25.testing import Fail, FakeSpace, Gate, Reply


@pytest.fixture
def space():
    with FakeSpace(lambda question: f"<{question.prompt}>") as space:
        yield space


@pytest.fixture
def client(space):
    with Client(space.url) as client:
        yield client


@pytest.fixture
def files(tmp_path):
    return tmp_path / "in", tmp_path / "out.jsonl"


def write(path, *lines):
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


def records(path):
    return sorted(map(json.loads, path.read_bytes().splitlines()), key=lambda line: line["index"])


def asked(space):
    return [request.json["data"][0] for request in space.requests if request.path.endswith("/join")]


# What is asked


def test_each_line_of_text_is_a_prompt_and_each_answer_a_line_of_json(files, client):
    source, out = files
    write(source, "Hello", "", "Grüße, 北京", "  ", "three")
    summary = run(source, out, client=client)
    lines = records(out)
    assert [(line["index"], line["id"], line["text"]) for line in lines] == [
        (0, 0, "<Hello>"),
        (1, 1, "<Grüße, 北京>"),
        (2, 2, "<three>"),
    ]
    assert {tuple(line) for line in lines} == {
        ("index", "id", "digest", "text", "space", "seconds", "attempts")
    }
    assert (summary.answered, summary.failed) == (3, 0)


def test_lines_of_json_have_a_prompt_or_messages_and_options(files, space, client):
    source, out = files
    questions = []
    space.answer = lambda question: questions.append(question) or question.prompt
    messages = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "third"},
    ]
    write(
        source,
        json.dumps({"prompt": "first", "id": "a", "model": "7B", "system": "Short."}),
        json.dumps({"prompt": "second\nin two lines"}),
        json.dumps({"messages": messages, "id": None}),
    )
    run(source, out, client=client, workers=1)
    assert [(line["id"], line["text"]) for line in records(out)] == [
        ("a", "first"),
        (1, "second\nin two lines"),
        (None, "third"),
    ]
    assert [question.size for question in questions] == ["7B", "72B", "72B"]
    assert questions[0].system == "Short."
    assert [turn["content"] for turn in questions[2].history] == ["Hello", "Hi"]


@pytest.mark.parametrize(
    ("first", "prompt"),
    [
        pytest.param(b"\xef\xbb\xbfHello\r\n", "Hello", id="byte order mark and CRLF"),
        pytest.param(b'"quoted"\n', '"quoted"', id="a JSON string is text"),
        pytest.param(b"42\n", "42", id="a number is text"),
        pytest.param(b'{"prompt": "x"\n', '{"prompt": "x"', id="half an object is text"),
        pytest.param(b"no newline at the end", "no newline at the end", id="no newline"),
        pytest.param("a\u2028b\x85c\n".encode(), "a\u2028b\x85c", id="other line ends are text"),
        pytest.param(b'\n\n{"prompt": "x"}\n', "x", id="JSON after blank lines"),
    ],
)
def test_the_first_line_decides_between_text_and_json(files, client, first, prompt):
    source, out = files
    source.write_bytes(first)
    run(source, out, client=client)
    assert [line["text"] for line in records(out)] == [f"<{prompt}>"]


@pytest.mark.parametrize("kind", [str, lambda prompt: json.dumps({"prompt": prompt})])
@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16LE"),
        ("utf-16-be", "UTF-16BE"),
        ("utf-32", "UTF-32"),
        ("utf-32-le", "UTF-32LE"),
        ("utf-32-be", "UTF-32BE"),
    ],
)
def test_an_input_in_another_encoding_is_refused_at_once(
    files, space, client, encoding, name, kind
):
    """The hint names the order of the bytes where no mark does: iconv would take one of its own."""
    source, out = files
    source.write_bytes((kind("What is this?") + "\n").encode(encoding))
    with pytest.raises(InvalidRequestError, match=f" {name} ") as caught:
        run(source, out, client=client)
    assert f"iconv -f {name} -t UTF-8" in caught.value.hint
    assert not space.requests
    assert out.read_bytes() == b""


@pytest.mark.parametrize("stream", [None, io.StringIO("one\n")], ids=["closed", "without bytes"])
def test_standard_input_that_cannot_be_read_is_refused(files, client, monkeypatch, stream):
    monkeypatch.setattr("sys.stdin", stream)
    with pytest.raises(InvalidRequestError, match="Standard input"):
        run("-", files[1], client=client)
    assert not files[1].exists()


def test_an_id_is_written_as_it_was_read(files, client):
    source, out = files
    ids = ["a", 1.5, True, None, {"page": [1, "\ud800"]}, 10**30, json.loads("[" * 64 + "]" * 64)]
    write(source, *(json.dumps({"prompt": "x", "id": each}) for each in ids))
    run(source, out, client=client)
    assert [line["id"] for line in records(out)] == ids


def test_half_a_surrogate_pair_makes_a_valid_line(files, client):
    source, out = files
    write(source, json.dumps({"prompt": "Hi", "id": "half \ud800 of it"}))
    run(source, out, client=client)
    assert out.read_bytes().decode("utf-8")
    assert [line["id"] for line in records(out)] == ["half \ud800 of it"]


def test_json_of_another_kind_is_refused_and_nothing_is_written(files, space, client):
    source, out = files
    write(source, '{"question": "What?"}')
    with pytest.raises(InvalidRequestError, match="without `prompt`"):
        run(source, out, client=client)
    assert not space.requests
    assert out.read_bytes() == b""


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'{"id": 7}', id="no prompt"),
        pytest.param(b'{"prompt": "a", "messages": []}', id="both"),
        pytest.param(b'{"prompt": "a", "model": 7}', id="model is a number"),
        pytest.param(b'{"prompt": ""}', id="empty prompt"),
        pytest.param(b'{"prompt": 7}', id="prompt is a number"),
        pytest.param(b'{"prompt": "\xff"}', id="not UTF-8"),
        pytest.param(b"[" * 100_000, id="too deep"),
        pytest.param(b'{"prompt": "a", "id": NaN}', id="NaN"),
        pytest.param(b'{"prompt": "a", "id": [-Infinity]}', id="infinity"),
        pytest.param(b'{"prompt": "a", "id": 1e999}', id="a number that is too large"),
        pytest.param(b'{"prompt": "a", "id": ' + b"[" * 900 + b"]" * 900 + b"}", id="deep id"),
        pytest.param(b'{"prompt": "a", "id": ' + b"[" * 65 + b"]" * 65 + b"}", id="65 levels"),
        pytest.param('{"prompt": "a"}'.encode("utf-16-le"), id="UTF-16"),
    ],
)
def test_a_line_that_cannot_be_asked_fails_and_the_others_are_answered(files, client, line):
    source, out = files
    source.write_bytes(b'{"prompt": "first"}\n' + line + b'\n{"prompt": "last"}\n')
    summary = run(source, out, client=client)
    first, bad, last = records(out)
    for line in out.read_bytes().splitlines():
        json.loads(line, parse_constant=pytest.fail)
    assert (first["text"], last["text"]) == ("<first>", "<last>")
    assert bad["error"].startswith("InvalidRequestError: ")
    assert (summary.answered, summary.failed, summary.last_error) == (2, 1, bad["error"])


def test_an_empty_input_is_a_batch_of_nothing(files, client):
    source, out = files
    write(source)
    summary = run(source, out, client=client)
    assert (summary.answered, summary.failed, summary.last_error) == (0, 0, None)


def test_limit_is_for_this_run(files, space, client):
    source, out = files
    write(source, *range(10))
    assert run(source, out, client=client, limit=3).answered == 3
    assert run(source, out, client=client, limit=3).answered == 3
    assert [line["index"] for line in records(out)] == list(range(6))


@pytest.mark.parametrize("limit", [0, -1, True, 1.5])
def test_a_limit_is_a_number_of_prompts(files, client, limit):
    write(files[0], "Hi")
    with pytest.raises(InvalidRequestError):
        run(*files, client=client, limit=limit)


@pytest.mark.parametrize(
    "options",
    [{"client": "Qwen/Qwen2.5"}, {"executor": 4}, {"workers": 0}, {"timeout": -1}],
    ids=str,
)
def test_wrong_arguments_are_refused_before_a_file_is_made(files, client, options):
    write(files[0], "Hi")
    with pytest.raises(InvalidRequestError):
        run(*files, **{"client": client, **options})
    assert not files[1].exists()


@pytest.mark.parametrize("path", [0, True, None, "", "a\0b"], ids=repr)
def test_what_is_no_path_is_refused(files, client, path):
    write(files[0], "Hi")
    for paths in ((path, files[1]), (files[0], path)):
        with pytest.raises(InvalidRequestError, match="not the path of a file"):
            run(*paths, client=client)


def test_without_a_client_it_asks_the_default_space(files, space, monkeypatch):
    monkeypatch.setenv("QWEN25_SPACE", space.url)
    write(files[0], "Hi")
    assert run(*files).answered == 1


# Continuing


def test_what_is_answered_is_not_asked_again(files, space, client):
    source, out = files
    write(source, *range(10))
    run(source, out, client=client, limit=4)
    before = out.read_bytes()
    summary = run(source, out, client=client)
    assert out.read_bytes().startswith(before)
    assert sorted(asked(space)) == [str(number) for number in range(10)]
    assert (summary.answered, summary.answered_before) == (6, 4)


def test_an_input_that_has_grown_at_its_end_goes_on(files, space, client):
    source, out = files
    write(source, *range(3))
    run(source, out, client=client)
    write(source, *range(5))
    assert run(source, out, client=client).answered == 2


@pytest.mark.parametrize("keep", [0, 1, 9, 40, -1])
def test_a_half_written_last_line_is_dropped_and_asked_again(files, client, keep):
    source, out = files
    write(source, *range(3))
    run(source, out, client=client, workers=1)
    first, second, third = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(first + second + third[:keep])
    assert run(source, out, client=client).answered == 1
    assert out.read_bytes().count(b"\n") == 3
    assert [line["text"] for line in records(out)] == ["<0>", "<1>", "<2>"]


@pytest.mark.parametrize("keep", [1, 9, 40])
def test_half_a_first_line_is_one_too(files, client, keep):
    source, out = files
    write(source, "Hi")
    run(source, out, client=client)
    out.write_bytes(out.read_bytes()[:keep])
    assert run(source, out, client=client).answered == 1
    assert [line["text"] for line in records(out)] == ["<Hi>"]


def test_bytes_that_never_reached_the_disk_are_half_a_line_too(files, client):
    """After a loss of power a file may be as long as it was to be, and end in zeros."""
    source, out = files
    write(source, "0", "1")
    run(source, out, client=client, workers=1)
    first = out.read_bytes().splitlines(keepends=True)[0]
    out.write_bytes(first + bytes(100))
    run(source, out, client=client)
    assert [line["text"] for line in records(out)] == ["<0>", "<1>"]


def test_failed_prompts_are_asked_again_only_with_retry_failed(files, space, client):
    source, out = files
    write(source, *range(4))
    space.answer = lambda question: Fail("no") if question.prompt in "13" else "fine"
    summary = run(source, out, client=client)
    assert (summary.answered, summary.failed) == (2, 2)
    space.answer = lambda question: Fail("no") if question.prompt == "3" else "fine"
    summary = run(source, out, client=client)
    assert summary[1:5] == (0, 0, 2, 2)
    summary = run(source, out, client=client, retry_failed=True)
    assert summary[1:5] == (1, 1, 2, 0)
    lines = records(out)
    assert [line["index"] for line in lines] == [0, 1, 2, 3]
    assert ["error" in line for line in lines] == [False, False, False, True]


def test_retry_failed_keeps_the_answers_the_file_and_its_rights(files, space, client):
    source, out = files
    write(source, "0", "1")
    space.answer = lambda question: Fail() if question.prompt == "0" else "fine"
    elsewhere = out.with_name("elsewhere")
    elsewhere.touch()
    elsewhere.chmod(0o640)
    out.symlink_to(elsewhere)
    run(source, out, client=client)
    kept = [line for line in elsewhere.read_bytes().splitlines() if b"fine" in line]
    run(source, out, client=client, retry_failed=True)
    assert elsewhere.read_bytes().splitlines()[0] == kept[0]
    assert out.is_symlink()
    assert elsewhere.stat().st_mode & 0o777 == 0o640
    assert {path.name for path in out.parent.iterdir()} == {"in", "out.jsonl", "elsewhere"}


def test_a_failed_line_may_be_corrected_before_it_is_asked_again(files, client):
    source, out = files
    write(source, '{"prompt": "0"}', '{"prompt": ""}')
    run(source, out, client=client)
    write(source, '{"prompt": "0"}', '{"prompt": "1"}')
    assert run(source, out, client=client, retry_failed=True).answered == 1
    assert [line["text"] for line in records(out)] == ["<0>", "<1>"]


# What is refused


def changed(lines):
    return ["another", *lines[1:]]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(changed, id="changed"),
        pytest.param(lambda lines: lines[:-1], id="shorter"),
        pytest.param(lambda lines: lines[1:] + lines[:1], id="in another order"),
        pytest.param(lambda lines: [], id="empty"),
    ],
)
def test_an_out_of_another_input_is_refused_before_anything_is_asked(files, space, client, change):
    source, out = files
    lines = ["zero", "one", "two"]
    write(source, *lines)
    run(source, out, client=client)
    # The first has no answer yet: it must not be asked before the others were compared.
    answered = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(line for line in answered if b"<zero>" not in line))
    before, questions = out.read_bytes(), len(asked(space))
    write(source, *change(lines))
    if change is changed:
        write(source, "zero", "another", "two")
    with pytest.raises(InvalidRequestError, match="does not belong to this input"):
        run(source, out, client=client)
    assert out.read_bytes() == before
    assert len(asked(space)) == questions


@pytest.mark.parametrize(
    "content",
    [
        b"my thesis",
        b"my thesis\n",
        b'{"index": "a", "digest": "00"}\n',
        b'{"index": 0, "digest": "00", "seconds": 1}\n',
        b'{"index": -1, "digest": "00", "text": ""}\n',
        b'{"index": 0, "digest": "00", "text": "", "error": ""}\n',
        b'{"index": 0, "digest": "1111111111111111", "text": "", "error": ""}\n',
        b'{"index": 0, "digest": "no digits", "text": ""}\n',
        b'{"index": 0, "digest": "11111111111111111", "text": ""}\n',
        b'{"index": 0, "digest": "-1", "text": ""}\n',
        b'{"index": 0, "digest": "-111111111111111", "text": ""}\n',
        b'{"index": 0, "digest": "0x11111111111111", "text": ""}\n',
        b'{"index": 0, "digest": 1111111111111111, "text": ""}\n',
        b'{"index": true, "digest": "1111111111111111", "text": ""}\n',
        b'{"index": 0, "digest": "1111111111111111", "text": 5}\n',
        b'{"index": 1000000000000, "digest": "1111111111111111", "text": ""}\n',
        b'{"index": 300000000, "digest": "1111111111111111", "text": ""}\n',
        b'{"index": 1' + b"0" * 400 + b', "digest": "1111111111111111", "text": ""}\n',
        b'{"prompt": "a question"}\n',
        b"[]\n",
        b"\n",
        b"[" * 100_000 + b"\n",
    ],
    ids=lambda content: repr(content[:48]),
)
@pytest.mark.parametrize("retry_failed", [False, True])
def test_a_file_that_is_no_batchs_is_refused_and_left_as_it_is(
    files, client, content, retry_failed
):
    source, out = files
    write(source, "Hi")
    out.write_bytes(content)
    with pytest.raises(InvalidRequestError, match="does not belong"):
        run(source, out, client=client, retry_failed=retry_failed)
    assert out.read_bytes() == content


def test_a_high_index_takes_no_more_memory_than_a_low_one(files, client):
    source, out = files
    write(source, "Hi")
    line = '{"index": %d, "digest": "1111111111111111", "text": ""}\n'
    out.write_text("".join(line % (10**9 * number) for number in range(1, 1001)))
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequestError, match="does not belong"):
            run(source, out, client=client)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_late_answer_alone_is_a_batchs_file(files, client):
    """All before it failed, and `retry_failed` has dropped their lines."""
    source, out = files
    write(source, *range(500))
    run(source, out, client=client)
    last = [line for line in out.read_bytes().splitlines(True) if b'{"index": 499,' in line]
    out.write_bytes(b"".join(last))
    assert run(source, out, client=client, limit=7).answered == 7


def test_the_input_is_no_place_for_the_answers(files, client):
    source, _ = files
    write(source, "Hi")
    with pytest.raises(InvalidRequestError):
        run(source, source, client=client)
    assert source.read_bytes() == b"Hi\n"


def test_a_digest_of_zeros_is_one_like_any_other(files, client):
    source, out = files
    write(source, "Hi")
    line = b'{"index": 0, "id": 0, "digest": "0000000000000000", "text": "Hello"}\n'
    out.write_bytes(2 * line)
    with pytest.raises(InvalidRequestError, match="in it twice"):
        run(source, out, client=client)


def test_two_answers_to_one_prompt_are_refused(files, client):
    source, out = files
    write(source, "Hi")
    run(source, out, client=client)
    out.write_bytes(out.read_bytes() * 2)
    with pytest.raises(InvalidRequestError, match="twice"):
        run(source, out, client=client)


def test_the_second_of_two_runs_on_one_file_is_refused(files, client):
    source, out = files
    write(source, "Hi")
    with Batch(source, out, client=client):
        with pytest.raises(InvalidRequestError, match="Another run is writing"):
            run(source, out, client=client)
    assert run(source, out, client=client).answered == 1


def test_the_lock_goes_with_the_file_that_takes_the_place_of_another(files, space, client):
    source, out = files
    write(source, "Hi")
    space.answer = Fail()
    run(source, out, client=client)
    with Batch(source, out, client=client, retry_failed=True) as batch:
        for _ in batch.each():
            with pytest.raises(InvalidRequestError, match="Another run is writing"):
                run(source, out, client=client)


def test_a_file_that_is_replaced_before_it_is_locked_is_opened_again(files, client, monkeypatch):
    source, out = files
    write(source, "0", "1")
    run(source, out, client=client, limit=1)
    lock = journal._lock

    def replace_and_lock(descriptor):
        monkeypatch.setattr(journal, "_lock", lock)
        other = out.with_name("other")
        other.write_bytes(out.read_bytes())
        other.replace(out)
        lock(descriptor)

    monkeypatch.setattr(journal, "_lock", replace_and_lock)
    assert run(source, out, client=client).answered == 1
    assert [line["text"] for line in records(out)] == ["<0>", "<1>"]


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed there")
def test_a_file_that_is_removed_before_it_is_locked_is_made_again(files, client, monkeypatch):
    source, out = files
    write(source, "0")
    lock = journal._lock

    def remove_and_lock(descriptor):
        monkeypatch.setattr(journal, "_lock", lock)
        out.unlink()
        lock(descriptor)

    monkeypatch.setattr(journal, "_lock", remove_and_lock)
    assert run(source, out, client=client).answered == 1
    assert [line["text"] for line in records(out)] == ["<0>"]


def test_a_file_that_cannot_be_locked_is_closed_and_nothing_is_asked(
    files, space, client, monkeypatch
):
    source, out = files
    write(source, "0")
    opened = []

    def refuse(descriptor):
        opened.append(descriptor)
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(journal, "_lock", refuse)
    with pytest.raises(OSError) as caught:
        run(source, out, client=client)
    assert caught.value.errno == errno.ENOLCK
    with pytest.raises(OSError):
        os.fstat(opened[0])
    assert not space.requests


def test_what_runs_in_a_forked_process_gives_the_inherited_lock_up(files, client):
    source, out = files
    write(source, "Hi")
    with Batch(source, out, client=client):
        journal._close_locked()
        assert run(source, out, client=client).answered == 1


def test_a_missing_input_leaves_no_output(files, client):
    with pytest.raises(FileNotFoundError):
        run(*files, client=client)
    assert not files[1].exists()


# Disks


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_the_error_of_a_full_disk_names_the_file(files, client):
    write(files[0], "Hi")
    with pytest.raises(OSError) as caught:
        run(files[0], "/dev/full", client=client)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, "/dev/full")


def test_lines_before_a_full_disk_stay_valid_and_the_batch_continues(files, client):
    """A limit on the size of files stands for the disk: the last line is cut in the midst."""
    resource = pytest.importorskip("resource", reason="this system limits no file sizes")
    source, out = files
    write(source, *range(20))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError) as caught:
            run(source, out, client=client)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(out)
    assert 0 < len(records(out)) < 20
    assert 900 < out.stat().st_size + 120
    run(source, out, client=client)
    assert [line["index"] for line in records(out)] == list(range(20))


def test_half_a_line_on_a_full_disk_is_removed(files, client):
    source, out = files
    write(source, *range(3))
    run(source, out, client=client, limit=2)
    content = out.read_bytes()

    class FullDisk(FileIO):
        def write(self, data):
            super().write(data[:20])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Batch(source, out, client=client) as batch:
        batch._journal._file.close()
        batch._journal._file = FullDisk(str(out), "a+b")
        with pytest.raises(OSError):
            list(batch.each())
    assert out.read_bytes() == content


def test_a_full_disk_while_failed_lines_are_removed_loses_nothing(files, space, client):
    resource = pytest.importorskip("resource", reason="this system limits no file sizes")
    source, out = files
    write(source, *range(20))
    space.answer = lambda question: Fail() if question.prompt == "7" else "fine"
    run(source, out, client=client)
    content = out.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError):
            run(source, out, client=client, retry_failed=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert out.read_bytes() == content
    assert {path.name for path in out.parent.iterdir()} == {"in", "out.jsonl"}


def test_each_line_is_on_the_disk_before_the_next_answer_is_handled(files, client, monkeypatch):
    source, out = files
    write(source, *range(5))
    synced = []
    fsync = os.fsync

    def watch(descriptor):
        fsync(descriptor)
        synced.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fsync", watch)
    with Batch(source, out, client=client) as batch:
        sizes = [(out.stat().st_size, synced[-1], len(synced)) for _ in batch.each()]
    assert [count for _, _, count in sizes] == [1, 2, 3, 4, 5]
    assert all(size == on_disk for size, on_disk, _ in sizes)


# Ending it from outside


def test_finish_waits_for_prompts_in_flight_and_takes_no_others(files, space, client):
    source, out = files
    write(source, *range(10))
    gate = Gate()
    space.answer = lambda question: [gate, f"<{question.prompt}>"]
    with Batch(source, out, client=client, workers=3) as batch:

        def finish():
            space.wait_for(lambda: space.open_streams == 3)
            batch.finish()
            gate.set()

        finisher = threading.Thread(target=finish)
        finisher.start()
        assert len(list(batch.each())) == 3
        finisher.join()
    assert [line["text"] for line in records(out)] == ["<0>", "<1>", "<2>"]


def test_finish_in_the_comparison_ends_it_and_blames_no_file(files, space, client, monkeypatch):
    source, out = files
    write(source, "0", "1")
    run(source, out, client=client)
    before = len(space.requests)
    read = Lines.__iter__

    def finish_at_the_first(lines):
        for entry in read(lines):
            batch.finish()
            yield entry

    monkeypatch.setattr(Lines, "__iter__", finish_at_the_first)
    with Batch(source, out, client=client) as batch:
        assert list(batch.each()) == []
    assert len(space.requests) == before


def test_an_interrupt_of_the_reading_that_was_not_asked_to_finish_comes_out(
    files, client, monkeypatch
):
    source, out = files
    write(source, "0")

    def interrupted(lines):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(Lines, "__iter__", interrupted)
    with Batch(source, out, client=client) as batch:
        with pytest.raises(KeyboardInterrupt):
            list(batch.each())
        assert not batch.reading


@pytest.fixture
def waiting(monkeypatch):
    """An event that is set when a map begins to wait while nothing is in flight."""
    began, wait_limit = threading.Event(), MapRun._wait_limit

    def tell(self):
        if not self._in_flight:
            began.set()
        return wait_limit(self)

    monkeypatch.setattr(MapRun, "_wait_limit", tell)
    return began


def test_finish_ends_the_waiting_for_a_busy_space(files, space, client, waiting):
    space.join = Reply(429, {"detail": "Too many requests."}, {"retry-after": "500"})
    write(files[0], *range(10))
    with Batch(*files, client=client, workers=1) as batch:

        def finish():
            assert waiting.wait(20)
            batch.finish()

        finisher = threading.Thread(target=finish)
        finisher.start()
        assert list(batch.each()) == []
        finisher.join()


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals as POSIX has them")
def test_ctrl_c_that_does_not_wake_the_waiting_thread_ends_it_too(files, space, client, waiting):
    """One that comes just before the wait begins does not, and one that another thread gets.

    The second can be had at will: this thread blocks the signal, so that another one gets it.
    """
    space.join = Reply(429, {"detail": "Too many requests."}, {"retry-after": "500"})
    write(files[0], *range(10))
    late = []
    with Batch(*files, client=client, workers=1) as batch:
        ended = threading.Event()

        def interrupt():
            assert waiting.wait(20)
            os.kill(os.getpid(), signal.SIGINT)
            late.append(not ended.wait(20))
            batch.finish()

        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with _finishing_at_interrupt(batch) as interrupted:
                assert list(batch.each()) == []
        finally:
            ended.set()
            interrupter.join()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    assert interrupted()
    assert late == [False]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_ctrl_c_while_the_input_is_waited_for_ends_it_and_finishes_what_is_in_hand(
    tmp_path, space, client
):
    source, out = tmp_path / "pipe", tmp_path / "out"
    os.mkfifo(source)
    gate = Gate()
    space.answer = [gate, "fine"]
    late = []

    def interrupt():
        with open(source, "wb", buffering=0) as pipe:
            pipe.write(b"one\n")
            space.wait_for(lambda: space.open_streams == 1, 60)
            while not batch.reading:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)
            gate.set()
            late.append(not ended.wait(20))  # after that the pipe's end would end it

    batch = None
    ended = threading.Event()
    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with Batch(source, out, client=client, workers=2) as batch:
        with _finishing_at_interrupt(batch) as interrupted:
            assert len(list(batch.each())) == 1
        ended.set()
        assert interrupted()
    interrupter.join()
    assert late == [False]
    assert [line["text"] for line in records(out)] == ["fine"]


# The summary


def test_a_notebook_shows_the_summary_as_a_table(files, client):
    source, out = files
    write(source, *range(1200))
    summary = run(source, out.with_name("a<b>.jsonl"), client=client, limit=3)
    table = summary._repr_html_()
    assert table.startswith("<table>")
    assert "<td>3</td>" in table
    assert "a&lt;b&gt;.jsonl" in table
    assert "<th>Last error</th><td>none</td>" in table
    assert summary.rate > 0


def test_the_table_shows_the_last_error(files, space, client):
    write(files[0], "Hi")
    space.answer = Fail("3 < 4 GB")
    table = run(*files, client=client)._repr_html_()
    assert "GenerationError: " in table and "3 &lt; 4 GB" in table


def test_the_table_has_no_control_characters(files, space, client):
    write(files[0], "Hi")
    space.answer = Fail("\x1b]0;title\x07 \x9b31m \u202e red")
    summary = run(*files, client=client)
    table = summary._replace(out="a\x1b[2Jb")._repr_html_()
    assert not set("\x1b\x07\x9b\u202e") & set(table)
    assert "]0;title" in table and "[2Jb" in table


def test_the_summary_tells_the_progress(files, client):
    source, out = files
    write(source, *range(10))
    with Batch(source, out, client=client, workers=4) as batch:
        shares = [summary.share for summary in batch.each()]
    assert shares == pytest.approx([done / 10 for done in range(1, 11)])


def test_a_later_run_begins_with_the_share_that_was_done(files, client):
    source, out = files
    write(source, *range(10))
    run(source, out, client=client, limit=6)
    with Batch(source, out, client=client, workers=4) as batch:
        shares = [summary.share for summary in batch.each()]
    assert shares == pytest.approx([0.7, 0.8, 0.9, 1.0])


def test_pandas_reads_what_was_written(files, client):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    source, out = files
    write(source, *range(3))
    run(source, out, client=client)
    assert sorted(pandas.read_json(out, lines=True)["text"]) == ["<0>", "<1>", "<2>"]
