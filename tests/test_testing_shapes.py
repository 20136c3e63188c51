"""A client asks a `FakeSpace` of each shape: what the model behind it gets, and what goes wrong."""

import http.client
import json

import pytest
from clocks import QuickClock

from qwen25 import (
    Client,
    GenerationError,
    InvalidRequestError,
    SpaceUnavailableError,
    TimedOutError,
)
from qwen25.events import Note
from qwen25.testing import Delay, Drop, Fail, FakeSpace, Gate, Hang, Replace, Reply
from qwen25.testing.layouts import LAYOUTS, PRO
from qwen25.testing.shapes import NAMES, generations_of

SHAPES = [
    pytest.param(name, gradio, id=f"{name}-{gradio}")
    for name in NAMES
    for gradio in generations_of(name)
]
every_shape = pytest.mark.parametrize(("name", "gradio"), SHAPES)
every_name = pytest.mark.parametrize("name", NAMES)
EARLIER = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "1, 2."}]
#: How earlier turns reach the model: sent by the client, kept in the session, or not at all.
REMEMBERS = ("one_step_state", "state_only", "sender")
SENT = [name for name in NAMES if name not in (*REMEMBERS, "text_to_text")]


class Model:
    """Answers in three pieces, and keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, question):
        self.asked.append(question)
        return ["1,", " 2", "."]


@pytest.fixture
def model():
    return Model()


@every_shape
def test_text_comes_in_the_pieces_of_the_script(name, gradio):
    gate = Gate()
    with FakeSpace(["1,", gate, " 2", "."], shape=name, gradio=gradio) as space:
        with Client(space.url).stream("Hi") as stream:
            pieces = iter(stream)
            assert next(pieces) == "1,"
            gate.set()
            assert list(pieces) == [" 2", "."]
        assert stream.text == "1, 2."


@every_shape
def test_a_rewritten_answer_is_read(name, gradio):
    with FakeSpace(["Hello", Replace("Bye"), "."], shape=name, gradio=gradio) as space:
        assert Client(space.url).complete("Hi") == "Bye."


@every_shape
def test_the_steps_of_an_answer_share_one_session(name, gradio, model):
    with FakeSpace(model, shape=name, gradio=gradio) as space:
        Client(space.url).complete("Hi")
        joined = [one.json["session_hash"] for one in space.requests if one.method == "POST"]
        (question,) = model.asked
        assert set(joined) == {question.session_hash}
        assert question.prompt == "Hi"
        assert question.history == []


@pytest.mark.parametrize("gradio", ["4.44", "5.50", "6.31"])
@pytest.mark.parametrize("name", SENT)
def test_a_history_reaches_the_model(name, gradio, model):
    with FakeSpace(model, shape=name, gradio=gradio) as space:
        Client(space.url).complete("And now?", history=EARLIER)
    assert [(one.prompt, one.history) for one in model.asked] == [("And now?", EARLIER)]


@pytest.mark.parametrize(
    ("name", "gradio"), [one for one in SHAPES if one.values[0] != "text_to_text"]
)
def test_the_turns_of_a_conversation_reach_the_model(name, gradio, model):
    with FakeSpace(model, shape=name, gradio=gradio) as space:
        conversation = Client(space.url).conversation()
        conversation.send("One?")
        conversation.send("And now?")
    first, second = model.asked
    assert (second.prompt, second.history) == ("And now?", EARLIER)
    assert (second.session_hash == first.session_hash) is (name in REMEMBERS)


@pytest.mark.parametrize("name", REMEMBERS)
def test_sessions_know_nothing_of_each_other(name, model):
    with FakeSpace(model, shape=name) as space:
        Client(space.url).complete("One?")
        Client(space.url).complete("Two?")
    assert [question.history for question in model.asked] == [[], []]


@pytest.mark.parametrize("name", [*REMEMBERS, "text_to_text"])
def test_a_history_that_has_no_place_is_refused(name):
    with FakeSpace(shape=name) as space:
        with pytest.raises(InvalidRequestError):
            Client(space.url).complete("And now?", history=EARLIER)


@pytest.mark.parametrize("gradio", ["4.44", "5.50", "6.31"])
class TestInputs:
    @pytest.mark.parametrize("history", [[], EARLIER], ids=["alone", "with history"])
    def test_a_chat_interface_gets_its_system_prompt_and_inputs(self, gradio, model, history):
        with FakeSpace(model, shape="chat_interface_inputs", gradio=gradio) as space:
            client = Client(space.url, inputs={"Temperature": 0.2})
            client.complete("Hi", system="Be brief.", history=history)
        (question,) = model.asked
        assert question.system == "Be brief."
        assert question.size is None
        assert question.inputs == {
            "Max new tokens": 512,
            "Temperature": 0.2,
            "Top-p (nucleus sampling)": 0.95,
        }

    def test_two_steps_get_their_size(self, gradio, model):
        with FakeSpace(
            model, shape="two_steps_options", gradio=gradio, sizes=["7B", "3B"]
        ) as space:
            Client(space.url).complete("Hi", system="Be brief.", model="3B")
        (question,) = model.asked
        assert (question.system, question.size) == ("Be brief.", "3B")
        assert question.inputs == {"Temperature": 0.7}


def test_a_sender_gets_the_values_of_its_form(model):
    with FakeSpace(model, shape="sender", sizes=["7B", "3B"]) as space:
        client = Client(space.url, inputs={"Thinking budget": 5})
        client.complete("Hi", system="Be brief.", model="3B")
    (question,) = model.asked
    assert (question.system, question.size) == ("Be brief.", "3B")
    assert question.inputs == {"Thinking budget": 5}


@every_name
def test_a_reason_of_a_failure_is_told(name):
    with FakeSpace(["1,", Fail("No GPU.")], shape=name) as space:
        with pytest.raises(GenerationError, match="No GPU") as caught:
            Client(space.url).complete("Hi")
        assert caught.value.partial == "1,"


@every_name
@pytest.mark.parametrize("fault", ["first", "data", "join"])
def test_an_answer_that_breaks_off_before_its_text_is_tried_again(name, fault):
    faults = {"first": [[Drop()]], "data": [Drop()], "join": [Reply(503, "Building")]}
    with FakeSpace(["1."], shape=name, **{fault: faults[fault]}) as space:
        client = Client(space.url)
        client._clock = QuickClock()
        assert client.complete("Hi") == "1."


@every_name
def test_a_hanging_answer_ends_at_the_time_limit(name):
    with FakeSpace(["1,", Hang()], shape=name) as space:
        with pytest.raises(TimedOutError):
            Client(space.url).complete("Hi", timeout=0.1)


@every_name
def test_notes_and_delays_are_steps_in_every_shape(name):
    with FakeSpace([Note("info", "Soon."), Delay(0.01), "1."], shape=name) as space:
        with Client(space.url).stream("Hi") as stream:
            assert Note("info", "Soon.") in list(stream.events())


@every_name
def test_a_rebuilt_space_is_asked_by_its_new_numbers(name):
    with FakeSpace(["1."], shape=name, fn_index=2) as space:
        client = Client(space.url)
        client.complete("Hi")
        space.fn_index = 40
        assert client.complete("Hi") == "1."


@pytest.mark.parametrize(
    ("name", "data", "history"),
    [
        ("state_only", ["Hi", None], ["Hi", "1,"]),
        ("one_step_state", ["Hi", [], None], []),
        ("sender", ["Hi", {"model": "72B"}, None, None], []),
    ],
)
def test_half_an_answer_is_kept_where_real_apps_keep_it(name, data, history, model):
    with FakeSpace(model, first=[["1,", Fail()]], shape=name) as space:
        assert ask(space, data)[-2]["success"] is False
        assert ask(space, data)[-2]["success"] is True
    assert [[turn["content"] for turn in one.history] for one in model.asked] == [history]


def break_off(space):
    """A conversation whose second turn broke off in the middle."""
    conversation = Client(space.url).conversation()
    conversation.send("One?")
    space.first = [["half", Fail("No.")]]
    with pytest.raises(GenerationError):
        conversation.send("Broken?")
    return conversation


@pytest.mark.parametrize("name", SENT)
def test_a_turn_that_broke_off_is_in_no_history(name, model):
    with FakeSpace(model, shape=name) as space:
        break_off(space).send("And now?")
    assert model.asked[-1].history == EARLIER


@pytest.mark.parametrize("name", REMEMBERS)
def test_a_session_with_a_turn_that_broke_off_is_not_asked_again(name, model):
    with FakeSpace(model, shape=name) as space:
        conversation = break_off(space)
        with pytest.raises(InvalidRequestError):
            conversation.send("And now?")
    assert len(model.asked) == 1


@pytest.mark.parametrize("name", REMEMBERS)
def test_a_turn_that_a_session_has_is_not_sent_again_when_its_stream_fails(name, model):
    with FakeSpace(model, shape=name) as space:
        talk = Client(space.url).conversation()
        talk.send("One?")
        space.data = [Reply(503)]
        with pytest.raises(SpaceUnavailableError):
            talk.send("Two?")
        assert sum(request.path.endswith("/join") for request in space.requests) == 2


@pytest.mark.parametrize("name", REMEMBERS)
def test_a_space_that_was_rewired_is_not_taken_to_know_a_session(name, model):
    with FakeSpace(model, shape=name) as space:
        talk = Client(space.url).conversation()
        talk.send("One?")
        space.fn_index += 1
        with pytest.raises(InvalidRequestError, match="keeps the turns in its own session"):
            talk.send("Two?")
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    "data",
    [["Hi"], ["Hi", [["a", "b"]]], ["Hi", None], []],
    ids=["short", "pairs", "none", "empty"],
)
def test_wrong_data_fails_without_a_reason(data):
    with FakeSpace(shape="two_steps") as space:
        last = ask(space, data)[-2]
    assert (last["msg"], last["success"]) == ("process_completed", False)
    assert last["output"] == {"error": None}


def test_an_unknown_model_in_a_form_fails_without_a_reason():
    form = {"model": "9B", "sys_prompt": "", "thinking_budget": 5}
    with FakeSpace(shape="sender", sizes=["7B"]) as space:
        last = ask(space, ["Hi", form, None, None])[-2]
    assert (last["msg"], last["success"]) == ("process_completed", False)
    assert last["output"] == {"error": None}


def test_clearing_the_page_empties_the_chatbot():
    with FakeSpace(shape="sender") as space:
        last = ask(space, [None], step=1)[-2]
    assert last["success"] is True
    assert last["output"]["data"][0]["value"] == []


@pytest.mark.parametrize("layout", [*LAYOUTS.values(), PRO], ids=[*LAYOUTS, "pro"])
def test_a_layout_reads_what_it_has_written(layout):
    assert layout.read(layout.write(EARLIER)) == EARLIER


def test_what_is_planned_can_be_read(model):
    with FakeSpace(model, first=["One", "Two"]) as space:
        assert Client(space.url).complete("Hi") == "One"
        assert list(space.first) == ["Two"]
        assert space.answer is model


def ask(space, data, step=0):
    """The messages of the first step, or a later one, in one session."""
    connection = http.client.HTTPConnection(space.url[len("http://") :], timeout=5)
    body = {"data": data, "fn_index": space.fn_index + step, "session_hash": "session"}
    connection.request("POST", f"{space.prefix}/queue/join", json.dumps(body))
    connection.getresponse().read()
    connection.request("GET", f"{space.prefix}/queue/data?session_hash=session")
    stream = connection.getresponse().read().decode()
    connection.close()
    return [json.loads(event[len("data: ") :]) for event in stream.split("\n\n")[:-1]]


@pytest.mark.parametrize("name", REMEMBERS)
def test_a_session_that_a_new_start_of_the_app_ended_is_noticed(name, model):
    """Gradio takes the old name of a session and begins it empty, without a word."""
    with FakeSpace(model, shape=name) as space:
        space.config = Reply(200, {**space.wiring(), "app_id": 1})
        talk = Client(space.url).conversation()
        talk.send("One?")
        talk.send("Two?")
        space.config = Reply(200, {**space.wiring(), "app_id": 2})
        for _ in range(2):
            with pytest.raises(InvalidRequestError, match="keeps the turns in its own session"):
                talk.send("Three?")
    assert len(model.asked) == 2


@pytest.mark.parametrize(
    ("turns", "joins"),
    [pytest.param([], 1, id="a first question"), pytest.param(EARLIER, 2, id="with history")],
)
def test_a_chat_interface_answers_in_one_join_or_two_with_history(turns, joins, model):
    with FakeSpace(model, shape="chat_interface", gradio="6.31") as space:
        Client(space.url).complete("Hi", history=turns)
        made = [request.path.partition("?")[0].rpartition("/")[2] for request in space.requests]
    assert made == ["config", *["join", "data"] * joins]


def test_the_one_step_path_takes_a_join_and_a_stream_for_each_answer(model):
    with FakeSpace(model) as space, Client(space.url) as client:
        talk = client.conversation()
        talk.send("One?")
        talk.send("Two?")
        client.complete("Hi")
        made = [request.path.partition("?")[0].rpartition("/")[2] for request in space.requests]
    assert made == ["config", *["join", "data"] * 3]
