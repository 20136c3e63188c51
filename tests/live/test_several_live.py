"""Real Gradio servers and scripted Spaces of other layouts in one list."""

from __future__ import annotations

import pytest

from qwen25 import Client, InvalidRequestError, Note, StreamInterruptedError, Timeout
from qwen25.testing import End, FakeSpace, Hang, Reply

FULL = Reply(503, b'{"detail": "Queue is full. Max size is 2 and size is 2."}')
LIMITS = Timeout(idle=3, total=60)


def tell(question):
    """What a scripted Space was asked: the prompt, the number of earlier messages, and the size."""
    return ["{}|{}|{}".format(question.prompt, len(question.history), question.size)]


def new_client(*spaces, **options):
    urls = [getattr(space, "url", space) for space in spaces]
    return Client(urls, **{"timeout": LIMITS, **options})


def joins(space):
    return [request for request in space.requests if request.path.endswith("/queue/join")]


@pytest.mark.parametrize("layout", ["modelscope", "tuples", "parts"])
@pytest.mark.parametrize(
    "faults",
    [
        pytest.param({"config": Reply(503, b"")}, id="down"),
        pytest.param({"config": Reply(404, b"")}, id="not there"),
        pytest.param({"join": FULL}, id="full"),
        pytest.param({"answer": [Hang()]}, id="silent"),
        pytest.param({"answer": [End()]}, id="gone before the first text"),
    ],
)
def test_a_real_server_answers_in_place_of_one_that_is(app, layout, faults):
    with FakeSpace(layout=layout, **faults) as first, new_client(first, app, model="7B") as client:
        notes = []
        with client.stream("hello 2", on_event=notes.append) as stream:
            assert stream.result().startswith("[7B|turns=0|")
            assert stream.space == app.url
    assert first.url in next(note.text for note in notes if isinstance(note, Note))


def test_the_next_one_answers_when_a_real_server_lacks_the_model(app):
    with FakeSpace(tell, layout="tuples", sizes=["9B"]) as second:
        with new_client(app, second) as client:
            assert client.complete("hello", model="9B") == "hello|0|9B"
            assert client.complete("hello 1", model="7B").startswith("[7B|")


def test_a_conversation_takes_its_history_along_to_a_real_server(app):
    with FakeSpace(tell, layout="tuples", join=[None, FULL]) as first:
        with new_client(first, app, model="7B", system="Answer briefly.") as client:
            talk = client.conversation()
            assert talk.send("one") == "one|0|7B"
            assert talk.send("hello 1").startswith("[7B|turns=1|Answer briefly.]")
            assert talk.send("hello 2").startswith("[7B|turns=2|Answer briefly.]")
    assert len(joins(first)) == 2  # it stays with the server that answered last


def test_a_conversation_takes_its_history_along_when_a_real_server_has_died(start_app):
    app = start_app()
    with FakeSpace(tell, layout="parts") as second, new_client(app, second, model="7B") as client:
        talk = client.conversation()
        assert talk.send("hello 1").startswith("[7B|turns=0|")
        app.kill()
        assert talk.send("two") == "two|2|7B"
        assert talk.send("three") == "three|4|7B"


def test_a_real_server_that_dies_in_its_answer_is_an_error_and_no_other_is_asked(start_app):
    app = start_app()
    with FakeSpace(tell) as second, new_client(app, second, model="7B") as client:
        pieces = []
        with pytest.raises(StreamInterruptedError) as caught:
            for piece in client.stream("FOREVER"):
                pieces.append(piece)
                if len(pieces) == 3:
                    app.kill()
        assert caught.value.partial == "".join(pieces)
        assert not second.requests


def test_an_app_of_another_shape_answers_in_the_list(shape_space):
    url = shape_space("two_steps")
    with new_client(url) as alone, FakeSpace(join=FULL) as first:
        with new_client(first, url) as client:
            with client.stream("hello") as stream:
                assert stream.result() == alone.complete("hello")
                assert stream.space == url


def test_a_conversation_takes_its_history_along_to_an_app_of_another_shape(shape_space):
    with FakeSpace(tell, join=[None, FULL]) as first:
        with new_client(first, shape_space("two_steps")) as client:
            talk = client.conversation()
            assert talk.send("one") == "one|0|72B"
            if client.spaces[1].plan.history_route is None:
                with pytest.raises(InvalidRequestError):
                    talk.send("two")
            else:
                text = talk.send("two")
                assert "one" in text and "one|0|72B" in text


def test_a_map_uses_real_servers_and_others(app, shape_space):
    with FakeSpace(tell, layout="tuples") as third:
        with new_client(app, shape_space("two_steps"), third) as client:
            answers = list(client.map(["hello 1"] * 24, workers=6))
    assert [answer.error for answer in answers] == [None] * 24
    assert {answer.space for answer in answers} == {
        app.url,
        shape_space("two_steps"),
        third.url,
    }
