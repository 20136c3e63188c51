"""What `show` writes where there is no notebook."""

import io
import sys

import pytest

from qwen25 import Queued, Text
from qwen25.display.cell import _CellOutput, show
from qwen25.display.transcript import markdown_transcript, transcript


class Answer:
    """The least that can be shown."""

    rewritten = False
    text = ""

    def __init__(self, *pieces):
        self._pieces = pieces

    def events(self):
        yield Queued(10**5000, None)
        for piece in self._pieces:
            self.text += piece
            yield Text(piece)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("utf-8", "h\xe9 \u4f60 \ufffd\n"), ("cp1252", "h\xe9 ? ?\n"), ("ascii", "h? ? ?\n")],
)
def test_an_encoding_without_a_character_gets_a_question_mark(monkeypatch, encoding, written):
    output = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    monkeypatch.setattr(sys, "stdout", output)
    show(Answer("h\xe9 \u4f60 ", "\ud800"))
    assert output.buffer.getvalue() == written.encode(encoding)


def test_an_output_without_an_encoding_gets_the_text(monkeypatch):
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    show(Answer("h\xe9 \u4f60"))
    assert output.getvalue() == "h\xe9 \u4f60\n"


def test_a_transcript_has_no_lone_surrogate():
    messages = [{"role": "user", "content": "a\ud800"}]
    assert transcript("b\udfff", messages) == "System: b\ufffd\n\nUser: a\ufffd"
    assert markdown_transcript(None, messages) == "**User**\n\na\ufffd"


def test_an_empty_answer_makes_no_output_in_a_cell():
    shown = []
    with _CellOutput(shown.append) as output:
        output.write("")
    assert shown == []
