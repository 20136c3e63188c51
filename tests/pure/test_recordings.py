"""Every recorded stream of a real server gives the text that its app wrote."""

import pytest
from recordings import (
    BROKEN_OFF,
    HISTORY,
    HISTORY_TEXT,
    SPACES,
    TEXTS,
    decode,
    decoder,
    stream_bytes,
)

from qwen25 import GenerationError, Note, Progress, Queued, Started, Step
from qwen25.protocol.sse import read_messages

RECORDED = (*TEXTS, "history", "fail", "raise", "break")


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", TEXTS)
def test_a_recording_gives_its_text(space, name):
    """The text is the server's last word, and the pieces joined are it unless it was rewritten."""
    answer = decoder(space)
    pieces, _ = decode(answer, [stream_bytes(space, name)])
    assert answer.text == TEXTS[name]
    assert answer.done
    assert answer.rewritten == (name == "rewrite")
    if name != "rewrite":
        assert "".join(pieces) == TEXTS[name]


@pytest.mark.parametrize("space", SPACES)
def test_five_words_written_are_five_pieces(space):
    pieces, _ = decode(decoder(space), [stream_bytes(space, "answer")])
    assert pieces == [
        "[7B|turns=0|Answer briefly.] слово0 你好 ",
        "слово1 你好 ",
        "слово2 你好 ",
        "слово3 你好 ",
        "слово4 你好 ",
    ]


@pytest.mark.parametrize("space", SPACES)
def test_an_answer_with_history_begins_after_it(space):
    """The earlier turn's answer is no part of this one."""
    answer = decoder(space, HISTORY)
    pieces, _ = decode(answer, [stream_bytes(space, "history")])
    assert "".join(pieces) == answer.text == HISTORY_TEXT


def outcome(space, name, chunks):
    """All that a stream comes to: pieces, text, and how it ended."""
    answer = decoder(space, HISTORY if name == "history" else ())
    pieces = []
    try:
        for message in read_messages(chunks):
            item = answer.feed(message)
            if isinstance(item, str) and item:
                pieces.append(item)
    except GenerationError as error:
        return pieces, answer.text, str(error)
    return pieces, answer.text, answer.done


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", RECORDED)
def test_every_cut_of_the_stream_gives_the_same_messages(space, name):
    """Wherever the network cuts the bytes, inside characters too; a decoder sees messages only."""
    stream = stream_bytes(space, name)
    whole = list(read_messages([stream]))
    assert whole
    for cut in range(len(stream)):
        assert list(read_messages([stream[:cut], stream[cut:]])) == whole, cut


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_a_stream_byte_by_byte_comes_to_the_same(space, name, line_end):
    stream = stream_bytes(space, name)
    whole = outcome(space, name, [stream])
    ended = stream.replace(b"\n", line_end)
    assert outcome(space, name, (bytes([byte]) for byte in ended)) == whole


@pytest.mark.parametrize("space", SPACES)
def test_a_piece_never_ends_inside_a_character(space):
    pieces, _ = decode(decoder(space), [stream_bytes(space, "split")])
    assert len(pieces) == 7
    assert not any("\ufffd" in piece for piece in pieces)


@pytest.mark.parametrize("space", SPACES)
def test_a_rewrite_goes_on_from_the_longest_common_beginning(space):
    pieces, _ = decode(decoder(space), [stream_bytes(space, "rewrite")])
    assert pieces[3:] == ["Rewritten: слово3 你好 ", "слово4 你好 ", "слово5 你好 "]


@pytest.mark.parametrize("space", SPACES)
def test_a_failure_without_a_reason_never_says_none(space):
    """Gradio 4.10 gives the reason as the word None."""
    for name, partial in (("fail", ""), ("break", BROKEN_OFF)):
        answer = decoder(space)
        with pytest.raises(GenerationError) as caught:
            decode(answer, [stream_bytes(space, name)])
        assert caught.value.detail is None
        assert "None" not in str(caught.value)
        assert answer.text == partial
        assert not answer.done


@pytest.mark.parametrize("space", SPACES)
def test_a_failure_with_a_reason_tells_it(space):
    """Gradio 4 puts quotes around it, which are not the app's."""
    with pytest.raises(GenerationError, match="the writer refused") as caught:
        decode(decoder(space), [stream_bytes(space, "raise")])
    assert caught.value.detail == "the writer refused"


@pytest.mark.parametrize("space", SPACES)
def test_notes_and_steps_are_events(space):
    _, events = decode(decoder(space), [stream_bytes(space, "note")])
    assert isinstance(events[0], Queued) and isinstance(events[1], Started)
    assert events[2:] == [Note("info", "a note"), Note("warning", "a warning")]
    _, events = decode(decoder(space), [stream_bytes(space, "steps")])
    assert events[2:] == [
        Progress((Step(index=index, length=3, unit="steps", desc="warming up"),))
        for index in range(3)
    ]
