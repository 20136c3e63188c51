"""Apps of every shape, asked by the client: the text that was recorded of their pages."""

from __future__ import annotations

import pytest
from catalogue import recorded_shapes
from walks import walks_of

from qwen25 import Client, InvalidRequestError, Note


@pytest.fixture(params=recorded_shapes())
def shape(request, shape_space):
    """The walks of a shape, and a client for an app of it."""
    walks = walks_of(request.param)
    name = request.param.stem
    auth = ("user", "pass word") if name == "login" else None
    with Client(shape_space(name), auth=auth, timeout=60) as client:
        yield walks, client


def messages_of(turns):
    return [
        {"role": role, "content": text}
        for turn in turns
        for role, text in zip(("user", "assistant"), turn)
    ]


def test_a_question_is_answered_with_what_the_page_shows(shape):
    walks, client = shape
    pieces = list(client.stream(walks["first"]["query"]))
    assert "".join(pieces) == walks["first"]["text"]


def test_a_history_reaches_the_app_or_is_refused(shape):
    walks, client = shape
    if "history" not in walks:
        with pytest.raises(InvalidRequestError, match="takes no history"):
            client.complete("hello", history=messages_of([["Who are you?", "I am an echo."]]))
        return
    walk = walks["history"]
    if client.space.plan.history_route is None:
        with pytest.raises(InvalidRequestError, match="takes none from elsewhere"):
            client.complete(walk["query"], history=messages_of(walk["history"]))
    else:
        text = client.complete(walk["query"], history=messages_of(walk["history"]))
        assert text == walk["text"]


def test_a_conversation_is_remembered(shape):
    """By the session, or by what is sent with each turn."""
    walks, client = shape
    talk = client.conversation()
    first = talk.send(walks["first"]["query"])
    if client.space.plan.history_route is None and not client.space.plan.keeps_session:
        with pytest.raises(InvalidRequestError, match="takes no history"):
            talk.send(walks["second"]["query"])
        return
    second = talk.send(walks["second"]["query"])
    assert first == walks["first"]["text"]
    shown = walks["second"]["text"]
    assert second == shown or "history=hello" in second or "history=none" in shown


def test_a_session_ends_with_a_turn_that_is_undone(shape):
    """It has seen the turn, and nothing can take that back."""
    walks, client = shape
    if not client.space.plan.keeps_session:
        return
    talk = client.conversation()
    first = talk.stream(walks["first"]["query"])
    first.result()
    second = talk.stream(walks["second"]["query"])
    assert (second.session_hash, second.result()) == (first.session_hash, walks["second"]["text"])
    talk.undo()
    with pytest.raises(InvalidRequestError, match="keeps the turns in its own session"):
        talk.send(walks["second"]["query"])
    talk.clear()
    third = talk.stream(walks["first"]["query"])
    assert third.session_hash != first.session_hash
    assert third.result() == walks["first"]["text"]


def test_what_has_no_place_goes_into_the_prompt_when_that_is_wanted(shape):
    walks, client = shape
    notes = []
    history = messages_of([["Who are you?", "I am an echo."]])
    told = client.complete("hello", history=history, flatten=True, on_event=notes.append)
    if client.space.plan.history_route is None:
        assert "User: Who are you?\n\nAssistant: I am an echo.\n\nUser: hello" in told
        assert [note for note in notes if isinstance(note, Note)]
