"""`qwen25 ask` on a terminal: the waiting line, safety, and rendered Markdown."""

from __future__ import annotations

import io
import json
import re
import sys

import pytest
from command import Process
from screen import Screen

from qwen25 import Note, Progress, Queued, Started, Step
from qwen25.cli.output import PlainOutput, output_for
from qwen25.cli.terminal import truncate, write_stderr
from qwen25.testing import Drop, FakeSpace, Gate, Hang, Replace

pytest.importorskip("pty")

NASTY = "\x1b]0;title\x07\x1b[2Jred\x9b31m\x7f\u202eabc\u2066\x08\x00dE\rF\r\n.\x0b"
BARE = {
    "plain": (["--plain"], {}),
    "NO_COLOR": ([], {"NO_COLOR": "1"}),
    "dumb": ([], {"TERM": "dumb"}),
}


def show(script, *options, size=(80, 24), **changes):
    """What a terminal shows of an answer, as lines; and the screen."""
    with FakeSpace(script) as space:
        with Process("Hi", *options, space=space.url, size=size, **changes) as process:
            assert process.end() == 0, process.output
            screen = Screen(*size)
            return screen.feed(process.output.decode()), screen


class Terminal(io.TextIOWrapper):
    """Standard output, as a terminal."""

    def __init__(self):
        super().__init__(io.BytesIO(), encoding="utf-8")

    def isatty(self):
        return True


def is_safe(text):
    """Nothing is left that a terminal obeys, but for newlines and what the command itself uses."""
    text = re.sub(r"\x1b\[(\d+A|[0-9;]*m|2?K|J)", "", text.replace("\r\n", "\n")).replace("\r", "")
    return not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


@pytest.mark.parametrize(
    "text, columns, shown",
    [
        ("abcdef", 4, "abcd"),
        ("\u65e5\u672c\u8a9e", 4, "\u65e5\u672c"),
        ("\uff21\uff22\uff23", 5, "\uff21\uff22"),
        ("a\u65e5\u672c", 4, "a\u65e5"),
        ("a\n b", 4, "a b"),
    ],
)
def test_a_wide_character_takes_two_columns(text, columns, shown):
    assert truncate(text, columns) == shown


def test_a_standard_error_that_cannot_be_written_changes_nothing(monkeypatch):
    class Full(io.StringIO):
        def flush(self):
            raise OSError("No space left on device")

    monkeypatch.setattr("sys.stderr", Full())
    write_stderr("Finishing")


# Waiting


def test_the_waiting_line_tells_the_place_and_goes_away_when_text_comes():
    gates = [Gate() for _ in range(6)]
    script = [Queued(3, 7, 12.4), gates[0], Queued(0, 2), gates[1], Started(4.0), gates[2]]
    script += [
        Note("info", "Loading\x1b[2J"),
        gates[3],
        Progress((Step(desc="Thinking hard"),)),
        gates[4],
    ]
    with FakeSpace([*script, "Hello", gates[5]]) as space:
        with Process("Hi", "--plain", space=space.url, terminal=["stdout", "stderr"]) as process:
            screen = Screen()
            for gate, text in zip(
                gates,
                [
                    "In the queue: place 4 of 7, about 12 s to wait",
                    "In the queue: place 1 of 2",
                    "Started, about 4 s for the answer",
                    "Loading\u241b[2J",
                    "Thinking hard",
                    "Hello",
                ],
            ):
                assert screen.feed(process.until(text)) == [text]
                gate.set()
            assert process.end() == 0


def test_the_waiting_line_never_wraps():
    gate = Gate()
    with FakeSpace([Note("info", "\u4e2d" * 100 + "end"), gate, "Hello"]) as space:
        with Process("Hi", space=space.url, size=(40, 24)) as process:
            shown = process.until("\u4e2d" * 19)
            gate.set()
            assert process.end() == 0
    assert "\u4e2d" * 20 not in shown + process.text
    assert "Hello" in process.text


def test_a_warning_stays():
    with FakeSpace([Note("warning", "Old \x1b[2Jmodel"), "Hello"]) as space:
        with Process("Hi", "--plain", space=space.url) as process:
            assert process.end() == 0
            assert Screen().feed(process.output.decode()) == [
                "warning: Old \u241b[2Jmodel",
                "Hello",
                "",
            ]


@pytest.mark.parametrize("changes", [{"TERM": "dumb"}, {"TERM": None}], ids=["dumb", "none"])
def test_a_terminal_without_escape_sequences_has_no_waiting_line(changes):
    with FakeSpace([Queued(3, 7, 12.0), "Hello"]) as space:
        with Process("Hi", space=space.url, **changes) as process:
            assert process.end() == 0
            assert process.text == "Hello\n"


def test_the_waiting_line_is_gone_before_an_error_is_printed():
    with FakeSpace([Queued(3, 7), Started(), Drop()], first=[Hang()]) as space:
        with Process("Hi", "--timeout", "0.5", space=space.url) as process:
            assert process.end() == 75
            line, _ = Screen(200).feed(process.output.decode())
    assert line.startswith("qwen25: ")


def test_the_waiting_line_is_gone_after_ctrl_c():
    with FakeSpace([Queued(3, 7), Hang()]) as space:
        with Process("Hi", space=space.url) as process:
            process.until("place 4")
            assert process.end(interrupting=True) == 130
            assert Screen().feed(process.output.decode()) == [""]


def test_the_waiting_line_is_gone_after_an_empty_answer():
    with FakeSpace([""]) as space:
        with Process("Hi", "--plain", space=space.url) as process:
            assert process.end() == 0
            assert Screen().feed(process.output.decode()) == ["", ""]


def test_with_standard_output_in_a_pipe_the_line_is_seen_and_the_pipe_has_the_answer_alone():
    with FakeSpace([Queued(3, 7), NASTY]) as space:
        with Process("Hi", space=space.url, terminal=["stderr"]) as process:
            process.until("place 4")
            assert process.process.stdout.read() == f"{NASTY}\n".encode()
            assert process.end() == 0
            assert Screen().feed(process.output.decode()) == [""]


def test_with_standard_error_in_a_pipe_there_is_nothing_in_it():
    with FakeSpace([Queued(3, 7), Note("warning", "Old"), "Hello"]) as space:
        with Process("Hi", space=space.url, terminal=["stdin", "stdout"]) as process:
            assert process.end() == 0
            assert process.process.stderr.read() == b""


# Bare text


@pytest.mark.parametrize("options, changes", BARE.values(), ids=BARE.keys())
def test_bare_text_is_the_answer_and_a_newline(options, changes):
    with FakeSpace(["# Not ", "**bold**\n\n\ttab"]) as space:
        with Process("Hi", *options, space=space.url, terminal=["stdout"], **changes) as process:
            assert process.end() == 0
            assert process.text == "# Not **bold**\n\n\ttab\n"


@pytest.mark.parametrize("options, changes", BARE.values(), ids=BARE.keys())
def test_a_terminal_gets_nothing_that_it_would_obey(options, changes):
    with FakeSpace(list(NASTY)) as space:
        with Process("Hi", *options, space=space.url, terminal=["stdout"], **changes) as process:
            assert process.end() == 0
            first, second, _ = process.text.split("\n")
            assert first.startswith(
                "\u241b]0;title\u2407\u241b[2Jred\ufffd31m\u2421\ufffdabc\ufffd"
            )
            assert first.endswith("\u2408\u2400dEF") and second == ".\u240b"


def test_json_on_a_terminal_is_harmless_and_the_same():
    with FakeSpace([NASTY]) as space:
        with Process("--json", "Hi", space=space.url, terminal=["stdout"]) as process:
            assert process.end() == 0
            assert json.loads(process.text)["text"] == NASTY
            assert is_safe(process.text)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_utf_8_gets_replacements_and_bare_text(encoding):
    with FakeSpace(["- caf\xe9 \u2603\x1b"]) as space:
        with Process(
            "Hi", space=space.url, terminal=["stdout"], PYTHONIOENCODING=encoding
        ) as process:
            assert process.end() == 0
            cafe = "caf\xe9".encode(encoding, "replace")
            assert process.output == b"- " + cafe + b" ??\r\n"


@pytest.mark.parametrize("command", ["status", "models"])
def test_what_a_space_says_of_itself_is_harmless(command):
    with FakeSpace(sizes=["72B", "\x1b[2J\u202e7B"]) as space:
        with Process(command, space=space.url) as process:
            assert process.end() == 0
            assert "\u241b[2J\ufffd7B" in process.text and is_safe(process.text)


# Markdown


ANSWER = """\
# Title

A *first* paragraph with `code`
on two lines, and **bold** words.

1. one
2. two

   more of two

```python
def f():
    return 1

f()
```

| a | b |
|---|---|
| c | d |

The <b>end</b>, see [here](http://example.com/x).
"""

RENDERED = """\
                 Title

A first paragraph with code
on two lines, and bold words.

 1 one
 2 two
   more of two


 def f():
     return 1

 f()


 a  b
 ──────
 c  d

The <b>end</b>, see here
(http://example.com/x).
"""


class TestMarkdown:
    @pytest.fixture(autouse=True)
    def needs_rich(self):
        pytest.importorskip("rich")

    @pytest.mark.parametrize(
        "script",
        [[ANSWER], list(ANSWER), re.findall(r"\S+\s*", ANSWER)],
        ids=["whole", "letters", "words"],
    )
    def test_it_looks_the_same_however_its_pieces_come(self, script):
        lines, screen = show(script, size=(40, 60))
        # Boxes, rules and the space around them are different in each version of rich.
        rows, wanted = (
            [re.sub("[\u2500\u2501]+", "-", " ".join(row.split())) for row in rows]
            for rows in (lines, RENDERED.split("\n"))
        )
        assert rows[rows.index("A first paragraph with code") :] == wanted[2:]
        assert any("Title" in row for row in rows)
        assert {"1", "3"} <= screen.styles  # bold, italic

    def test_no_stream_is_rendered_too(self):
        lines, _ = show([ANSWER], "--no-stream", size=(40, 60))
        assert "(http://example.com/x)." in lines and "**" not in "".join(lines)

    @pytest.mark.parametrize("piece", [1, 7, 1000])
    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param("```\n" + "".join(f"{n}\n" for n in range(100)) + "```\n", id="code"),
            pytest.param("".join(f"{n}\n" for n in range(100)), id="paragraph"),
            pytest.param("".join(f"- {n}\n" for n in range(100)), id="list"),
            pytest.param("".join(f"{n}\n\n" for n in range(100)), id="paragraphs"),
        ],
    )
    def test_an_answer_taller_than_the_screen_is_there_once(self, answer, piece):
        script = [answer[n : n + piece] for n in range(0, len(answer), piece)]
        lines, _ = show(script, size=(40, 10))
        numbers = [row.strip(" \u2022") for row in lines]
        assert [row for row in numbers if row] == [str(n) for n in range(100)]

    def test_lines_that_have_left_the_screen_stay_as_they_are(self):
        rows = "".join(f"| {n} | |\n" for n in range(30))
        gate = Gate()
        with FakeSpace([f"| a | b |\n|--|--|\n{rows}", gate, "| 30 wide | |\n"]) as space:
            with Process("Hi", space=space.url, size=(40, 10)) as process:
                process.until("29")
                gate.set()
                assert process.end() == 0
                lines = Screen(40, 10).feed(process.output.decode())
        assert [row.split()[0] for row in lines if row][2:] == [str(n) for n in range(31)]

    def test_a_block_is_finished_only_when_the_next_has_a_whole_line(self):
        gate = Gate()
        whole, _ = show(["1. a\n\n2. b\n"])
        with FakeSpace(["1. a\n\n2", gate, ". b\n"]) as space:
            with Process("Hi", space=space.url) as process:
                process.until("2\r\n")
                gate.set()
                assert process.end() == 0
                assert Screen().feed(process.output.decode()) == whole

    def test_it_is_seen_while_it_is_written(self):
        gate = Gate()
        with FakeSpace(["# Ti", "tle\n\nHello **wor", gate, "ld**"]) as space:
            with Process("Hi", space=space.url) as process:
                process.until("**wor")
                gate.set()
                assert process.end() == 0
                assert Screen().feed(process.output.decode())[-2:] == ["Hello world", ""]

    def test_only_lines_that_change_are_written_again(self):
        gates = [Gate(), Gate()]
        with FakeSpace(["one\ntwo\nthree", gates[0], " and", gates[1], "\nfour"]) as space:
            with Process("Hi", space=space.url) as process:
                process.until("three")
                for gate, new in zip(gates, ["and", "four"]):
                    gate.set()
                    assert "two" not in process.until(new)
                assert process.end() == 0

    def test_what_is_rewritten_on_the_screen_is_right_in_the_end(self):
        gate = Gate()
        with FakeSpace(["Thinking ...", gate, Replace("It is *four*.")]) as space:
            with Process("Hi", space=space.url) as process:
                process.until("Thinking ...")
                gate.set()
                assert process.end() == 0
                assert Screen().feed(process.output.decode()) == ["It is four.", ""]

    def test_a_finished_paragraph_that_is_rewritten_is_written_again(self):
        gate = Gate()
        with FakeSpace(["A\n\nB\n\nC", gate, Replace("X\n\nY")]) as space:
            with Process("Hi", space=space.url) as process:
                process.until("C")
                gate.set()
                assert process.end() == 0
                lines = Screen().feed(process.output.decode())
                assert lines[-4:] == ["X", "", "Y", ""]

    def test_a_terminal_that_becomes_narrower_gets_all_lines_again(self):
        gate = Gate()
        with FakeSpace(["x" * 70, gate, " and on"]) as space:
            with Process("Hi", space=space.url) as process:
                process.until("x" * 70)
                process.resize(40, 24)
                gate.set()
                # The terminal has wrapped the one line into two rows, which are erased.
                process.until("\x1b[2A\x1b[J")
                assert process.end() == 0
                shown = Screen(40).feed(process.output.decode().rpartition("\x1b[2A\x1b[J")[2])
        assert "".join(shown).replace(" ", "") == "x" * 70 + "andon"

    def test_without_tables_in_rich_the_text_is_plain(self, monkeypatch):
        pytest.importorskip("rich")
        from rich.markdown import Markdown

        monkeypatch.delitem(Markdown.elements, "table_open")
        monkeypatch.delitem(sys.modules, "qwen25.cli.live_markdown", raising=False)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setattr("sys.stdout", Terminal())
        assert isinstance(output_for(plain=False), PlainOutput)

    def test_nothing_reaches_the_terminal_that_it_would_obey(self):
        entities = "&#27;[2J &#x9b;2J &#8238;x &#13;y &#12; &#7; [a&#27;]0;b](http://x/&#27;) "
        answer = (
            f"{entities}`{NASTY}`\n\n```\x1b[2J\n{NASTY}\n```\n\n| {NASTY} |\n|--|\n| a\x1b |\n"
        )
        lines, _ = show(list(answer), size=(200, 24))
        shown = "\n".join(lines)
        assert is_safe(shown) and "dEF" in shown

    def test_an_error_on_the_way_leaves_the_text_and_stands_below(self):
        with FakeSpace(["Some **text", Drop()]) as space:
            with Process("Hi", space=space.url, size=(200, 24)) as process:
                assert process.end() == 1
                first, second, _ = Screen(200).feed(process.output.decode())
                assert first == "Some **text" and second.startswith("qwen25: ")

    def test_ctrl_c_leaves_the_text_and_makes_the_space_stop(self):
        with FakeSpace(["Some text", Hang()]) as space:
            with Process("Hi", space=space.url) as process:
                process.until("Some text")
                assert process.end(interrupting=True) == 130
                assert Screen().feed(process.output.decode()) == ["Some text", ""]
            space.wait_for(lambda: space.left == 1)

    def test_an_empty_answer_is_nothing(self):
        assert show([""])[0] == [""]
