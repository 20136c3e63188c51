"""The total time is kept, whatever the server does, and leaving is seen at once."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
import weakref

import pytest
import requests
from timing import GRACE, quickest

import qwen25
from qwen25 import Client
from qwen25.testing import Delay, FakeSpace, Hang, Heartbeat, Raw, Repeat, Reply
from qwen25.transport.body import DRAIN  # before the tests have another

TOTAL = 0.6

STALLS = [
    pytest.param({"answer": ["Hel", Hang()]}, id="silence"),
    pytest.param({"answer": ["Hel", Repeat([Heartbeat(), Delay(0.03)])]}, id="heartbeats"),
    pytest.param(
        {"answer": ["Hel", Raw(b"data:"), Repeat([Raw(b"x"), Delay(0.03)])]}, id="trickle"
    ),
    pytest.param({"answer": ["Hel", Repeat([Raw(b": x\n\n")])]}, id="a flood"),
    pytest.param({"answer": ["Hel", Repeat(["x", Delay(0.02)])]}, id="text without an end"),
    pytest.param({"config": Hang()}, id="config hangs"),
    pytest.param({"config": Reply(200, b"x" * 99, every=0.03)}, id="config trickles"),
    pytest.param({"join": Hang()}, id="join hangs"),
    pytest.param({"join": Reply(200, b"x" * 99, every=0.03)}, id="join trickles"),
    pytest.param({"join": Reply(500, b"x" * 99, every=0.03)}, id="a refusal trickles"),
    pytest.param({"data": Hang()}, id="data hangs"),
    pytest.param({"data": Reply(200, b"x" * 99, every=0.03)}, id="the stream's head trickles"),
    pytest.param(
        {"answer": ["Hel", Repeat([Heartbeat(), Delay(0.03)])], "framing": "close"},
        id="heartbeats, close-delimited",
    ),
    pytest.param(
        {"answer": ["Hel", Repeat([Heartbeat(), Delay(0.03)])], "framing": "gzip"},
        id="heartbeats, compressed",
    ),
]


@pytest.mark.parametrize("faults", STALLS)
@pytest.mark.parametrize("ask", ["complete", "stream"])
def test_the_total_is_kept_and_the_client_stays_usable(faults, ask):
    def run():
        with pytest.raises(qwen25.TimedOutError) as caught:
            for _ in getattr(client, ask)("Hi", timeout=TOTAL):
                pass
        assert caught.value.phase == "total"

    with FakeSpace(**faults) as space, Client(space.url) as client:
        assert TOTAL - 0.05 < quickest(run, TOTAL + GRACE) < TOTAL + GRACE
        space.answer, space.config, space.join, space.data = "Hello", None, None, None
        assert client.complete("Hi") == "Hello"


@pytest.mark.parametrize("faults", STALLS[:5])
def test_a_session_of_the_users_own_is_held_to_the_total_too(faults):
    with FakeSpace(**faults) as space, requests.Session() as session:
        client = Client(space.url, session=session, timeout=TOTAL)

        def run():
            with pytest.raises(qwen25.TimedOutError):
                client.complete("Hi")

        assert quickest(run, TOTAL + GRACE) < TOTAL + GRACE


@pytest.mark.parametrize("framing", ["chunked", "close", "gzip", "bytes"])
def test_a_piece_is_handed_out_before_the_next_is_written(framing):
    """In every framing: nothing waits for a buffer to fill."""
    from qwen25.testing import Gate

    first, second = Gate(), Gate()
    with FakeSpace(["one", first, "two", second, "three"], framing=framing) as space:
        with Client(space.url, timeout=20) as client:
            stream = client.stream("Hi")
            assert next(stream) == "one"
            first.set()
            assert next(stream) == "two"
            second.set()
            assert next(stream) == "three"


SCRIPT = """
import sys
from qwen25 import Client
stream = Client(sys.argv[1]).stream("Hi")
for piece in stream:
    print(piece, flush=True)
"""


def seconds_to_end():
    """From Ctrl-C to the end of a process that reads a stream."""
    with FakeSpace(["Hello", Hang()]) as space:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, space.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with process:
            assert process.stdout.readline() == b"Hello\n"
            begin = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=20)
            took = time.monotonic() - begin
            space.wait_for(lambda: space.left == 1)
    assert process.returncode in (1, -signal.SIGINT)
    assert stderr.rstrip().endswith(b"KeyboardInterrupt")
    return took


def test_ctrl_c_ends_the_process_within_a_second():
    """A real SIGINT to a real process, which keeps the Stream in a variable."""
    # Of some processes the quickest, as above.
    assert any(seconds_to_end() < 1 for _ in range(4))


def test_ctrl_c_in_the_loop_keeps_what_came():
    """As in a notebook: the interrupt is caught, and the Stream is still there."""
    with FakeSpace(["Hello", Hang()]) as space, Client(space.url) as client:
        stream = client.stream("Hi")
        with pytest.raises(KeyboardInterrupt):
            for _ in stream:
                os.kill(os.getpid(), signal.SIGINT)
        assert stream.text == "Hello"
        space.wait_for(lambda: space.left == 1)


def test_a_stream_that_nobody_holds_is_closed_without_the_collector():
    with FakeSpace(["Hello", Hang()]) as space, Client(space.url) as client:
        gc.disable()
        try:
            stream = client.stream("Hi")
            next(stream)
            gone = weakref.ref(stream)
            del stream
            assert gone() is None
            space.wait_for(lambda: space.left == 1)
        finally:
            gc.enable()


def test_after_the_last_event_the_connection_is_used_again():
    with FakeSpace() as space, Client(space.url) as client:
        for _ in range(3):
            list(client.stream("Hi"))
        assert space.connections == 1


def test_a_server_that_never_ends_a_finished_answer_costs_a_second_at_most(monkeypatch):
    """Its connection is given up; the answer is there."""
    monkeypatch.setattr("qwen25.transport.body.DRAIN", DRAIN)
    done = {"msg": "process_completed", "success": True}
    done["output"] = {"data": ["", [["Hi", "Hello"]], ""]}

    endless = [Raw(b"data: " + json.dumps(done).encode() + b"\n\n"), Hang()]
    with FakeSpace(endless) as space, Client(space.url) as client:
        assert quickest(lambda: client.complete("Hi"), 1.5) < 1.5
        assert client.complete("Hi") == "Hello"
        space.wait_for(lambda: space.left >= 2)
