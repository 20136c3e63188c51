"""Answers of a real Space, kept in a file for tests: recorded once, replayed ever after."""

from __future__ import annotations

import contextlib
import copy
import json
import threading
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, Optional

from ..errors import InvalidRequestError, QwenError, describe
from ..files import Path, path_of, replacing

if TYPE_CHECKING:
    from ..client.discovery import App

#: The version of the file's form.
_FORM = 1
#: A recording has less, so that a wrong file does not fill the memory.
_MOST_BYTES = 64 << 20
#: What a client reads of `/config`. The rest is long, or tells of the machine.
_CONFIG = ("version", "protocol", "api_prefix", "components", "dependencies")
_COMPONENT = ("id", "type", "props")
#: What differs each time, in a message and in its output: an id, and times that were measured.
_CHANGING = (
    *("event_id", "duration", "average_duration", "cache_duration", "avg_time"),
    *("eta", "rank_eta", "queue_eta"),
    *("avg_event_process_time", "avg_event_concurrent_process_time"),
)
#: How deep the file is written a value a line.
_DEPTH = 6


class NotRecordedError(QwenError):
    """A test asks what its recording does not have."""


@contextlib.contextmanager
def record(path: Path) -> Iterator[None]:
    """Write what every client asks within the block, and what the Space answers, to a file.

    The file holds prompts, answers and the wiring of the app: no token, no password, no cookie and
    no header. It is replaced when the block ends; when the block raises, it stays as it was.
    Failures of the network and refusals are not recorded. Another process is not seen.

    Raises:
        InvalidRequestError: `path` is not a path.
        OSError: The file cannot be written.
    """
    path_of(path)
    spaces: Dict[str, Tape] = {}

    def connect(app: App, real: Callable[[App], Any]) -> Any:
        name = app.address.id or app.address.url
        return _Recorder(real(app), spaces.setdefault(name, Tape()))

    with _connecting(connect):
        yield
    content = {"form": _FORM, "spaces": {name: spaces[name].content() for name in spaces}}
    with replacing(path) as file:
        # Half a surrogate pair has no bytes in UTF-8. Its escape is the same in JSON.
        file.write((pretty(content) + "\n").encode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def replay(path: Path) -> Iterator[None]:
    """Answer every client within the block from a file of `record`, without a network.

    A request that was recorded several times gets its answers in their order, and then the last
    one again. A file of one Space answers for every Space, one of several by their names.

    Raises:
        NotRecordedError: There is no such file, or, also at the end of the block, something was
            asked that it does not have.
        InvalidRequestError: The file is no recording.
        OSError: The file cannot be read.
    """
    name = path_of(path)
    tapes = _read(name)
    missed: List[NotRecordedError] = []

    def connect(app: App, real: Callable[[App], Any]) -> Any:
        space = app.address.id or app.address.url
        tape = next(iter(tapes.values())) if len(tapes) == 1 else tapes.get(space)
        if tape is None:
            missed.append(_not_recorded(f"{name} has no answers of {space}.", name))
            raise missed[-1]
        return _Player(tape, name, missed)

    with _connecting(connect):
        yield
    if missed:
        # The code under test may have caught it.
        raise missed[0]


@contextlib.contextmanager
def _connecting(connect: Callable[[App, Callable[[App], Any]], Any]) -> Iterator[None]:
    """Have every app connected to by a function, which is given the app and the real way."""
    from ..client.discovery import App  # it knows requests, which most tests do without

    real = App.connect
    setattr(App, "connect", lambda app: connect(app, real))
    try:
        yield
    finally:
        setattr(App, "connect", real)


class Tape:
    """What one Space was asked and has answered."""

    def __init__(self, config: Any = None, answers: Iterable[Dict[str, Any]] = ()) -> None:
        self.config = config
        self._answers: Dict[str, List[Any]] = {}
        self._played: Dict[str, int] = {}
        self._lock = threading.Lock()
        for answer in answers:
            self.add(answer["request"], answer["messages"])

    def add(self, request: Dict[str, Any], messages: List[Any]) -> None:
        """Keep the messages of an answer; the list may still grow."""
        with self._lock:
            self._answers.setdefault(_key(request), []).append(messages)

    def next(self, request: Dict[str, Any]) -> Optional[List[Any]]:
        """The messages of the next answer to a request; `None` when none was recorded."""
        key = _key(request)
        with self._lock:
            answers = self._answers.get(key)
            if not answers:
                return None
            index = self._played.get(key, 0)
            self._played[key] = index + 1
            messages: List[Any] = copy.deepcopy(answers[min(index, len(answers) - 1)])
            return messages

    def content(self) -> Dict[str, Any]:
        """All of it as JSON; sorted, since threads may ask in any order."""
        answers = [
            {"request": json.loads(key), "messages": messages}
            for key, recorded in sorted(self._answers.items())
            for messages in recorded
        ]
        return {"answers": answers, "config": self.config}


class _Recorder:
    """A `SpaceApi` that keeps what comes; what it does not know, it hands on."""

    def __init__(self, api: Any, tape: Tape) -> None:
        self._api = api
        self._tape = tape
        self._request: Dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    def config(self, deadline: Any) -> Any:
        config = self._api.config(deadline)
        self._tape.config = stable_config(config)
        return config

    def join(self, prefix: str, body: Dict[str, Any], deadline: Any) -> Any:
        if self._tape.config is None:
            self.config(deadline)  # the client knew it from before
        event_id = self._api.join(prefix, body, deadline)
        self._request = body
        return event_id

    def listen(self, *arguments: Any) -> Iterator[Any]:
        messages = self._api.listen(*arguments)
        kept: List[Any] = []
        self._tape.add(self._request, kept)
        return self._kept(messages, kept)

    def _kept(self, messages: Iterator[Any], kept: List[Any]) -> Iterator[Any]:
        for message in messages:
            if message.get("msg") != "heartbeat":
                kept.append(stable_message(message))
            yield message


class _Player:
    """A `SpaceApi` that answers from a recording."""

    def __init__(self, tape: Tape, name: str, missed: List[NotRecordedError]) -> None:
        self._tape = tape
        self._name = name
        self._missed = missed
        self._messages: List[Any] = []

    def config(self, deadline: Any) -> Any:
        return copy.deepcopy(self._tape.config)

    def join(self, prefix: str, body: Dict[str, Any], deadline: Any) -> str:
        messages = self._tape.next(body)
        if messages is None:
            asked = describe(json.loads(_key(body))["data"])
            error = _not_recorded(f"{self._name} has no answer to {asked}.", self._name)
            self._missed.append(error)
            raise error
        self._messages = messages
        return "recorded"

    def listen(self, prefix: str, session_hash: str, deadline: Any) -> Iterator[Any]:
        return iter(self._messages)

    def log_in(self, auth: Any, deadline: Any) -> None:
        """Every login is right."""

    def stage(self, deadline: Any) -> None:
        """Hugging Face is not asked."""

    def quota(self, deadline: Any) -> None:
        """Hugging Face is not asked."""

    def queue_size(self, prefix: str, deadline: Any) -> None:
        """Nothing waits, and nothing tells so."""

    def finish(self, deadline: Any) -> None:
        """There is no connection."""

    def close_stream(self) -> None:
        """There is no connection."""

    def interrupt(self) -> None:
        """Nothing is waited for."""

    def cancel(self) -> None:
        """Nothing is waited for."""

    def release(self) -> None:
        """There is no connection."""


def _key(request: Dict[str, Any]) -> str:
    same = {key: value for key, value in request.items() if key != "session_hash"}
    return json.dumps(same, sort_keys=True, ensure_ascii=False)


def stable_message(message: Dict[str, Any]) -> Dict[str, Any]:
    """A copy without what differs each time."""
    kept = {key: value for key, value in message.items() if key not in _CHANGING}
    output = kept.get("output")
    if isinstance(output, dict):
        kept["output"] = {key: output[key] for key in output if key not in _CHANGING}
    return copy.deepcopy(kept)


def stable_config(config: Any) -> Any:
    """A copy of what a client reads."""
    kept = {key: config[key] for key in _CONFIG if key in config}
    kept["components"] = [
        {key: part[key] for key in _COMPONENT if key in part} for part in config["components"]
    ]
    return copy.deepcopy(kept)


def pretty(value: Any, depth: int = 0) -> str:
    """JSON with a message, a component or a function a line, so that a difference is short."""
    if depth < _DEPTH and value and isinstance(value, (dict, list)):
        inner, outer = "\n" + " " * (depth + 1), "\n" + " " * depth
        if isinstance(value, dict):
            parts = [f"{json.dumps(key)}: {pretty(value[key], depth + 1)}" for key in value]
            return "{" + inner + f",{inner}".join(parts) + outer + "}"
        parts = [pretty(each, depth + 1) for each in value]
        return "[" + inner + f",{inner}".join(parts) + outer + "]"
    return json.dumps(value, ensure_ascii=False)


def _read(name: str) -> Dict[str, Tape]:
    try:
        with open(name, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise _not_recorded(f"There is no {name}.", name) from error
    try:
        if len(data) > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES >> 20} MiB")
        content = json.loads(data.decode("utf-8"))
        if content["form"] != _FORM:
            raise ValueError(f"its form is {describe(content['form'])}, not {_FORM}")
        return {
            space: Tape(tape["config"], tape["answers"])
            for space, tape in content["spaces"].items()
        }
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidRequestError(
            f"{name} is not a recording: {type(error).__name__}: {error}.",
            hint="Give a file that qwen25.testing.record wrote, or record it again.",
        ) from error


def _not_recorded(message: str, name: str) -> NotRecordedError:
    return NotRecordedError(
        message,
        hint=f"Record it: run the code once within qwen25.testing.record({name!r}), or a marked"
        " test with pytest --qwen25-record.",
    )
