"""`FakeSpace`: the queue protocol of a Gradio Space, played from a script."""

from __future__ import annotations

import contextlib
import uuid
from collections import deque
from types import TracebackType
from typing import (
    Any,
    Callable,
    Deque,
    Dict,
    Generator,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    Type,
    Union,
)

from ..errors import InvalidRequestError
from . import app, arguments
from .answer import Answer, Dialect
from .framing import FRAMINGS, Part, framed
from .queueing import Queue, QueueFull, Ticket
from .server import ClientLeft, Connection, Headers, Request, Server, head
from .steps import STEPS, Delay, Drop, Fail, Fault, Gate, Hang, Pause, Reply, Reset, Step


class Question(NamedTuple):
    """What a client has asked, for an answer that depends on it."""

    prompt: str
    #: The earlier turns, `{"role": ..., "content": ...}` whatever the layout.
    history: List[app.Turn]
    system: str
    #: `None` on a Space whose function takes no size.
    size: Optional[str]
    #: Of the request to `/queue/join`.
    headers: Headers
    session_hash: str
    event_id: str


#: What a script can be given as: a piece, a step, several, or a function of the question.
Script = Union[Step, Iterable[Step], Callable[[Question], Union[Step, Iterable[Step]]]]
#: What can be planned for a kind of request: the same for all of them, or one each.
Plan = Union[None, Fault, Iterable[Optional[Fault]]]


class _Asked(NamedTuple):
    """A request that joined the queue; without a question when its inputs could not be read."""

    event_id: str
    question: Optional[Question]
    script: Script
    ticket: Ticket


class _Session(NamedTuple):
    """What was joined under one `session_hash`: all of it goes over one stream."""

    asked: Deque[_Asked]
    replica: Optional[str]


class _Planned:
    """An attribute of a `FakeSpace` that holds a `Plan`; lists are copied, and used up."""

    def __set_name__(self, owner: Type[FakeSpace], name: str) -> None:
        self._name = name

    def __get__(self, space: Optional[FakeSpace], owner: Type[FakeSpace]) -> Any:
        return self if space is None else space.__dict__[self._name]

    def __set__(self, space: FakeSpace, plan: Plan) -> None:
        space.__dict__[self._name] = arguments.plan(self._name, plan)


class FakeSpace:
    """A Gradio Space on a loopback port, wired like the public one, that answers from a script.

        with FakeSpace(["Hello", " world"]) as space:
            assert Client(space.url).complete("Hi") == "Hello world"

    A context manager; without `with`, `start()` and `close()`. Whatever waits ends with `close()`.

    Args:
        answer: The script of every answer: pieces of text, and steps such as `Delay` or `Fail`; or
            a function from the `Question` to a script. Can be changed at any time.
        first: The scripts of the first requests, one each; `None` in it is `answer`, and so are
            all that follow. Can be changed at any time.
        layout: How the chatbot writes a history: `modelscope` as on the public Space, `tuples`,
            `messages`, or `parts` as in Gradio 6.
        protocol: `sse_v3`, `sse_v2`, or `sse_v1`, which sends whole values.
        prefix: Of the queue's paths; default that of the Gradio with this layout and protocol.
        framing: How the stream is sent: `chunked`, one event a chunk; `close`, to the end of the
            connection; `length`, with a `Content-Length`; `gzip`; `bytes`, one byte a chunk.
        newline: What ends a line of the stream.
        auth: Username and password of Gradio's login; default is no login.
        sizes: What the visible radios offer.
        size_input: Whether the function takes a size.
        fn_index: The function's number; changing it is what a Space does that is built anew.
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
        layout: str = "modelscope",
        protocol: str = "sse_v3",
        prefix: Optional[str] = None,
        framing: str = "chunked",
        newline: str = "\n",
        auth: Optional[Tuple[str, str]] = None,
        sizes: Sequence[str] = app.SIZES,
        size_input: bool = True,
        fn_index: int = 3,
        limit: Optional[int] = None,
        queue_size: Optional[int] = None,
        sticky: bool = False,
        config: Plan = None,
        login: Plan = None,
        join: Plan = None,
        data: Plan = None,
    ) -> None:
        arguments.choice("layout", layout, app.LAYOUTS)
        arguments.choice("protocol", protocol, app.PROTOCOLS)
        arguments.choice("framing", framing, FRAMINGS)
        arguments.choice("newline", newline, ("\n", "\r\n", "\r"))
        if framing == "length" and limit is not None:
            raise InvalidRequestError(
                "framing='length' knows a stream before it starts, so take no limit."
            )
        self.answer = answer
        self.first = first
        self.prefix = app.prefix(layout, protocol)
        if prefix is not None:
            self.prefix = arguments.prefix(prefix)
        self.fn_index = arguments.index("fn_index", fn_index)
        self.config, self.login, self.join, self.data = config, login, join, data
        #: How many clients left their stream before its end. A client is ahead of what its server
        #: sees, so ask with `wait_for`; the same goes for `open_streams` and `open_connections`.
        self.left = 0
        #: How many streams are open now.
        self.open_streams = 0
        self._layout = layout
        self._dialect = Dialect(app.LAYOUTS[layout], protocol, newline)
        self._framing = framing
        self._auth = arguments.login(auth)
        self._sizes = arguments.texts("sizes", sizes)
        self._size_input = arguments.flag("size_input", size_input)
        self._sticky = arguments.flag("sticky", sticky)
        self._url: Optional[str] = None
        self._server = Server(self._handle)
        self._queue = Queue(
            arguments.count("limit", limit, 1), arguments.count("queue_size", queue_size, 0)
        )
        self._sessions: Dict[str, _Session] = {}
        self._abandoned: Set[str] = set()
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
        """The address for a `Client`; after `close()` nobody listens there."""
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
        return app.config(
            layout=self._layout,
            protocol=self._dialect.protocol,
            prefix=self.prefix,
            root=self.url,
            sizes=self._sizes,
            size_input=self._size_input,
            fn_index=self.fn_index,
        )

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
        with self._listening(request) as session:
            if action is None and not self._is_logged_in(request):
                action = Reply(401, _NOT_AUTHENTICATED)
            if action is not None:
                return _act(connection, request, action)
            with contextlib.closing(self._parts(request, session)) as parts:
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
            data, fn_index, session_hash = body["data"], body["fn_index"], body["session_hash"]
        except (ValueError, KeyError, TypeError):
            return Reply(422, {"detail": "The body is no request to a function."})
        if fn_index != self.fn_index:
            return Reply(500, "Internal Server Error")
        event_id = uuid.uuid4().hex
        question = self._question(data, request.headers, session_hash, event_id)
        with self._server.changing():
            try:
                ticket = self._queue.enter()
            except QueueFull as exc:
                return Reply(503, {"detail": str(exc)})
            first = self._first.popleft() if self._first else None
            script = self._answer if first is None else first
            session = self._sessions.setdefault(session_hash, _Session(deque(), replica))
            session.asked.append(_Asked(event_id, question, script, ticket))
        return Reply(200, {"event_id": event_id})

    def _question(
        self, data: Any, headers: Headers, session_hash: str, event_id: str
    ) -> Optional[Question]:
        """The inputs as the app reads them; `None` where the app fails."""
        try:
            prompt, value, system, *sizes = data
            history = self._dialect.layout.read(value)
        except (TypeError, ValueError):
            return None
        if len(sizes) != self._size_input or any(size not in self._sizes for size in sizes):
            return None
        size = sizes[0] if sizes else None
        return Question(prompt, history, system, size, headers, session_hash, event_id)

    # One stream

    @contextlib.contextmanager
    def _listening(self, request: Request) -> Iterator[Optional[_Session]]:
        """The session a stream is for; what of it was not answered leaves the queue at the end."""
        session_hash = request.query.get("session_hash", "")
        with self._server.changing():
            self.open_streams += 1
            session = self._sessions.get(session_hash)
            if session is not None and session.replica != self._replica(request)[0]:
                session = None
        try:
            yield session
        except ClientLeft:
            with self._server.changing():
                self.left += not self._server.closed
                self._abandoned.add(session_hash)
            raise
        finally:
            with self._server.changing():
                self.open_streams -= 1
                if session is not None:
                    self._end(session_hash, session)

    def _end(self, session_hash: str, session: _Session) -> None:
        if self._sessions.get(session_hash) is session:
            del self._sessions[session_hash]
        for asked in session.asked:
            self._queue.leave(asked.ticket)

    def _parts(self, request: Request, session: Optional[_Session]) -> Generator[Part, None, None]:
        """All that goes over one stream, and the waiting in it."""
        session_hash = request.query.get("session_hash", "")
        if session is None:
            # As the real ones do: no event for a session that its client has left.
            if session_hash not in self._abandoned:
                yield self._dialect.encode(_SESSION_NOT_FOUND)
            yield Drop()
            return
        while True:
            with self._server.changed:
                if not session.asked:
                    self._end(session_hash, session)
                    break
                asked = session.asked.popleft()
            try:
                yield from self._answered(asked)
            finally:
                self._queue.leave(asked.ticket)
        if self._dialect.protocol == "sse_v3":
            yield self._dialect.event("close_stream", None)

    def _answered(self, asked: _Asked) -> Iterator[Part]:
        question = asked.question
        prompt, history, system = ("", [], "") if question is None else question[:3]
        answer = Answer(self._dialect, asked.event_id, prompt, history, system)
        while True:
            place = self._queue.place(asked.ticket)
            if place is None:
                break
            yield answer.queued(place)
            yield asked.ticket.moved
        try:
            yield from answer.play(_steps(asked.script, question))
        except Exception as exc:
            # The app of a real Space fails so; the test hears of it when the Space is closed.
            self._server.errors.append(exc)
            yield from answer.play((Fail(),))

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
_SESSION_NOT_FOUND = {
    "msg": "unexpected_error",
    "event_id": None,
    "message": "404: Session not found.",
    "session_not_found": True,
    "success": False,
}


def _steps(script: Script, question: Optional[Question]) -> Iterable[Step]:
    if question is None:
        return (Fail(),)
    if not isinstance(script, STEPS) and callable(script):
        script = script(question)
    return (script,) if isinstance(script, STEPS) else script


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
