"""The bytes of streams of any length, in the shape of the recorded ones."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple

_SUPPORT = str(Path(__file__).parent.parent / "support")

#: Gradio's protocol and the chatbot's layout, and the recording of it.
SHAPES = {
    "sse_v3, modelscope": "gradio-4.44.1-modelscope",
    "sse_v3, pairs": "gradio-5.50.0-tuples",
    "sse_v3, parts": "gradio-6.31.0-parts",
    "sse_v1, whole values": "gradio-4.10.0-tuples",
}
USUAL = "sse_v3, modelscope"


class Script(NamedTuple):
    """What the replay server is to send; it travels as the prompt."""

    shape: str = USUAL
    events: int = 10
    #: Characters that each event adds.
    width: int = 8
    #: Seconds between two events; each then carries the server's clock instead of a number.
    every: float = 0.0
    #: The app fails at once, as recorded.
    fails: bool = False

    @property
    def queue(self) -> str:
        """The path of the queue, which Gradio 5 moved."""
        return "/queue" if SHAPES[self.shape].startswith("gradio-4.") else "/gradio_api/queue"

    @property
    def messages(self) -> int:
        """How many events the stream has, with those that carry no piece."""
        recording = recorded(self.shape, "answer")
        return self.events + recording.count(b"data: ") - recording.count(b'"process_generating"')

    @property
    def prompt(self) -> str:
        return json.dumps(self)

    @classmethod
    def of(cls, prompt: str) -> Script:
        return cls(*json.loads(prompt))

    def pieces(self) -> Iterator[str]:
        """The text in its pieces, each written down at the moment when it is due."""
        begin = time.monotonic()
        for number in range(self.events):
            if self.every:
                time.sleep(max(0.0, begin + number * self.every - time.monotonic()))
                yield f"{time.monotonic():.6f} "
            else:
                yield f"{number:0{self.width - 1}d} "


def recorded(shape: str, name: str) -> bytes:
    stream: bytes = _recordings().stream_bytes(SHAPES[shape], name)
    return stream


def config(shape: str) -> Any:
    return _recordings().config(SHAPES[shape])


def _recordings() -> Any:
    if _SUPPORT not in sys.path:
        sys.path.append(_SUPPORT)
    import recordings  # which imports qwen25

    return recordings


def events(script: Script) -> Iterator[bytes]:
    """A stream's events, one after the other."""
    if script.fails:
        yield from _split(recorded(script.shape, "fail"))
        return
    recording = _split(recorded(script.shape, "answer"))
    generating = [event for event in recording if b'"process_generating"' in event]
    first = recording.index(generating[0])
    last = first + len(generating)
    ascii_only = script.shape == "sse_v1, whole values"
    path = _message(generating[1])["output"]["data"][1][0][1] if not ascii_only else [0, 1]

    whole = _template(generating[0], path, ascii_only)
    if ascii_only:
        further = whole
    else:
        further = _template(generating[1], [0, 2], ascii_only)
    completed = _template(recording[last], path, ascii_only)

    yield from recording[:first]
    text: List[str] = []
    for piece in script.pieces():
        text.append(piece)
        if ascii_only:
            yield whole("".join(text))
        else:
            yield (further if len(text) > 1 else whole)(piece)
    yield completed("".join(text))
    yield from recording[last + 1 :]


def _split(stream: bytes) -> List[bytes]:
    return [event + b"\n\n" for event in stream.split(b"\n\n") if event]


def _message(event: bytes) -> Dict[str, Any]:
    message: Dict[str, Any] = json.loads(event[len(b"data: ") :])
    return message


def _template(event: bytes, path: List[Any], ascii_only: bool) -> Callable[[str], bytes]:
    """A function that makes the recorded event with another text at a place of the chatbot's."""
    message = _message(event)
    place = message["output"]["data"][1]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = "\0"
    before, after = json.dumps(message, ensure_ascii=ascii_only, separators=(",", ":")).split(
        json.dumps("\0")
    )

    def fill(text: str) -> bytes:
        return f"data: {before}{json.dumps(text, ensure_ascii=ascii_only)}{after}\n\n".encode()

    return fill
