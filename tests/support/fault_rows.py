"""Faults of a scripted Space, and the error in which each ends."""

from __future__ import annotations

from typing import NamedTuple

from recordings import config as recorded

import qwen25
from qwen25 import Timeout
from qwen25.testing import (
    Delay,
    Drop,
    End,
    Fail,
    Hang,
    Heartbeat,
    Message,
    Raw,
    Repeat,
    Reply,
    Reset,
)

#: Seconds that no row comes near; the limits inside them are two at most.
DEADLINE = 10.0


class Row(NamedTuple):
    """A fault, and the error in which it ends."""

    id: str
    #: The Space's script.
    answer: object
    #: Its other faults.
    faults: dict
    error: type
    #: What the message says of the next step.
    says: str
    #: What had come; for `stream` and `events()` that is also what was handed out.
    partial: str = ""
    #: Further attributes of the error.
    facts: dict = {}
    #: The type of the error's cause; `None` is none.
    cause: str | None = None
    timeout: Timeout = Timeout(idle=20)


def message(**fields):
    return Message({"msg": "process_generating", **fields})


def event(text):
    return Raw(b"data: " + text + b"\n\n")


def config(body, status=200, **headers):
    return {"config": Reply(status, body, headers)}


def join(status, body=b"", **headers):
    return {"join": Reply(status, body, {name.replace("_", "-"): v for name, v in headers.items()})}


def data(status, body=b"", **headers):
    return {"data": Reply(status, body, headers)}


OK = ["Hello"]
HTML = "<!doctype html><h1>Please wait</h1>"
FULL = {"detail": "Queue is full. Max size is 2 and size is 2."}
NOBODY = {"detail": {"error": "Not authenticated", "auth_message": None}}
QUOTA = "You have exceeded your <b>GPU quota</b> (60s requested vs. 5s left). Try again in 0:04:30"
SESSION = {"message": "404: Session not found.", "session_not_found": True}
FUNCTIONLESS = recorded("gradio-6.31.0-parts")
FUNCTIONLESS["dependencies"] = FUNCTIONLESS["dependencies"][:1]
QUICK = Timeout(connect=2, idle=0.3, total=20)

ROWS = [
    Row("config is HTML", OK, config(HTML), qwen25.SpaceUnavailableError, "browser", cause="JSONDecodeError", facts={"stage": None}),
    Row("config is 404", OK, config(b"", 404), qwen25.SpaceNotFoundError, "Check the address", facts={"status": 404}),
    Row("config is JSON of something else", OK, config({"hello": "world"}), qwen25.ProtocolError, "Check the address", cause="KeyError"),
    Row("config hangs", OK, {"config": Hang()}, qwen25.TimedOutError, "try again", facts={"phase": "idle"}, timeout=QUICK, cause="ReadTimeout"),
    Row("config drops", OK, {"config": Drop()}, qwen25.ConnectionFailedError, "Check", cause="ConnectionError"),
    Row("config needs a login", OK, {"auth": ("name", "secret")}, qwen25.AuthenticationError, "auth=", facts={"status": 401}),
    Row("an app without a chat function", OK, config(FUNCTIONLESS), qwen25.EndpointNotFoundError, "status --report", facts={"endpoints": ("keep",)}),
    Row("join is 400", OK, join(400, {"detail": "no"}), qwen25.InvalidRequestError, "Check the prompt", facts={"status": 400}),
    Row("join is 401", OK, join(401, NOBODY), qwen25.AuthenticationError, "HF_TOKEN", facts={"status": 401}),
    Row("join is 429 with seconds", OK, join(429, Retry_After="7"), qwen25.RateLimitError, "in 7 seconds", facts={"retry_after": 7.0}),
    Row("join is 503, full", OK, join(503, FULL), qwen25.QueueFullError, "in a minute", facts={"status": 503}),
    Row("join redirects elsewhere", OK, join(307, Location="https://elsewhere.example/x"), qwen25.ProtocolError, "elsewhere.example"),
    Row("join is no JSON", OK, join(200, b"yes"), qwen25.ProtocolError, "Gradio", cause="JSONDecodeError"),
    Row("join hangs", OK, {"join": Hang()}, qwen25.TimedOutError, "try again", facts={"phase": "idle"}, timeout=QUICK, cause="ReadTimeout"),
    Row("join drops", OK, {"join": Drop()}, qwen25.ConnectionFailedError, "Check", cause="ConnectionError"),
    Row("data is HTML", OK, data(200, HTML), qwen25.ProtocolError, "page of its own"),
    Row("data hangs", OK, {"data": Hang()}, qwen25.TimedOutError, "try again", facts={"phase": "idle"}, timeout=QUICK, cause="ReadTimeout"),
    Row("data drops", OK, {"data": Drop()}, qwen25.ConnectionFailedError, "Check", cause="ConnectionError"),
    Row("data is compressed in an odd way", OK, data(200, b"x", **{"Content-Type": "text/event-stream", "Content-Encoding": "br"}), qwen25.ProtocolError, "Go around it"),
    Row("session not found", [Message({"msg": "unexpected_error", **SESSION})], {}, qwen25.StreamInterruptedError, "Ask again"),
    Row("session not found after text", ["Hel", Message({"msg": "unexpected_error", **SESSION})], {}, qwen25.StreamInterruptedError, "Ask again", "Hel"),
    Row("heartbeats for ever", ["Hel", Repeat([Heartbeat(), Delay(0.05)])], {}, qwen25.TimedOutError, "larger timeout", "Hel", {"phase": "total"}, "any", Timeout(total=2)),
    Row("never started", [Repeat([Heartbeat(), Delay(0.05)])], {}, qwen25.TimedOutError, "busy", "", {"phase": "queue"}, "any", Timeout(queue=2)),
    Row("silence for ever", ["Hel", Hang()], {}, qwen25.TimedOutError, "try again", "Hel", {"phase": "idle"}, "timeout", QUICK._replace(idle=2)),
    Row("a trickle of bytes", ["Hel", Raw(b"data: "), Repeat([Raw(b"x"), Delay(0.05)])], {}, qwen25.TimedOutError, "larger timeout", "Hel", {"phase": "total"}, "any", Timeout(total=2)),
    Row("a trickle of headers", OK, {"data": Reply(200, b"", every=0.05)}, qwen25.TimedOutError, "larger timeout", "", {"phase": "total"}, "ReadTimeout", Timeout(total=2)),
    Row("EOF before text", [End()], {}, qwen25.StreamInterruptedError, "Ask again"),
    Row("EOF after text", ["Hel", End()], {}, qwen25.StreamInterruptedError, "Ask again", "Hel"),
    Row("cut off after text", ["Hel", Drop()], {}, qwen25.StreamInterruptedError, "Ask again", "Hel", {}, "IncompleteRead"),
    Row("cut off after text, close-delimited", ["Hel", Drop()], {"framing": "close"}, qwen25.StreamInterruptedError, "Ask again", "Hel"),
    Row("reset after text", ["Hel", Delay(0.1), Reset()], {}, qwen25.StreamInterruptedError, "Ask again", "Hel", {}, "ConnectionResetError"),
    Row("half an event at the end", ["Hel", Raw(b'data: {"msg":"process_completed"}'), End()], {}, qwen25.StreamInterruptedError, "Ask again", "Hel"),
    Row("malformed JSON", ["Hel", event(b"{")], {}, qwen25.ProtocolError, "Ask again", "Hel", {}, "JSONDecodeError"),
    Row("JSON nested 100,000 deep", ["Hel", event(b"[" * 100_000)], {}, qwen25.ProtocolError, "Ask again", "Hel", {}, "RecursionError"),
    Row("a message that is no object", ["Hel", event(b"[]")], {}, qwen25.ProtocolError, "Ask again", "Hel", {}, "ValueError"),
    Row("a message without msg", ["Hel", event(b"{}")], {}, qwen25.ProtocolError, "browser", "Hel"),
    Row("a diff whose path does not exist", ["Hel", message(output={"data": [[], [["append", [7, 1, "text"], "lo"]], []]})], {}, qwen25.ProtocolError, "update qwen25", "Hel", {}, "IndexError"),
    Row("an endless line", ["Hel", Raw(b"data: "), Repeat([Raw(b"x" * 4_000_000)])], {}, qwen25.ProtocolError, "64 MiB", "Hel"),
    Row("invalid UTF-8", ["Hel", event(b'{"msg": "\xff"}')], {}, qwen25.ProtocolError, "Ask again", "Hel", {}, "UnicodeDecodeError"),
    Row("failed with a reason", ["Hel", Fail("too long")], {}, qwen25.GenerationError, "too long", "Hel", {"detail": "too long"}),
    Row("failed without a reason", ["Hel", Fail()], {}, qwen25.GenerationError, "another model size", "Hel", {"detail": None}),
    Row("failed with HTML", ["Hel", Fail("<b>too</b> long")], {}, qwen25.GenerationError, "too long", "Hel", {"detail": "too long"}),
    Row("GPU quota", [Fail(QUOTA)], {}, qwen25.RateLimitError, "HF_TOKEN", "", {"retry_after": 270.0, "status": None}),
    Row("unexpected error", ["Hel", Message({"msg": "unexpected_error", "message": "odd"})], {}, qwen25.GenerationError, "odd", "Hel", {"detail": "odd"}),
    Row("server stopped", ["Hel", Message({"msg": "unexpected_error", "message": "Server stopped unexpectedly."})], {}, qwen25.StreamInterruptedError, "Ask again", "Hel"),
    Row("cancelled on the server", ["Hel", Message({"msg": "process_completed", "output": {}, "success": True})], {}, qwen25.GenerationError, "Ask again", "Hel", {"detail": None}),
]  # fmt: skip


#: The same under other names: socket.timeout is TimeoutError since Python 3.10.
# The time of an answer that trickles may end in a read of the socket, or between two reads.
CAUSES = {"timeout": ("timeout", "TimeoutError"), "any": ("timeout", "TimeoutError", None)}
