"""`FakeSpace`: the queue protocol of a Gradio Space, played from a script."""

from __future__ import annotations

import contextlib
import uuid
from collections import deque
from types import TracebackType
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
    Type,
    Union,
)

from ..errors import InvalidRequestError
from . import arguments
from .answer import Dialect
from .app import NOTHING, app_of
from .framing import FRAMINGS, Part, framed
from .question import Plan, Question, Script
from .queueing import Queue, QueueFull
from .server import Connection, Request, Server, head
from .sessions import Joined, Sessions
from .shapes import SIZES
from .steps import Delay, Fault, Gate, Hang, Pause, Reply, Reset


class _Planned:
    """An attribute of a `FakeSpace` that holds a `Plan`; lists are copied, and used up."""

    def __set_name__(self, owner: Type[FakeSpace], name: str) -> None:
        self._name = name

    def __get__(self, space: Optional[FakeSpace], owner: Type[FakeSpace]) -> Any:
        return self if space is None else space.__dict__[self._name]

    def __set__(self, space: FakeSpace, plan: Plan) -> None:
        space.__dict__[self._name] = arguments.plan(self._name, plan)


class FakeSpace:
    """A Gradio Space on a loopback port, by default wired like the public one, with a script.

        with FakeSpace(["Hello", " world"]) as space:
            assert Client(space.url).complete("Hi") == "Hello world"

    A context manager; without `with`, `start()` and `close()`. Whatever waits ends with `close()`.

    Args:
        answer: The script of every answer: pieces of text, and steps such as `Delay` or `Fail`; or
            a function from the `Question` to a script. Can be changed at any time.
        first: The scripts of the first requests, one each; `None` in it is `answer`, and so are
            all that follow. Can be changed at any time.
        shape: How the app is made: `one_step` as the public Space; `one_step_state`,
            `state_only`, `two_steps`, `two_steps_options`, `two_steps_multimodal`,
            `chat_interface`, `chat_interface_inputs`, `chat_interface_multimodal`,
            `text_to_text`, `sender`. `docs/testing.md` tells of each.
        gradio: The Gradio of a shape: `4.44`, `5.50`, or `6.31`, which is the default. `one_step`
            takes `layout` and `protocol` in its place, and only it takes those.
        layout: How the chatbot writes a history: `modelscope` as on the public Space, `tuples`,
            `messages`, or `parts` as in Gradio 6.
        protocol: `sse_v3`, `sse_v2`, or `sse_v1`, which sends whole values.
        prefix: Of the queue's paths; default that of the Gradio with this layout and protocol.
        framing: How the stream is sent: `chunked`, one event a chunk; `close`, to the end of the
            connection; `length`, with a `Content-Length`; `gzip`; `bytes`, one byte a chunk.
        newline: What ends a line of the stream.
        auth: Username and password of Gradio's login; default is no login.
        sizes: The models on offer, where the shape has a choice of them.
        size_input: Whether the function of `one_step` takes a size.
        fn_index: The number of the function that a question starts with, default 3 for `one_step`
            and 0 for others; changing it is what a Space does that is rebuilt.
        limit: How many answers run at once; the others wait, and are told their place.
        queue_size: How many may wait for the `limit`; one more is refused with 503.
        sticky: Be several replicas, of which only that of the cookie knows a session.
        config, login, join, data: What happens to `/config`, `/login`, `/queue/join` and
            `/queue/data` in place of the ordinary: a `Reply`, `Drop`, `Reset` or `Hang` for every
            request, or a list of them for the next ones, with `None` for the ordinary. Can be
            changed at any time.

    Raises:
        InvalidRequestError: An argument is invalid.
    """

    config = _Planned()
    login = _Planned()
    join = _Planned()
    data = _Planned()

    def __init__(
        self,
        answer: Script = ("Hello", " world"),
        *,
        first: Iterable[Optional[Script]] = (),
        shape: str = "one_step",
        gradio: Optional[str] = None,
        layout: str = "modelscope",
        protocol: str = "sse_v3",
        prefix: Optional[str] = None,
        framing: str = "chunked",
        newline: str = "\n",
        auth: Optional[Tuple[str, str]] = None,
        sizes: Sequence[str] = SIZES,
        size_input: bool = True,
        fn_index: Optional[int] = None,
        limit: Optional[int] = None,
        queue_size: Optional[int] = None,
        sticky: bool = False,
        config: Plan = None,
        login: Plan = None,
        join: Plan = None,
        data: Plan = None,
    ) -> None:
        arguments.choice("framing", framing, FRAMINGS)
        arguments.choice("newline", newline, ("\n", "\r\n", "\r"))
        if framing == "length" and limit is not None:
            raise InvalidRequestError(
                "framing='length' knows a stream before it starts, so take no limit."
            )
        self.answer = answer
        self.first = first
        sizes = arguments.texts("sizes", sizes)
        size_input = arguments.flag("size_input", size_input)
        self._app = app_of(shape, gradio, layout, protocol, sizes, size_input)
        self.prefix = self._app.prefix if prefix is None else arguments.prefix(prefix)
        if fn_index is None:
            fn_index = 3 if shape == "one_step" else 0
        self.fn_index = arguments.index("fn_index", fn_index)
        self.config, self.login, self.join, self.data = config, login, join, data
        self._framing = framing
        self._auth = arguments.login(auth)
        self._sticky = arguments.flag("sticky", sticky)
        self._url: Optional[str] = None
        self._server = Server(self._handle)
        self._sessions = Sessions(
            self._server,
            Dialect(protocol, newline),
            Queue(arguments.count("limit", limit, 1), arguments.count("queue_size", queue_size, 0)),
        )
        self._tokens: Set[str] = set()

    @property
    def answer(self) -> Script:
        """The script of the answers from now on."""
        return self._answer

    @answer.setter
    def answer(self, script: Script) -> None:
        self._answer: Script = arguments.script("answer", script)

    @property
    def first(self) -> Iterable[Optional[Script]]:
        """The scripts of the next requests, one each, before `answer` is played."""
        return self._first

    @first.setter
    def first(self, scripts: Iterable[Optional[Script]]) -> None:
        self._first = deque(
            None if one is None else arguments.script("first", one)
            for one in arguments.items("first", scripts, "a list of scripts and None")
        )

    def start(self) -> FakeSpace:
        """Listen on a free port of 127.0.0.1."""
        self._url = self._server.start()
        return self

    def close(self) -> None:
        """Close every connection and wait for the threads; idempotent.

        Raises:
            Exception: What a script's function has raised, or what made no script.
        """
        self._server.close()
        if self._server.errors:
            raise self._server.errors.pop(0)

    def __enter__(self) -> FakeSpace:
        return self.start()

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if exc is None:
            self.close()
        else:
            self._server.close()  # The test's own failure says more.

    @property
    def url(self) -> str:
        """The address for a `Client`; after `close()` nothing listens there."""
        if self._url is None:
            raise RuntimeError("A FakeSpace has an address once it is started: with ... as space.")
        return self._url

    @property
    def requests(self) -> List[Request]:
        """The requests that came, in order; of very many the newest 10,000."""
        with self._server.changed:
            return list(self._server.requests)

    @property
    def connections(self) -> int:
        """How many TCP connections came."""
        return self._server.connections

    @property
    def open_connections(self) -> int:
        """How many of them are open now."""
        return self._server.open_connections

    @property
    def left(self) -> int:
        """How many clients left their stream before the end of what they had asked.

        A client is ahead of what its server sees, so ask with `wait_for`; the same goes for
        `open_streams` and `open_connections`.
        """
        return self._sessions.left

    @property
    def open_streams(self) -> int:
        """How many streams are open now."""
        return self._sessions.open_streams

    def wait_for(self, predicate: Callable[[], Any], timeout: float = 5) -> None:
        """Block until the predicate holds, such as `lambda: space.left == 1`.

        Args:
            predicate: Asked now, and whenever a connection, a request or a stream comes or goes.
            timeout: Seconds.

        Raises:
            TimeoutError: It did not hold in time.
        """
        self._server.wait_for(predicate, timeout)

    def wiring(self) -> Dict[str, Any]:
        """What `/config` says; a test can send it changed with `space.config = Reply(200, ...)`."""
        return self._app.config(prefix=self.prefix, root=self.url, fn_index=self.fn_index)

    # One request

    def _handle(self, connection: Connection, request: Request) -> bool:
        """Answer; whether the connection is kept."""
        routes = {
            ("GET", "/config"): "config",
            ("POST", "/login"): "login",
            ("POST", f"{self.prefix}/queue/join"): "join",
            ("GET", f"{self.prefix}/queue/data"): "data",
        }
        name = routes.get((request.method, request.path))
        action = self._planned(name)
        if name != "data":
            if action is None:
                action = self._reply(name, request)
            return _act(connection, request, action)
        session_hash = request.query.get("session_hash", "")
        with self._sessions.listening(session_hash, self._replica(request)[0]) as session:
            if action is None and not self._is_logged_in(request):
                action = Reply(401, _NOT_AUTHENTICATED)
            if action is not None:
                return _act(connection, request, action)
            with contextlib.closing(self._sessions.parts(session_hash, session)) as parts:
                return self._stream(connection, request, parts)

    def _planned(self, name: Optional[str]) -> Optional[Fault]:
        if name is None:
            return None
        with self._server.changed:
            plan = getattr(self, name)
            if isinstance(plan, deque):
                plan = plan.popleft() if plan else None
        fault: Optional[Fault] = plan
        return fault

    def _reply(self, name: Optional[str], request: Request) -> Reply:
        if name is None:
            return Reply(404, {"detail": "Not Found"})
        if name == "login":
            return self._log_in(request)
        if not self._is_logged_in(request):
            return Reply(401, _NOT_AUTHENTICATED)
        replica, headers = self._replica(request)
        if name == "config":
            return Reply(200, self.wiring(), headers)
        return self._join(request, replica)._replace(headers=headers)

    def _log_in(self, request: Request) -> Reply:
        form = request.form
        if self._auth is None or (form.get("username"), form.get("password")) != self._auth:
            return Reply(400, {"detail": "Incorrect credentials."})
        token = uuid.uuid4().hex
        self._tokens.add(token)
        # Gradio sets a Secure cookie too, which does not come back over http.
        cookie = f"access-token-unsecure-fake={token}; HttpOnly; Path=/; SameSite=lax"
        return Reply(200, {"success": True}, {"set-cookie": cookie})

    def _is_logged_in(self, request: Request) -> bool:
        token = request.cookies.get("access-token-unsecure-fake")
        return self._auth is None or token in self._tokens

    def _replica(self, request: Request) -> Tuple[Optional[str], Dict[str, str]]:
        """Which replica a request reaches, and the header that holds its client there."""
        if not self._sticky:
            return None, {}
        replica = request.cookies.get("replica")
        if replica is not None:
            return replica, {}
        replica = uuid.uuid4().hex
        return replica, {"set-cookie": f"replica={replica}; Path=/"}

    def _join(self, request: Request, replica: Optional[str]) -> Reply:
        try:
            body = request.json
            data, number, session_hash = body["data"], body["fn_index"], body["session_hash"]
        except (ValueError, KeyError, TypeError):
            return Reply(422, {"detail": "The body is no request to a function."})
        step = self._app.step(number, self.fn_index)
        if step is None:
            return Reply(500, "Internal Server Error")
        event_id = uuid.uuid4().hex
        with self._server.changing():
            memory = self._sessions.memory(session_hash) if self._app.remembers else {}
            call = self._app.call(step, data, memory)
            question = None
            if call is not None:
                asked = (call.prompt, call.history, call.system, call.size)
                where = (request.headers, session_hash, event_id)
                question = Question(*asked, *where, call.inputs)
            try:
                ticket = self._sessions.enter()
            except QueueFull as exc:
                return Reply(503, {"detail": str(exc)})
            script = self._script() if step.does == "answer" else ()
            output = NOTHING if call is None else call.output
            joined = Joined(event_id, question, output, script, ticket)
            self._sessions.join(session_hash, replica, joined)
        return Reply(200, {"event_id": event_id})

    def _script(self) -> Script:
        first = self._first.popleft() if self._first else None
        return self._answer if first is None else first

    def _stream(self, connection: Connection, request: Request, parts: Iterator[Part]) -> bool:
        """Send it; whether the connection is kept."""
        headers, framed_parts = framed(self._framing, parts)
        connection.write(head(200, {"content-type": "text/event-stream; charset=utf-8", **headers}))
        for part in framed_parts:
            if isinstance(part, bytes):
                connection.write(part)
            elif isinstance(part, Delay):
                connection.wait(seconds=part.seconds)
            elif isinstance(part, Gate):
                connection.wait(gate=part)
            else:
                return _act(connection, request, part)
        return _is_kept(request.headers) and _is_kept(headers)


_NOT_AUTHENTICATED = {"detail": {"error": "Not authenticated", "auth_message": None}}


def _act(connection: Connection, request: Request, action: Union[Fault, Pause]) -> bool:
    """Do what is no stream; whether the connection is kept."""
    if isinstance(action, Reply):
        connection.reply(action)
        return _is_kept(request.headers) and _is_kept(action.headers)
    if isinstance(action, Reset):
        connection.reset()
    elif isinstance(action, Hang):
        connection.wait()
    return False


def _is_kept(headers: Mapping[str, str]) -> bool:
    fields = {name.lower(): value.lower() for name, value in headers.items()}
    return fields.get("connection") != "close"
