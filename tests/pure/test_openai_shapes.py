"""Cuts, estimates, errors and answers as data."""

import pytest

from qwen25 import (
    AuthenticationError,
    ConnectionFailedError,
    GenerationError,
    InvalidRequestError,
    ProtocolError,
    QueueFullError,
    RateLimitError,
    SpaceUnavailableError,
    StreamInterruptedError,
    TimedOutError,
    UnknownModelError,
)
from qwen25.openai.cut import Cut
from qwen25.openai.errors import RequestRefusedError, problem
from qwen25.openai.estimate import fitting, tokens, usage, weight
from qwen25.openai.responses import Choice, Chunks, Head, whole


def cut(pieces, **options):
    """What is handed on of some pieces, and the cut after them."""
    made = Cut(**options)
    handed = []
    for piece in pieces:
        handed.append(made.feed(piece))
        if made.done:
            break
    handed.append(made.end())
    return "".join(handed), made


TEXT = "One. STOP Two."


@pytest.mark.parametrize("size", range(1, len(TEXT) + 1))
def test_a_stop_sequence_is_found_across_every_border(size):
    pieces = [TEXT[at : at + size] for at in range(0, len(TEXT), size)]
    text, made = cut(pieces, stop=("STOP",))
    assert (text, made.done, made.finish_reason) == ("One. ", True, "stop")


@pytest.mark.parametrize("size", range(1, len(TEXT) + 1))
def test_nothing_is_lost_without_a_stop(size):
    pieces = [TEXT[at : at + size] for at in range(0, len(TEXT), size)]
    text, made = cut(pieces, stop=("Two. ", "STOPS"))
    assert (text, made.done, made.finish_reason) == (TEXT, False, "stop")


def test_the_first_of_several_stops_counts():
    assert cut(["a b c"], stop=("c", "b"))[0] == "a "


def test_what_cannot_become_a_stop_is_handed_on_at_once():
    made = Cut(stop=("\n\n",))
    assert made.feed("Hello") == "Hello"
    assert made.feed(" you\n") == " you"
    assert made.feed("me") == "\nme"


def test_a_repeated_beginning_of_a_stop_is_handed_on():
    assert cut(["aa", "a", "b!"], stop=("aab",))[0] == "a"


@pytest.mark.parametrize("size", range(1, 30))
def test_the_limit_cuts_at_the_same_place_across_every_border(size):
    text = "The quick brown fox jumps over 13 lazy dogs."
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    handed, made = cut(pieces, max_tokens=5)
    assert handed == cut([text], max_tokens=5)[0]
    assert (made.done, made.finish_reason) == (True, "length")
    assert tokens(handed) <= 5


def test_an_answer_within_the_limit_is_whole():
    text, made = cut(["Hello"], max_tokens=5)
    assert (text, made.done, made.finish_reason) == ("Hello", False, "stop")


def test_a_stop_within_the_limit_counts_before_it():
    assert cut(["a STOP b c d e f g h"], stop=("STOP",), max_tokens=2)[1].finish_reason == "stop"


def test_weights_add_up():
    text = "Hello, 世界! 123 привет 🎉"
    assert sum(map(weight, text)) == weight(text)
    assert fitting(text, weight(text)) == text
    assert fitting(text, 0) == ""


@pytest.mark.parametrize(
    "text, least, most",
    [
        ("The capital of France is Paris, and that of Italy is Rome.", 12, 17),
        ("2024", 4, 4),
        ("法国的首都是巴黎。", 5, 8),
        ("", 0, 0),
    ],
)
def test_an_estimate_is_near(text, least, most):
    assert least <= tokens(text) <= most


def test_usage_says_that_it_is_an_estimate():
    told = usage(["Hello"], ["Hi", "Ho"])
    assert told["estimated"] is True
    assert told["total_tokens"] == told["prompt_tokens"] + told["completion_tokens"]


@pytest.mark.parametrize(
    "error, status",
    [
        (InvalidRequestError("a"), 400),
        (UnknownModelError("a", model="b"), 404),
        (AuthenticationError("a"), 401),
        (RateLimitError("a"), 429),
        (QueueFullError("a"), 429),
        (SpaceUnavailableError("a", stage="PAUSED"), 503),
        (ConnectionFailedError("a"), 503),
        (StreamInterruptedError("a"), 503),
        (GenerationError("a"), 503),
        (ProtocolError("a"), 503),
        (TimedOutError("a", phase="total"), 504),
        (RequestRefusedError("a", status=413), 413),
    ],
)
def test_each_error_has_its_status(error, status):
    told = problem(error)
    assert told.status == status
    assert set(told.body["error"]) == {"message", "type", "param", "code"}
    assert told.body["error"]["message"] == "a"


def test_what_was_tried_already_is_not_to_be_tried_again():
    assert problem(QueueFullError("a")).headers == {"x-should-retry": "false"}
    assert problem(RequestRefusedError("a", status=429, retry_after=1.2)).headers == {
        "retry-after": "2"
    }


def test_the_space_s_wish_to_wait_is_passed_on():
    assert problem(RateLimitError("a", retry_after=7)).headers["retry-after"] == "7"


def test_a_whole_chat_has_openai_s_shape():
    head = Head.new(True, "72B")
    made = whole(head, [Choice("Hi", "stop")], {"total_tokens": 2})
    assert made["object"] == "chat.completion"
    assert made["choices"][0]["message"]["content"] == "Hi"
    assert made["choices"][0]["finish_reason"] == "stop"
    assert (made["model"], made["id"]) == ("72B", head.id)


def test_chunks_end_with_a_reason_and_then_the_usage():
    chunks = Chunks(Head.new(True, "72B"), include_usage=True)
    assert chunks.role(0)["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert chunks.piece(0, "Hi")["choices"][0] == {
        "index": 0,
        "delta": {"content": "Hi"},
        "logprobs": None,
        "finish_reason": None,
    }
    assert chunks.piece(0, "Hi")["usage"] is None
    assert chunks.end(0, "stop")["choices"][0]["finish_reason"] == "stop"
    last = chunks.usage({"total_tokens": 2})
    assert (last["choices"], last["usage"]) == ([], {"total_tokens": 2})


def test_completions_have_text_in_their_chunks():
    chunks = Chunks(Head.new(False, "72B"))
    assert chunks.piece(1, "Hi")["choices"][0]["text"] == "Hi"
    assert chunks.end(1, "length")["choices"][0]["text"] == ""
    assert "usage" not in chunks.piece(0, "Hi")


def test_what_may_begin_any_of_several_stops_is_held_back():
    cut = Cut(["ab", "zz"])
    assert (cut.feed("xa"), cut.feed("b"), cut.done) == ("x", "", True)
