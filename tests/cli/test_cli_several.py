"""The commands with several Spaces."""

from __future__ import annotations

import json

import pytest
from command import run
from hub import mocked_hub

from qwen25 import cli
from qwen25.testing import FakeSpace, Reply

FULL = Reply(503, b'{"detail": "Queue is full. Max size is 2 and size is 2."}')
DOWN = "http://127.0.0.1:9"


def named(*spaces):
    """`$QWEN25_SPACE`, and the same as options."""
    urls = [getattr(space, "url", space) for space in spaces]
    return ", ".join(urls), [part for url in urls for part in ("--space", url)]


def main(monkeypatch, *arguments):
    """The command in this process."""
    monkeypatch.setattr("sys.argv", ["qwen25", *arguments])
    return cli.main()


@pytest.mark.parametrize("by", ["environment", "options"])
def test_the_first_that_can_answers(by):
    with FakeSpace(join=FULL) as first, FakeSpace(["second"]) as second:
        variable, options = named(DOWN, first, second)
        if by == "environment":
            done = run("Hi", space=variable)
        else:
            done = run(*options, "Hi", space="http://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (0, b"second\n")


def test_json_names_the_space_that_answered_and_its_model():
    with FakeSpace(join=FULL) as first, FakeSpace(sizes=["7B", "72B"]) as second:
        done = run("--json", "Hi", space=named(first, second)[0])
        said = json.loads(done.stdout)
        assert (said["text"], said["space"], said["model"]) == ("Hello world", second.url, "7B")


def test_when_none_answers_one_line_names_each():
    with FakeSpace(config=Reply(404, b"")) as gone:
        done = run("Hi", space=named(gone, DOWN)[0])
    assert (done.returncode, done.stdout) == (69, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("qwen25: None of the 2 Spaces answered.")
    assert gone.url in line and DOWN in line


def test_status_shows_each_and_is_0_when_one_is_up():
    with FakeSpace() as up:
        done = run("status", space=named(DOWN, up)[0])
        lines = done.stdout.decode().splitlines()
        assert done.returncode == 0
        assert [line.split()[1] for line in lines if line.startswith("Space ")] == [DOWN, up.url]
        assert len([line for line in lines if line.startswith("State     up")]) == 1
    assert done.stderr.startswith(b"qwen25: ") and done.stderr.count(b"\n") == 1


def test_status_of_spaces_that_are_all_down_is_their_exit_code():
    done = run("status", space=f"{DOWN},http://127.0.0.1:1")
    assert done.returncode == 69
    assert done.stdout.decode().splitlines()[0::2] == [
        f"Space     {DOWN}",
        "Space     http://127.0.0.1:1",
    ]


def test_a_chat_stays_with_its_space_and_takes_the_talk_along():
    def tell(question):
        return [f"{question.prompt} after {len(question.history)}"]

    with FakeSpace(tell, join=[FULL, None]) as first:
        with FakeSpace(tell, join=[None, FULL]) as second:
            done = run("chat", space=named(first, second)[0], input=b"one\ntwo\n")
            joined = [len([r for r in s.requests if "join" in r.path]) for s in (first, second)]
    assert (done.returncode, done.stdout) == (0, b"one after 0\ntwo after 2\n")
    assert joined == [2, 2]


def test_a_model_can_be_chosen_in_a_chat_while_the_first_is_down():
    with FakeSpace(lambda question: [question.size], sizes=["72B", "7B"]) as up:
        done = run("chat", space=named(DOWN, up)[0], input=b"/model 7b\nHi\n")
    assert (done.returncode, done.stdout) == (0, b"7B\n")
    assert b"72B [7B]" in done.stderr


def test_the_lines_of_a_batch_name_who_answered(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out.jsonl"
    source.write_text("".join(f"{number}\n" for number in range(20)))
    with FakeSpace(lambda question: [question.prompt]) as up:
        done = run("batch", str(source), str(out), *named(DOWN, up)[1])
        assert done.returncode == 0
        lines = sorted(
            map(json.loads, out.read_bytes().splitlines()), key=lambda each: each["index"]
        )
        assert [line["text"] for line in lines] == [str(number) for number in range(20)]
        assert {line["space"] for line in lines} == {up.url}


class TestOnHuggingFace:
    """In this process, with a mocked Hugging Face."""

    @pytest.fixture
    def hub(self):
        with mocked_hub() as hub:
            hub.stages.update({"a/one": ["SLEEPING"], "b/two": ["RUNNING"]})
            yield hub

    def test_status_shows_the_stage_of_one_and_the_quota_of_the_token(
        self, hub, monkeypatch, capsys
    ):
        monkeypatch.setenv("HF_TOKEN", "hf_mine")
        hub.quota = {
            "base": 2400,
            "current": 1810,
            "resetsAt": "2026-11-25T00:00:00Z",
            "overquotaUsed": 0,
        }
        with FakeSpace() as space:
            spaces = ["a/one", "b/two", space.url]
            assert main(monkeypatch, "status", *named(*spaces)[1]) == 0
            assert not any("authorization" in request.headers for request in space.requests)
        shown = capsys.readouterr()
        assert "SLEEPING" in shown.err
        line = "Quota     1810 of 2400 s of ZeroGPU left, whole again at 2026-11-25T00:00:00Z"
        assert shown.out.splitlines().count(line) == 1

    def test_status_asks_for_no_quota_without_a_token(self, hub, monkeypatch, capsys):
        assert main(monkeypatch, "status", "--space", "b/two") == 0
        assert not [url for _, url, _ in hub.asked if "zero-gpu" in url]
        assert "Quota" not in capsys.readouterr().out

    @pytest.mark.parametrize("quota", [None, {"base": "many"}, [], {"base": 1, "current": -1}])
    def test_a_quota_that_is_not_told_is_left_out(self, hub, monkeypatch, capsys, quota):
        monkeypatch.setenv("HF_TOKEN", "hf_mine")
        hub.quota = quota
        assert main(monkeypatch, "status", "--space", "b/two") == 0
        assert "Quota" not in capsys.readouterr().out
