"""From the steps of a script to the events of a queue stream."""

from __future__ import annotations

import json
from typing import Any, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Union

from ..events import Note, Progress, Queued, Started
from .app import Output
from .steps import (
    Delay,
    Drop,
    End,
    Fail,
    Gate,
    Hang,
    Heartbeat,
    Message,
    Pause,
    Raw,
    Repeat,
    Replace,
    Reset,
    Step,
)

_ASCII = json.JSONEncoder()
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Dialect(NamedTuple):
    """How a Space writes its messages."""

    protocol: str
    newline: str

    def event(self, msg: str, event_id: Optional[str], **fields: Any) -> bytes:
        """One message as one event of the stream."""
        return self.encode({"msg": msg, "event_id": event_id, **fields})

    def encode(self, message: Mapping[str, Any]) -> bytes:
        """The same for a message that may lack anything."""
        encoder = _ASCII if self.protocol == "sse_v1" else _COMPACT
        event = f"data: {encoder.encode(message)}{self.newline}{self.newline}"
        return event.encode("utf-8", "backslashreplace")  # half a character, as JSON writes it


class Answer:
    """One answer on its way out."""

    def __init__(self, dialect: Dialect, event_id: str, output: Output) -> None:
        self._dialect = dialect
        self._event_id = event_id
        self._output = output
        self._pieces: List[str] = []
        self._queued = self._started = self._shown = False

    def play(self, script: Iterable[Step]) -> Iterator[Union[bytes, Pause]]:
        """What to send, and when to wait; a script that does not end itself is completed."""
        for step in _unrolled(script):
            if isinstance(step, (Delay, Gate)):
                yield step
            elif isinstance(step, (End, Drop, Reset, Hang)):
                yield step
                return
            elif isinstance(step, Raw):
                yield step.data
            elif isinstance(step, Heartbeat):
                yield self._dialect.encode({"msg": "heartbeat"})
            elif isinstance(step, Queued):
                yield self.queued(step)
            elif isinstance(step, Started):
                yield self._start(step)
            elif isinstance(step, Message):
                yield self._dialect.encode({"event_id": self._event_id, **step.fields})
                if step.fields.get("msg") == "unexpected_error":
                    yield Drop()
                if step.fields.get("msg") in ("process_completed", "unexpected_error"):
                    return
            else:
                yield from self._opening()
                yield self._say(step)
                if isinstance(step, Fail):
                    return
        yield from self._opening()
        self._output.keep("".join(self._pieces))
        yield self._with_values("process_completed", self._values())

    def queued(self, place: Queued) -> bytes:
        """Where the request is in the queue."""
        self._queued = True
        return self._event("estimation", rank=place.rank, queue_size=place.size, rank_eta=place.eta)

    def _start(self, started: Started) -> bytes:
        self._started = True
        return self._event("process_starts", eta=started.eta)

    def _opening(self) -> Iterator[bytes]:
        """What every Space says before an app can say anything."""
        if not self._started:
            if not self._queued:
                yield self.queued(Queued(0, 1))
            yield self._start(Started())

    def _say(self, step: Step) -> bytes:
        if isinstance(step, str):
            self._pieces.append(step)
            return self._generating("append", step)
        if isinstance(step, Replace):
            self._pieces = [step.text]
            return self._generating("replace", step.text)
        if isinstance(step, Progress):
            bars = [bar._asdict() for bar in step.steps]
            return self._event("progress", progress_data=bars)
        if isinstance(step, Note):
            return self._event("log", log=step.text, level=step.level)
        if isinstance(step, Fail):
            return self._event("process_completed", output={"error": step.detail}, success=False)
        raise TypeError(f"A script has text and steps, and {step!r} is neither.")

    def _generating(self, action: str, value: str) -> bytes:
        """The first time whole values, later what has changed; on `sse_v1` always whole values."""
        if self._shown and self._dialect.protocol != "sse_v1":
            values: List[Any] = [[] for _ in range(self._output.width)]
            if value:
                values[self._output.place] = [[action, self._output.path, value]]
        else:
            values = self._values()
        self._shown = True
        if self._output.keeps_pieces:
            self._output.keep("".join(self._pieces))
        return self._with_values("process_generating", values)

    def _values(self) -> List[Any]:
        return self._output.values("".join(self._pieces))

    def _with_values(self, msg: str, values: List[Any]) -> bytes:
        facts = {"is_generating": True, "duration": 0.02, "average_duration": 0.02}
        return self._event(msg, output={"data": values, **facts}, success=True)

    def _event(self, msg: str, **fields: Any) -> bytes:
        return self._dialect.event(msg, self._event_id, **fields)


def _unrolled(script: Iterable[Step]) -> Iterator[Step]:
    for step in script:
        if isinstance(step, Repeat):
            while step.steps:
                yield from step.steps
        else:
            yield step
