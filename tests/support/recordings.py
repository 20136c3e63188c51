"""The recorded answers in `transcripts/`, and what they say."""

import functools
import json
from pathlib import Path

from qwen25.protocol.config import Config
from qwen25.protocol.decoder import Decoder
from qwen25.protocol.endpoint import find_plan
from qwen25.protocol.sse import read_messages

FOLDER = Path(__file__).parent.parent / "transcripts"
#: The address of each recorded app.
URL = "http://127.0.0.1:7860"
#: The prompt of each recorded answer.
PROMPTS = {
    "answer": "hello 5",
    "history": "hello 2",
    "fail": "FAIL",
    "raise": "RAISE",
    "break": "BREAK 9",
    "note": "NOTE 2",
    "steps": "STEPS 2",
    "split": "SPLIT 7",
    "rewrite": "REWRITE 6",
    "empty": "EMPTY",
}

SPACES = sorted(path.stem for path in FOLDER.glob("gradio-*.json"))


def _words(start, stop):
    return "".join(f"слово{number} 你好 " for number in range(start, stop))


_HEAD = "[7B|turns=0|Answer briefly.] "
#: The whole text of each recording that ends well.
TEXTS = {
    "answer": _HEAD + _words(0, 5),
    "empty": "",
    "note": _HEAD + _words(0, 2),
    "rewrite": "Rewritten: " + _words(3, 6),
    "split": _HEAD + _words(0, 7),
    "steps": _HEAD + _words(0, 2),
}
#: What came before the app of the recording `break` failed.
BROKEN_OFF = _HEAD + _words(0, 3)
#: The earlier turn of the recording `history`.
HISTORY = (
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "there"},
)
HISTORY_TEXT = "[7B|turns=1|Answer briefly.] " + _words(0, 2)


def _recorded(space):
    return json.loads((FOLDER / f"{space}.json").read_text("utf-8"))["spaces"][URL]


def messages(space, name):
    """What the server has said, without the ids and times that `record` leaves out.

    The client leaves before the last message of later Gradios; `shapes/` has it, read by a page.
    """
    (answer,) = (
        answer["messages"]
        for answer in _recorded(space)["answers"]
        if answer["request"]["data"][0] == PROMPTS[name]
    )
    last = [] if space.startswith("gradio-4.10") else [{"msg": "close_stream", "event_id": None}]
    return [*answer, *last]


@functools.lru_cache(maxsize=None)
def stream_bytes(space, name):
    """The stream of an answer as its Gradio writes it, with an id and times in each message."""
    return b"".join(
        _event(message, space.startswith("gradio-4.10")) for message in messages(space, name)
    )


def _event(message, ascii_only):
    words = iter(message.items())
    message = {**dict([next(words)]), "event_id": "0123456789abcdef" * 2, **dict(words)}
    if "data" in message.get("output", ()):
        times = {"duration": 0.02108192443847656, "average_duration": 0.02126455307006836}
        message["output"] = {**message["output"], **times}
    separators = (", ", ": ") if ascii_only else (",", ":")
    data = json.dumps(message, ensure_ascii=ascii_only, separators=separators)
    return f"data: {data}\n\n".encode()


def config(space):
    return _recorded(space)["config"]


def decoder(space, history=()):
    route = find_plan(Config.of(config(space))).route
    diffs = Config.of(config(space)).diffs
    return Decoder(route.format, route.output, route.format.encode(history), diffs)


def decode(decoder, chunks):
    """Feed a stream; returns the pieces that are handed out, and the events."""
    pieces, events = [], []
    for message in read_messages(chunks):
        item = decoder.feed(message)
        if not isinstance(item, str):
            events.append(item)
        elif item:
            pieces.append(item)
    return pieces, events
