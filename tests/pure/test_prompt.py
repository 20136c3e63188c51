"""What may be asked, and what it becomes."""

import pytest

from qwen25 import InvalidRequestError
from qwen25.protocol.prompt import Query

USER = {"role": "user", "content": "Hi"}
ASSISTANT = {"role": "assistant", "content": "Hello"}
SYSTEM = {"role": "system", "content": "Be brief."}


def test_a_text_is_a_query_without_a_history():
    assert Query.of("Hi") == Query("Hi", (), None)


def test_messages_are_history_and_the_last_turn():
    last = {"role": "user", "content": "And now?"}
    assert Query.of([USER, ASSISTANT, last]) == Query("And now?", (USER, ASSISTANT), None)
    assert Query.of("And now?", [USER, ASSISTANT]) == Query("And now?", (USER, ASSISTANT), None)


def test_system_messages_are_joined_with_newlines():
    other = {"role": "system", "content": "Be kind."}
    assert Query.of([SYSTEM, other, USER]).system == "Be brief.\nBe kind."


def test_the_messages_of_the_caller_stay_as_they_are():
    history = [dict(SYSTEM), dict(USER), dict(ASSISTANT)]
    Query.of("Hi", history)
    assert history == [SYSTEM, USER, ASSISTANT]


@pytest.mark.parametrize(
    ("prompt", "history", "system", "said"),
    [
        ("", None, None, "empty"),
        (" \n\t", None, None, "empty"),
        ([], None, None, "user's turn"),
        ([USER, ASSISTANT], None, None, "user's turn"),
        ([SYSTEM], None, None, "user's turn"),
        ([{"role": "user", "content": " "}], None, None, "empty"),
        ([{"role": "tool", "content": "x"}], None, None, "tool"),
        ([{"content": "x"}], None, None, "role None"),
        ([{"role": "user", "content": ["x"]}], None, None, "list"),
        ([{"role": "user"}], None, None, "NoneType"),
        (["Hi"], None, None, r"prompt\[0\] is a str"),
        ([USER, ASSISTANT, "Hi"], None, None, r"prompt\[2\]"),
        (None, None, None, "NoneType"),
        (7, None, None, "int"),
        (b"Hi", None, None, "bytes"),
        (USER, None, None, "dict"),
        ("Hi", "earlier", None, "history is a str"),
        ("Hi", [{"role": "x", "content": ""}], None, r"history\[0\]"),
        ("Hi", None, 7, "system"),
        ([SYSTEM, USER], None, "Be kind.", "two system prompts"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_refused(prompt, history, system, said):
    """The error is a ValueError too, says what is wrong, and no request is made."""
    with pytest.raises(InvalidRequestError, match=said) as caught:
        Query.of(prompt, history, system)
    assert isinstance(caught.value, ValueError)
