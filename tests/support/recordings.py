"""The recorded streams in `transcripts/`, and what they say."""

import json
from pathlib import Path

from qwen25.protocol.config import Config
from qwen25.protocol.decoder import Decoder
from qwen25.protocol.endpoint import find_plan
from qwen25.protocol.sse import read_messages

_FOLDER = Path(__file__).parent.parent / "transcripts"

SPACES = sorted(folder.name for folder in _FOLDER.glob("gradio-*"))


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


def history_text(space):
    """The app of Gradio 6 counted messages where the others counted pairs."""
    turns = 2 if space == "gradio-6.31.0-parts" else 1
    return f"[7B|turns={turns}|Answer briefly.] " + _words(0, 2)


def stream_bytes(space, name):
    return (_FOLDER / space / f"{name}.sse").read_bytes()


def config(space):
    return json.loads((_FOLDER / space / "config.json").read_text(encoding="utf-8"))


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
