"""What holds of every answer, whatever a Space sends."""

import math

from hostile import hostile_message

from qwen25 import Note, Progress, Queued, QwenError, Started, Thought
from qwen25.cli.terminal import truncate
from qwen25.display.status import status_text
from qwen25.protocol.chatbot import MessagesFormat, TextFormat, TuplesFormat
from qwen25.protocol.decoder import Decoder


def check_answer(source):
    """Decode one answer of hostile messages, and check each piece, event and error."""
    layout = source.choice(
        (TuplesFormat(), MessagesFormat(parts=False), MessagesFormat(parts=True), TextFormat())
    )
    decoder = Decoder(layout, 1, [], source.random() < 0.8)
    pieces = ""
    for _ in range(source.randrange(1, 30)):
        try:
            item = decoder.feed(hostile_message(source))
        except QwenError as error:
            check_error(error)
            break
        for each in item if isinstance(item, list) else [item]:
            if isinstance(each, str):
                pieces += each
                pieces.encode()
            else:
                check_event(each)
        if not decoder.rewritten:
            assert decoder.text == pieces
        decoder.text.encode()
        if decoder.done:
            break


def check_event(event):
    """Its fields are what they are typed as, and it can be shown."""
    if isinstance(event, Queued):
        assert type(event.rank) is int and type(event.size) is int
        check_number(event.eta)
    elif isinstance(event, Started):
        check_number(event.eta)
    elif isinstance(event, Progress):
        for step in event.steps:
            for number in (step.index, step.length, step.progress):
                check_number(number)
            for text in (step.unit, step.desc):
                assert text is None or type(text) is str
    elif isinstance(event, Thought):
        assert type(event.title) is str and type(event.text) is str
        f"{event.title}{event.text}".encode()
    else:
        assert isinstance(event, Note)
        assert type(event.level) is str and type(event.text) is str
    truncate(status_text(event), 79).encode()
    repr(event)


def check_number(number):
    assert number is None or (type(number) is float and math.isfinite(number))


def check_error(error):
    """It can be printed and logged: one harmless line, which is not too long."""
    text = str(error)
    text.encode()
    assert len(text) < 3_000
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in text), text
    assert "\u202e" not in text
    wait = error.retry_after
    assert wait is None or 0 <= wait <= 86_400
