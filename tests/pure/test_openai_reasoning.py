"""Thoughts as one text."""

import pytest

from qwen25.events import Thought
from qwen25.openai.reasoning import Reasoning


@pytest.mark.parametrize(
    "thoughts, pieces",
    [
        ([("A", "One"), ("A", "One two")], ["One", " two"]),
        ([("A", "One"), ("B", "Two")], ["One", "\n\nTwo"]),
        pytest.param([("A", "One"), ("A", "Two")], ["One", "\n\nTwo"], id="another of the name"),
        pytest.param([("A", "One"), ("B", "X"), ("A", "One.")], ["One", "\n\nX", "."], id="both"),
        pytest.param(
            [("A", "One"), ("A", "On"), ("A", "One!")], ["One", "", "!"], id="asked again"
        ),
        ([("A", ""), ("A", "One")], ["", "One"]),
    ],
)
def test_only_what_is_new_of_a_thought_is_told(thoughts, pieces):
    reasoning = Reasoning()
    assert [reasoning.feed(Thought(*each)) for each in thoughts] == pieces
    assert reasoning.text == "".join(pieces)
