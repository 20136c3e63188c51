"""From messages to text: what diffs, whole values and endings mean."""

import functools
import logging
import math
import sys
import tracemalloc

import pytest

from qwen25 import (
    GenerationError,
    Note,
    Progress,
    ProtocolError,
    Queued,
    Started,
    Step,
    StreamInterruptedError,
    TimedOutError,
)
from qwen25.protocol.chatbot import MessagesFormat, TextFormat, TuplesFormat
from qwen25.protocol.decoder import Decoder

HALF = "\ufffd"


def generating(value):
    return {"msg": "process_generating", "output": {"data": ["", value, ""]}, "success": True}


def completed(value):
    return {"msg": "process_completed", "output": {"data": ["", value, ""]}, "success": True}


def pairs(text):
    return [["Hi", text]]


def started(text="", layout=None, sent=(), value=None):
    """A decoder that has read the first, whole value."""
    decoder = Decoder(layout or TuplesFormat(), 1, sent, diffs=True)
    decoder.feed(generating(pairs(text) if value is None else value))
    return decoder


def test_an_append_is_a_piece():
    decoder = started("Hello")
    assert decoder.feed(generating([["append", [0, 1], " world"]])) == " world"
    assert decoder.text == "Hello world"


@pytest.mark.parametrize(
    ("diff", "piece", "text"),
    [
        pytest.param([], "", "Hello", id="no change"),
        pytest.param([["replace", [0, 1], "Hello there"]], " there", "Hello there", id="grown"),
        pytest.param([["replace", [0], ["Hi", "Hello you"]]], " you", "Hello you", id="a turn"),
        pytest.param([["replace", [], [["Hi", "Hello!"]]]], "!", "Hello!", id="the whole"),
        pytest.param(
            [["append", [0, 1], " a"], ["append", [0, 1], " b"]], " a b", "Hello a b", id="two"
        ),
        pytest.param([["replace", [0, 0], "Ho"]], "", "Hello", id="elsewhere"),
        pytest.param(
            [["append", [0, 0], "!"], ["append", [0, 1], "?"]], "?", "Hello?", id="both sides"
        ),
        pytest.param(
            [["add", [0], ["an", "earlier"]]], "", "Hello", id="a turn before the answer's"
        ),
    ],
)
def test_any_diff_is_applied(diff, piece, text):
    """Appends at the answer's place are the fast way; every other diff goes through the value."""
    decoder = started("Hello")
    assert decoder.feed(generating(diff)) == piece
    assert decoder.text == text
    assert not decoder.rewritten


def test_appends_go_on_after_a_diff_elsewhere():
    """The answer may have moved to another place in the value."""
    decoder = started("Hello")
    decoder.feed(generating([["append", [0, 1], " my"]]))
    decoder.feed(generating([["add", [0], ["an", "earlier"]]]))
    assert decoder.feed(generating([["append", [1, 1], " world"]])) == " world"
    assert decoder.text == "Hello my world"


def test_a_turn_that_is_taken_away_and_put_back_is_no_rewrite():
    decoder = started("Hello")
    decoder.feed(generating([["delete", [0], None]]))
    assert decoder.feed(generating([["add", [0], ["Hi", "Hello again"]]])) == " again"
    assert not decoder.rewritten


@pytest.mark.parametrize(
    "diff",
    [
        [["append", [3, 1], "x"]],
        [["append", [0, 1, "text"], "x"]],
        [["replace", [5], "x"]],
        [["delete", [0, 7], None]],
        [["turn", [0, 1], "x"]],
        [["add", [], "x"]],
        [["append", [0, 1], 7]],
        [["append", [0], "x"]],
        [["add", ["0"], "x"]],
        [["add", [10**30], "x"]],
        [["replace", [[]], "x"]],
        ["append"],
        7,
        None,
    ],
    ids=str,
)
def test_a_diff_that_cannot_be_applied_is_a_protocol_error(diff):
    decoder = started("Hello")
    with pytest.raises(ProtocolError, match="unexpected shape"):
        decoder.feed(generating(diff))
    assert decoder.text == "Hello"


def test_a_diff_of_too_many_changes_is_refused():
    decoder = started("Hello")
    with pytest.raises(ProtocolError, match="changes"):
        decoder.feed(generating([["add", [0], ["a", "b"]]] * 300_000))


def test_the_time_is_checked_at_every_change():
    """One change may move a long list, or copy a long text."""
    calls = 0

    def check_time():
        nonlocal calls
        calls += 1
        if calls == 3:
            raise TimedOutError("over", phase="total")

    decoder = Decoder(TuplesFormat(), 1, (), True, check_time)
    decoder.feed(generating(pairs("Hello")))
    with pytest.raises(TimedOutError):
        decoder.feed(generating([["add", [0], ["a", "b"]]] * 1_000))
    assert calls == 3
    assert decoder.text == "Hello"


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param(
            [[["append", [0, 1], "a\ud83d"]], [["append", [0, 1], "\ude00b"]]], id="appends"
        ),
        pytest.param(
            [[["append", [0, 1], "a\ud83d"]], [["replace", [0, 1], "Hello a\ud83d\ude00b"]]],
            id="a replace",
        ),
        pytest.param(
            [[["append", [0, 1], "a\ud83d"]], [["replace", [0], ["Hi", "Hello a\U0001f600b"]]]],
            id="a turn",
        ),
    ],
)
def test_a_pair_of_surrogates_in_two_messages_is_one_character(messages):
    decoder = started("Hello ")
    assert [decoder.feed(generating(diff)) for diff in messages] == ["a", "\U0001f600b"]
    assert decoder.text == "Hello a\U0001f600b"
    assert not decoder.rewritten


@pytest.mark.parametrize("lone", ["\ud800", "\udc00", "\udc00\ud800"], ids=ascii)
def test_a_lone_surrogate_becomes_a_replacement_character(lone):
    """JSON can carry it; no file, no terminal and no notebook takes it."""
    decoder = started("Hello")
    half = HALF * len(lone)
    said = decoder.feed(generating([["append", [0, 1], lone]]))
    said += decoder.feed(generating([["append", [0, 1], "x"]]))
    said += decoder.feed(generating([["replace", [0, 1], f"Hello{lone}xy"]]))
    said += decoder.feed(generating([["replace", [0, 0], lone]]))
    said += decoder.feed(completed(pairs(f"Hello{lone}xy{lone}")))
    assert said == f"{half}xy{half}"
    assert decoder.text == f"Hello{half}xy{half}"
    assert not decoder.rewritten


def test_half_a_character_waits_for_the_next_message():
    decoder = started("Hello")
    assert decoder.feed(generating([["append", [0, 1], " w" + HALF * 2]])) == " w"
    assert decoder.text == "Hello w"
    assert decoder.feed(generating([["replace", [0, 1], "Hello wörld"]])) == "örld"
    assert not decoder.rewritten


def test_a_replacement_character_that_was_meant_is_handed_out():
    decoder = started("Hello")
    assert decoder.feed(generating([["append", [0, 1], HALF]])) == ""
    assert decoder.feed(generating([["append", [0, 1], "x"]])) == HALF + "x"
    assert decoder.feed(generating([["append", [0, 1], "y" + HALF]])) == "y"
    assert decoder.feed(completed(pairs("Hello" + HALF + "xy" + HALF))) == HALF
    assert decoder.text == "Hello" + HALF + "xy" + HALF
    assert not decoder.rewritten


def test_a_rewrite_is_said_and_goes_on_from_what_is_common():
    decoder = started("The answer is 41")
    assert decoder.feed(generating([["replace", [0, 1], "The answer is 42."]])) == "2."
    assert decoder.rewritten
    assert decoder.text == "The answer is 42."


def test_text_that_is_taken_back_is_a_rewrite_without_a_piece():
    decoder = started("Hello world")
    assert decoder.feed(generating([["replace", [0, 1], "Hello"]])) == ""
    assert decoder.rewritten
    assert decoder.text == "Hello"


def test_the_last_message_hands_out_what_is_missing():
    decoder = started("Hello")
    assert decoder.feed(completed(pairs("Hello world"))) == " world"
    assert decoder.done


def test_an_app_that_does_not_stream_answers_in_one_piece():
    decoder = Decoder(TuplesFormat(), 1, (), diffs=True)
    assert decoder.feed(completed(pairs("Hello"))) == "Hello"


def test_whole_values_are_no_diffs_under_sse_v1():
    decoder = Decoder(TuplesFormat(), 1, (), diffs=False)
    assert decoder.feed(generating(pairs("Hel"))) == "Hel"
    assert decoder.feed(generating(pairs("Hello"))) == "lo"


@pytest.mark.parametrize(
    ("layout", "history"),
    [
        pytest.param(TuplesFormat(), [["Hi", "old"]], id="pairs"),
        pytest.param(
            MessagesFormat(parts=False),
            [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "old"}],
            id="messages",
        ),
    ],
)
def test_the_history_alone_is_no_answer(layout, history):
    """An app may show what was said before, and only then begin."""
    decoder = started(layout=layout, sent=history, value=history)
    assert decoder.text == ""


def test_a_history_that_the_app_shortened_does_not_hide_the_answer():
    sent = [["a", "1"], ["b", "2"]]
    decoder = started(sent=sent, value=[["b", "2"], ["c", "3"]])
    assert decoder.text == "3"


def test_an_update_carries_the_value():
    """An app may yield gr.update(value=...) or gr.skip()."""
    decoder = started(value={"__type__": "update", "value": pairs("Hel")})
    assert decoder.feed(generating([["append", ["value", 0, 1], "lo"]])) == "lo"
    assert decoder.feed(completed({"__type__": "update"})) == ""
    assert decoder.text == "Hello"


@pytest.mark.parametrize(
    "back",
    [
        pytest.param([["replace", [], pairs("Hello")]], id="the value again"),
        pytest.param([["add", ["value"], pairs("Hello")]], id="an update of the value"),
    ],
)
def test_an_update_without_a_value_leaves_the_answer_and_is_what_the_next_diff_changes(back):
    """The same on Gradio 4.44, 5.50 and 6.31, for gr.skip() and gr.update(label=...)."""
    decoder = started("Hel")
    assert decoder.feed(generating([["replace", [], {"__type__": "update"}]])) == ""
    assert decoder.text == "Hel"
    assert decoder.feed(generating(back)) == "lo"
    way = [] if back[0][0] == "replace" else ["value"]
    assert decoder.feed(generating([["append", [*way, 0, 1], "!"]])) == "!"
    assert not decoder.rewritten


def test_an_answer_may_be_taken_back_and_begun_anew():
    decoder = started("Hel")
    assert decoder.feed(generating([["replace", [0, 1], None]])) == ""
    assert decoder.feed(generating([["replace", [0, 1], "Bye"]])) == "Bye"
    assert (decoder.text, decoder.rewritten) == ("Bye", True)


@pytest.mark.parametrize(
    "layout", [TuplesFormat(), MessagesFormat(parts=False), MessagesFormat(parts=True)]
)
def test_a_chatbot_may_be_empty_at_first(layout):
    decoder = Decoder(layout, 1, (), diffs=True)
    assert decoder.feed(generating(None)) == ""
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "A"}]
    assert decoder.feed(generating([["replace", [], layout.encode(turns)]])) == "A"


def test_an_answer_of_several_parts_is_their_text():
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    value = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": parts}]
    decoder = started(layout=MessagesFormat(parts=True), value=value)
    assert decoder.text == "one two"
    diff = [["append", [1, "content", 1, "text"], "!"]]
    assert decoder.feed(generating(diff)) == "!"


def test_an_answer_that_is_no_text_is_a_protocol_error():
    with pytest.raises(ProtocolError, match="text"):
        started(value=[["Hi", 7]])


def test_messages_that_are_no_text_are_events():
    decoder = Decoder(TuplesFormat(), 1, (), diffs=True)
    estimation = {"msg": "estimation", "rank": 2, "queue_size": 5, "rank_eta": 1.5}
    assert decoder.feed(estimation) == Queued(rank=2, size=5, eta=1.5)
    assert decoder.feed({"msg": "process_starts", "eta": 3.0}) == Started(eta=3.0)


@pytest.mark.parametrize(
    "message",
    [
        {"msg": "estimation"},
        {"msg": "estimation", "rank": "first", "queue_size": 2},
        {"msg": "estimation", "rank": None, "queue_size": 2},
        {"msg": "estimation", "rank": 0, "queue_size": None},
        {"msg": "estimation", "rank": -1, "queue_size": 2},
        {"msg": "estimation", "rank": 0, "queue_size": 10**400},
        {"msg": "estimation", "rank": True, "queue_size": 2},
        {"msg": "estimation", "rank": 0.5, "queue_size": 2},
        {"msg": "process_starts", "eta": "soon"},
        {"msg": "process_starts", "eta": True},
        {"msg": "progress", "progress_data": [7]},
        {"msg": "progress", "progress_data": 7},
        {"msg": "progress", "progress_data": [{"desc": ["a"]}]},
        {"msg": "progress", "progress_data": [{"unit": {}}]},
        {"msg": "progress", "progress_data": [{"index": "1"}]},
        {"msg": "progress", "progress_data": [{}] * 101},
        {"msg": "log"},
        {"msg": "log", "level": None, "log": "text"},
        {"msg": "log", "level": "info", "log": ["text"]},
    ],
    ids=lambda message: str(message)[:80],
)
def test_an_event_of_another_shape_is_a_protocol_error(message):
    with pytest.raises(ProtocolError, match="unexpected shape"):
        started().feed(message)


@pytest.mark.parametrize(
    "number", [math.inf, -math.inf, math.nan, 10**400], ids=lambda n: str(n)[:9]
)
def test_a_number_beyond_all_limits_is_none(number):
    decoder = started()
    assert decoder.feed({"msg": "process_starts", "eta": number}) == Started(eta=None)
    bar = {"index": number, "length": number, "progress": number, "unit": "steps"}
    assert decoder.feed({"msg": "progress", "progress_data": [bar]}) == Progress(
        (Step(unit="steps"),)
    )


def test_an_answer_that_was_rewritten_stays_one_that_was():
    decoder = started("Hello")
    decoder.feed(generating([["replace", [0, 1], "Bye a\ud800b"]]))
    assert decoder.rewritten
    assert decoder.feed(generating([["replace", [0], ["Hi", "Bye a\ud800b!"]]])) == "!"
    assert decoder.rewritten


def test_the_first_place_in_the_queue_is_zero():
    told = started().feed({"msg": "estimation", "rank": 0, "queue_size": 1, "rank_eta": None})
    assert told == Queued(0, 1, None)


def test_texts_of_events_have_no_surrogates():
    note = started().feed({"msg": "log", "level": "info", "log": "a\ud800 \ud83d\ude00"})
    assert note == Note("info", f"a{HALF} \U0001f600")


def test_a_deeply_nested_answer_is_a_protocol_error():
    deep = functools.reduce(lambda inner, _: [inner], range(600), ["x"])
    with pytest.raises(ProtocolError):
        started(value=[["Hi", deep]])
    with pytest.raises(ProtocolError):
        started("Hi").feed(generating([["replace", [0, 1], deep]]))


def test_an_unknown_kind_cannot_forge_a_line_of_the_log(caplog):
    caplog.set_level(logging.DEBUG, logger="qwen25")
    started().feed({"msg": "new\nERROR root: lost\x1b[2J"})
    [record] = caplog.records
    assert not set(record.getMessage()) & set("\n\x1b")


@pytest.mark.parametrize("kind", ["heartbeat", "close_stream", "brand_new"])
def test_a_message_that_says_nothing_of_the_answer_is_passed_over(kind):
    assert started("Hello").feed({"msg": kind}) == ""


def test_a_message_without_a_kind_is_a_protocol_error():
    with pytest.raises(ProtocolError, match="msg"):
        started("Hello").feed({"output": {}})


def test_a_failure_is_raised_with_its_reason():
    message = {"msg": "process_completed", "success": False, "output": {"error": "no memory"}}
    with pytest.raises(GenerationError, match="no memory"):
        started("Hel").feed(message)


def test_a_request_that_the_server_gives_up_is_interrupted():
    message = {"msg": "unexpected_error", "message": "Session not found."}
    with pytest.raises(StreamInterruptedError):
        started("Hel").feed(message)


def test_a_cancelled_answer_is_a_failure():
    with pytest.raises(GenerationError, match="cancelled"):
        started("Hel").feed({"msg": "process_completed", "output": {}, "success": True})


def test_old_pieces_are_joined():
    """A piece of nine characters that are not ASCII takes four times the memory of its text."""
    decoder = started("")
    tracemalloc.start()
    try:
        for number in range(20_000):
            decoder.feed(generating([["append", [0, 1], f"слово{number:03d} "]]))
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    text = decoder.text
    assert text == "".join(f"слово{number:03d} " for number in range(20_000))
    assert size < 1.5 * sys.getsizeof(text)


def test_a_message_costs_the_same_however_long_the_answer():
    """Counted in calls, which do not depend on the machine."""

    def calls(length):
        decoder = started("x" * length)
        for _ in range(length):
            decoder.feed(generating([["append", [0, 1], "x"]]))
        count = 0

        def count_call(frame, event, argument):
            nonlocal count
            count += event in ("call", "c_call")

        message = generating([["append", [0, 1], "x"]])
        sys.setprofile(count_call)
        try:
            decoder.feed(message)
        finally:
            sys.setprofile(None)
        return count

    assert calls(10) == calls(10_000)


def test_an_answer_of_very_many_parts_is_refused():
    """Also when its parts come in many messages, each of them small."""
    decoder = Decoder(TextFormat(), 0, (), diffs=True)
    decoder.feed({"msg": "process_generating", "output": {"data": [["a"]]}})
    with pytest.raises(ProtocolError, match="parts"):
        for _ in range(5):
            more = [["add", [1], "a"]] * 9_000
            decoder.feed({"msg": "process_generating", "output": {"data": [more]}})
