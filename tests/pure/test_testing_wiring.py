"""The shapes of `FakeSpace` against the recordings of real apps: the same wiring and messages."""

import json

import pytest
from walks import FOLDER, config_of, walks_of

from qwen25 import InvalidRequestError
from qwen25.protocol.config import Config
from qwen25.protocol.endpoint import find_plan
from qwen25.testing import FakeSpace
from qwen25.testing.answer import Answer, Dialect
from qwen25.testing.app import App
from qwen25.testing.shapes import GENERATIONS, NAMES, generations_of

#: Under another name in the recordings.
RECORDED = {"text_to_text": "interface", "sender": "qwen3_demo"}
SHAPES = [
    pytest.param(name, gradio, id=f"{name}-{gradio}")
    for name in NAMES
    for gradio in generations_of(name)
]


#: The models of the recorded apps.
SIZES = {"sender": ("qwen3-235b-a22b", "qwen3-32b", "qwen3-0.6b")}


def app_of(name, gradio):
    return App.of_shape(name, gradio, SIZES.get(name, ("7B", "14B", "72B")))


def wiring(name, gradio):
    return app_of(name, gradio).config(prefix="", root="", fn_index=0)


def recorded(name, gradio):
    return FOLDER / GENERATIONS[gradio].version / f"{RECORDED.get(name, name)}.json"


def signatures(config):
    """What each function is, without numbers and names, by its number."""
    types = {component["id"]: component["type"] for component in config["components"]}
    found = {}
    for function in config["dependencies"]:
        after = function.get("trigger_after")
        found[function["id"]] = (
            tuple(sorted((types.get(target, ""), event) for target, event in function["targets"])),
            tuple(types[one] for one in function["inputs"]),
            tuple(types[one] for one in function["outputs"]),
            function["types"]["generator"],
            function["queue"],
            None if after is None else found[after],
        )
    return found


@pytest.mark.parametrize(("name", "gradio"), SHAPES)
def test_every_function_is_one_of_the_real_app(name, gradio):
    real = set(signatures(config_of(recorded(name, gradio))).values())
    assert [one for one in signatures(wiring(name, gradio)).values() if one not in real] == []


@pytest.mark.parametrize(("name", "gradio"), SHAPES)
def test_it_is_asked_in_the_same_way(name, gradio):
    def plan(config):
        found = find_plan(Config.of(config))
        routes = [found.route, found.history_route]
        return [
            [
                [[slot.role for slot in step.slots] for step in route.steps],
                route.output,
                route.format.name,
            ]
            for route in routes
            if route is not None
        ] + [
            found.sizes,
            [(one.label, one.type, one.value) for one in found.options],
            found.keeps_session,
        ]

    assert plan(wiring(name, gradio)) == plan(config_of(recorded(name, gradio)))


def plain(value):
    """An output without what a page does with it."""
    if isinstance(value, dict) and value.get("__type__") == "update":
        return plain(value.get("value", "unchanged"))
    if value == {"text": "", "files": []}:
        return None  # Gradio 5 and 6 differ in what an emptied box is.
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


def said(messages):
    return [(message["msg"], plain(message.get("output", {}).get("data"))) for message in messages]


def pieces(messages, text, place):
    """The pieces in which a real app has written a text."""
    diffs = [message["output"]["data"][place] for message in messages if "output" in message][1:-1]
    rest = [diff[2] for value in diffs for diff in value]
    return [text[: len(text) - len("".join(rest))], *rest]


def play(app, step, data, memory, script):
    call = app.call(step, data, memory)
    events = b"".join(Answer(Dialect("sse_v3", "\n"), "event", call.output).play(script))
    messages = [json.loads(event[len("data: ") :]) for event in events.decode().split("\n\n")[:-1]]
    return call, messages


@pytest.mark.parametrize(("name", "gradio"), [one for one in SHAPES if one.values[0] != "sender"])
@pytest.mark.parametrize("walks", [("first", "second"), ("history",)], ids="-".join)
def test_it_says_what_the_real_app_says(name, gradio, walks):
    app, memory, answered = app_of(name, gradio), {}, 0
    real, own = signatures(config_of(recorded(name, gradio))), signatures(wiring(name, gradio))
    walked = walks_of(recorded(name, gradio))
    for walk in (walked[each] for each in walks if each in walked):
        for recording in walk["steps"]:
            request, messages = recording["request"], recording["messages"]
            signature = real[request["fn_index"]]
            numbers = [number for number, one in own.items() if one == signature]
            if not numbers:
                continue  # of buttons, after the answer
            step = app.step(numbers[0], 0)
            script = ()
            if step.does == "answer":
                roles = step.outputs.split()
                place = roles.index("chatbot" if "chatbot" in roles else "text")
                script = pieces(messages, walk["text"], place)
            call, sent = play(app, step, request["data"], memory, script)
            if step.does != "reset":
                assert said(sent) == said(messages)[: len(sent)]
            if step.does == "answer":
                answered += 1
                assert call.prompt == walk["query"]
                # The model behind each recorded app said what history it was given.
                texts = [turn["content"] for turn in call.history]
                assert f"history={' / '.join(texts) or 'none'};" in walk["text"]
    assert answered == len([each for each in walks if each in walked])


@pytest.mark.parametrize(("name", "gradio"), SHAPES)
def test_missing_inputs_fail(name, gradio):
    app = app_of(name, gradio)
    assert all(app.call(step, [None] * 9, {}) is None for step in app.shape.steps)


@pytest.mark.parametrize(
    ("gradio", "history"),
    [
        ("4.44", [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]),
        ("6.31", [["a", "b"]]),
        ("6.31", [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]),
        ("5.50", [["a", None], ["b", "c"]]),
        ("6.31", "a"),
    ],
)
def test_history_in_another_layout_fails(gradio, history):
    app = app_of("two_steps", gradio)
    assert app.call(app.step(0, 0), ["Hi", history], {}) is None


@pytest.mark.parametrize(
    ("name", "number", "data"),
    [
        ("two_steps", 1, [[]]),
        ("two_steps_options", 1, [[{"role": "user", "content": []}], "", "8B", 0.5]),
        ("two_steps_multimodal", 0, [[], "Hi"]),
        ("sender", 0, ["Hi", None, None, None]),
        ("chat_interface", 2, [None, None]),
    ],
    ids=["no query", "no such size", "no text of a box", "no form", "nothing asked before"],
)
def test_what_a_real_app_cannot_read_fails(name, number, data):
    app = app_of(name, "6.31")
    assert app.call(app.step(number, 0), data, {}) is None


def test_functions_before_the_chat_move_its_numbers():
    config = app_of("two_steps", "6.31").config(prefix="", root="", fn_index=4)
    names = [(one["id"], one["api_name"]) for one in config["dependencies"]]
    assert names[-3:] == [(4, "user"), (5, "bot"), (6, "lambda")]
    assert config["dependencies"][5]["trigger_after"] == 4


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"shape": "three_steps"}, "one of one_step, one_step_state"),
        ({"shape": "two_steps", "gradio": "3.50"}, "one of 4.44, 5.50, 6.31"),
        ({"shape": "sender", "gradio": "4.44"}, "one of 5.50, 6.31"),
        ({"shape": "two_steps", "layout": "parts"}, "takes no layout"),
        ({"shape": "two_steps", "protocol": "sse_v1"}, "takes no layout, protocol"),
        ({"gradio": "6.31"}, "'one_step' takes no gradio"),
    ],
)
def test_shapes_that_are_not_there_are_refused(arguments, reason):
    with pytest.raises(InvalidRequestError, match=reason):
        FakeSpace(**arguments)
