"""What a /config says: which functions chat, and what goes into their inputs."""

import copy

import pytest
from recordings import HISTORY, SPACES, config

from qwen25 import EndpointNotFoundError, ProtocolError, UnknownModelError
from qwen25.protocol.chatbot import MessagesFormat, TuplesFormat
from qwen25.protocol.config import Config
from qwen25.protocol.endpoint import find_plan
from qwen25.protocol.prompt import DEFAULT_MODEL, ChatRequest, Query
from qwen25.protocol.walk import Walk

PUBLIC_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
SIZES = (
    *("72B", "32B", "14B", "7B", "3B", "1.5B", "0.5B"),
    *("Math-72B", "Math-7B", "Math-1.5B"),
    *("Coder-7B", "Coder-1.5B"),
)


@pytest.fixture(params=SPACES)
def space(request):
    return request.param


@pytest.fixture
def modern():
    return config("gradio-6.31.0-parts")


def plan_of(config):
    return find_plan(Config.of(config))


def function_of(plan):
    """The name, the number and the trigger of the function that starts."""
    step = plan.route.steps[0]
    return step.name, step.fn_index, step.trigger_id


def roles(plan):
    return [slot.role for slot in plan.route.slots()]


def body(config, query, model=DEFAULT_MODEL, session_hash="0"):
    return Walk(plan_of(config), ChatRequest(query, model)).body(session_hash)


def component(config, number):
    return next(one for one in config["components"] if one["id"] == number)


def function(config, name):
    return next(one for one in config["dependencies"] if one["api_name"] == name)


def test_every_recorded_space_is_wired_like_the_public_one(space):
    plan = plan_of(config(space))
    assert function_of(plan) == ("model_chat", 3, 25)
    assert roles(plan) == ["query", "history", "system", "size"]
    assert plan.route.output == 1
    assert plan.sizes == SIZES
    assert space == f"gradio-{plan.version}-{space.rpartition('-')[2]}"


@pytest.mark.parametrize(
    ("space", "protocol", "prefix", "layout"),
    [
        ("gradio-4.10.0-tuples", "sse_v1", "", TuplesFormat),
        ("gradio-4.44.1-modelscope", "sse_v3", "", TuplesFormat),
        ("gradio-5.50.0-tuples", "sse_v3", "/gradio_api", TuplesFormat),
        ("gradio-6.31.0-parts", "sse_v3", "/gradio_api", MessagesFormat),
    ],
)
def test_versions_differ_in_protocol_prefix_and_layout(space, protocol, prefix, layout):
    plan = plan_of(config(space))
    assert (plan.protocol, plan.prefix, type(plan.route.format)) == (protocol, prefix, layout)
    assert plan.diffs == (protocol != "sse_v1")


def test_the_body_is_what_the_public_space_wants():
    query = Query.of("And now?", HISTORY, "Be brief.")
    assert body(config("gradio-4.44.1-modelscope"), query, "7B", "0123456789") == {
        "data": ["And now?", [["hi", "there"]], "Be brief.", "7B"],
        "event_data": None,
        "fn_index": 3,
        "trigger_id": 25,
        "session_hash": "0123456789",
    }


@pytest.mark.parametrize(
    ("layout", "history"),
    [
        (TuplesFormat(), [["hi", "there"], ["two", ""], ["three", "so"]]),
        (
            MessagesFormat(parts=False),
            [
                {"role": role, "content": content}
                for role, content in (
                    ("user", "hi"),
                    ("assistant", "there"),
                    ("user", "two"),
                    ("user", "three"),
                    ("assistant", "so"),
                )
            ],
        ),
    ],
    ids=["pairs", "messages"],
)
def test_a_history_is_laid_out_turn_by_turn(layout, history):
    """Also one with a turn that nobody answered."""
    said = [*HISTORY]
    said += [{"role": "user", "content": "two"}, {"role": "user", "content": "three"}]
    said += [{"role": "assistant", "content": "so"}]
    assert layout.encode(said) == history


def test_parts_hold_each_text_in_a_list():
    assert MessagesFormat(parts=True).encode(HISTORY[:1])[0]["content"] == [
        {"type": "text", "text": "hi"}
    ]


def test_an_answer_without_a_question_is_a_pair_too():
    assert TuplesFormat().encode(HISTORY[1:]) == [["", "there"]]


def test_no_system_prompt_leaves_the_spaces_own(space):
    assert body(config(space), Query.of("Hi"))["data"][2] == PUBLIC_SYSTEM
    assert body(config(space), Query.of("Hi", system=""))["data"][2] == ""


def test_a_prefix_and_a_layout_come_from_the_config(modern):
    chatbot = component(modern, 24)
    modern["version"] = "5.50.0"
    chatbot["props"]["type"] = "messages"
    assert plan_of(modern).route.format.encode(HISTORY)[0]["content"] == "hi"
    del chatbot["props"]["type"]
    assert isinstance(plan_of(modern).route.format, TuplesFormat)
    del modern["api_prefix"]
    assert plan_of(modern).prefix == ""


def test_a_function_without_an_id_is_its_place_in_the_list(modern):
    """Gradio 4.20 gives none."""
    for one in modern["dependencies"]:
        del one["id"]
    assert function_of(plan_of(modern))[1] == 3


def test_a_function_of_another_name_is_found_by_its_shape(modern):
    function(modern, "model_chat")["api_name"] = "chat"
    function(modern, "model_chat_1")["api_name"] = False
    plan = plan_of(modern)
    assert function_of(plan) == ("chat", 3, 25)


def test_the_named_function_wins_over_one_of_the_same_shape(modern):
    function(modern, "model_chat")["api_name"] = "regenerate"
    function(modern, "model_chat_1")["api_name"] = "model_chat"
    plan = plan_of(modern)
    assert function_of(plan) == ("model_chat", 4, 28)
    assert roles(plan) == ["query", "history", "system", "size"]


def test_inputs_are_told_apart_in_any_order(modern):
    function(modern, "model_chat")["inputs"] = [12, 22, 24, 25]
    data = body(modern, Query.of("Hi", system="Be brief."), "7B")["data"]
    assert data == ["7B", "Be brief.", [], "Hi"]


def test_an_input_of_another_kind_keeps_its_own_value(modern):
    modern["components"].append({"id": 99, "type": "slider", "props": {"value": 512}})
    function(modern, "model_chat")["inputs"].append(99)
    assert body(modern, Query.of("Hi"), "7B")["data"][-1] == 512


def test_an_app_without_a_chat_function_lists_what_it_has(modern):
    modern["dependencies"] = modern["dependencies"][:3]
    with pytest.raises(EndpointNotFoundError, match="keep, keep_1, keep_2") as caught:
        plan_of(modern)
    assert caught.value.endpoints == ("keep", "keep_1", "keep_2")


@pytest.mark.parametrize("protocol", ["ws", "sse", "sse_v9", None])
def test_a_protocol_that_is_not_spoken_is_named(modern, protocol):
    modern["protocol"] = protocol
    with pytest.raises(ProtocolError, match="Gradio 4.10 or later"):
        plan_of(modern)


def test_gradio_3_says_nothing_of_a_protocol(modern):
    del modern["protocol"]
    with pytest.raises(ProtocolError, match="'ws'"):
        plan_of(modern)


@pytest.mark.parametrize(
    "other", [{}, [], None, 7, "x", {"version": "6.0"}, {"version": "6", "components": 7}], ids=str
)
def test_json_of_something_else_is_a_protocol_error(other):
    with pytest.raises(ProtocolError, match="not a Gradio app"):
        plan_of(other)


class TestSizes:
    @pytest.mark.parametrize(
        ("model", "size"),
        [
            ("72B", "72B"),
            ("7b", "7B"),
            (" 0.5B ", "0.5B"),
            ("coder-7b", "Coder-7B"),
            ("qwen2.5-72b-instruct", "72B"),
            ("Qwen/Qwen2.5-72B-Instruct", "72B"),
            ("Qwen/Qwen2.5-Coder-7B-Instruct", "Coder-7B"),
            ("QWEN2.5-MATH-1.5B", "Math-1.5B"),
            ("qwen-2.5", "72B"),
            ("qwen-qwen2-5", "72B"),
            ("Qwen/Qwen2.5", "72B"),
        ],
    )
    def test_a_size_has_many_names(self, space, model, size):
        assert plan_of(config(space)).size(model) == size

    @pytest.mark.parametrize(("model", "nearest"), [("72", "72B"), ("coder", "Coder-7B")])
    def test_an_unknown_one_is_refused_with_the_nearest(self, space, model, nearest):
        """The server would take it, and fail later without a reason."""
        with pytest.raises(UnknownModelError, match=f"Did you mean '{nearest}'") as caught:
            plan_of(config(space)).size(model)
        assert (caught.value.model, caught.value.choices) == (model, SIZES)

    def test_one_that_is_like_nothing_is_refused_with_the_choices(self, space):
        with pytest.raises(UnknownModelError, match="Math-7B"):
            plan_of(config(space)).size("gpt-4o-mini")

    def test_the_inputs_own_choices_are_the_sizes(self, modern):
        component(modern, 12)["props"]["choices"] = ["small", ["big", "72B"]]
        assert plan_of(modern).sizes == ("small", "72B")

    def test_a_space_that_does_not_tell_its_sizes_takes_any(self, modern):
        for one in modern["components"]:
            one["props"].pop("choices", None)
        assert plan_of(modern).size("9000B") == "9000B"

    def test_a_space_without_a_size_has_three_inputs(self, modern):
        """As the sibling Spaces have: Qwen2-72B, Qwen2.5-Max."""
        without = copy.deepcopy(modern)
        function(without, "model_chat")["inputs"].pop()
        plan = plan_of(without)
        assert plan.sizes == ()
        assert plan.size("72B") is None
        assert plan.size("qwen-2.5") is None
        assert len(body(without, Query.of("Hi"))["data"]) == 3
        with pytest.raises(UnknownModelError, match="no choice"):
            plan.size("7B")
