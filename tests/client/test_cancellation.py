"""A scope ends the calls that began inside it, and no others."""

import threading

from qwen25 import Client, QwenError
from qwen25.client.cancellation import CancelScope
from qwen25.testing import FakeSpace, Hang


def test_a_scope_is_the_current_one_inside_only():
    outer, inner = CancelScope(), CancelScope()
    assert CancelScope.current() is None
    with outer.enter():
        with inner.enter():
            assert CancelScope.current() is inner
        assert CancelScope.current() is outer
    assert CancelScope.current() is None


def test_another_thread_is_not_inside():
    seen = []
    with CancelScope().enter():
        thread = threading.Thread(target=lambda: seen.append(CancelScope.current()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_what_registers_late_is_cancelled_at_once():
    called = []
    scope = CancelScope()
    scope.cancel()
    scope.register(lambda: called.append(1))
    assert called == [1]


def test_what_is_unregistered_is_left_alone():
    called = []
    scope = CancelScope()
    callback = lambda: called.append(1)  # noqa: E731  to be known again
    scope.register(callback)
    scope.unregister(callback)
    scope.unregister(callback)
    scope.cancel()
    assert called == []


def test_cancelling_ends_a_call_that_waits_and_no_other():
    scope = CancelScope()
    with FakeSpace(["one", Hang()]) as space, Client(space.url) as client:
        other = client.stream("Hi")
        assert next(other) == "one"
        with scope.enter():
            stream = client.stream("Hi")
        assert next(stream) == "one"
        timer = threading.Timer(0.0, scope.cancel)
        timer.start()
        assert list(stream) == []
        timer.join()
        assert not stream._call.complete and not other._call.closed
        other.close()


def test_a_call_that_ended_is_forgotten():
    scope = CancelScope()
    with FakeSpace() as space, Client(space.url) as client:
        with scope.enter():
            client.complete("Hi")
            client.stream("Hi").close()
            try:
                client.complete("Hi", model="no such model")
            except QwenError:
                pass
        assert scope._callbacks == []
