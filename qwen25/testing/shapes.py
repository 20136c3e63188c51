"""The shapes of apps that a `FakeSpace` can have: components, steps, and what each step does; data.

They follow recordings of real Gradio apps. A component is named by the role that it has in the
app; the names that decide what a step reads and writes are these:

- `query`: the box that the prompt is typed into; `asked`: a state that keeps it for later steps.
- `chatbot`: shows the turns; `turns`: a state that keeps them in the session.
- `text`: shows the answer alone.
- `system`, `size`, `form`: the system prompt, the model, or a form that has both.

Every other input with a label is one that the user may set.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .layouts import LAYOUTS, PRO, Layout

SIZES = (
    *("72B", "32B", "14B", "7B", "3B", "1.5B", "0.5B"),
    *("Math-72B", "Math-7B", "Math-1.5B"),
    *("Coder-7B", "Coder-1.5B"),
)
SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."


class Component(NamedTuple):
    """A component of a page."""

    role: str
    #: Gradio's name of its class; a `chatbot` has that of its layout.
    type: str
    props: Mapping[str, Any] = {}
    #: Its number; 0 is its place on the page, from 1.
    id: int = 0


class Step(NamedTuple):
    """A function of an app."""

    #: `answer` plays the script. `ask` takes the query, into the chatbot or a state. `load` takes
    #: the chatbot's turns into a state. `reset` empties boxes and chatbots.
    does: str
    #: The roles of its inputs and of its outputs, with blanks between them.
    inputs: str
    outputs: str
    #: The events that start it, such as `query.submit`; empty: the end of the step before it.
    on: str = ""
    name: str = ""
    queue: bool = True
    #: Whether the session keeps the turn with each piece of its answer, and not only at its end.
    keeps_pieces: bool = False


class Shape(NamedTuple):
    """What an app is made of."""

    components: Tuple[Component, ...]
    steps: Tuple[Step, ...]
    #: Functions of the page beside its chat, taken in turns for the numbers before `fn_index`.
    others: Tuple[Step, ...] = ()
    #: Of its chatbot, when that is not the one of its Gradio.
    layout: Optional[Layout] = None
    #: Whether its outputs are updates, `{"__type__": "update", ...}`, as of modelscope_studio.
    updates: bool = False


class Generation(NamedTuple):
    """A Gradio, by what it does differently."""

    version: str
    layout: Layout


OLDEST, NEWEST = "4.44", "6.31"
GENERATIONS = {
    OLDEST: Generation("4.44.1", LAYOUTS["tuples"]),
    "5.50": Generation("5.50.0", LAYOUTS["tuples"]),
    NEWEST: Generation("6.31.0", LAYOUTS["parts"]),
}

_CHATBOT = Component("chatbot", "chatbot", {"value": []})
_BOX = Component("query", "textbox")
_MULTIMODAL_BOX = Component("query", "multimodaltextbox", {"value": {"text": "", "files": []}})
_ASKED = Component("asked", "state")
_TURNS = Component("turns", "state")


def _button(role: str, value: str) -> Component:
    return Component(role, "button", {"value": value})


def _slider(label: str, minimum: float, maximum: float, value: float, step: float) -> Component:
    numbers = {"minimum": minimum, "maximum": maximum, "value": value, "step": step}
    return Component(label.split()[0].lower(), "slider", {"label": label, **numbers})


#: QwenLM's own web demo: a button alone, and the turns in a state.
_ONE_STEP_STATE = Shape(
    (
        *(_CHATBOT, _BOX._replace(props={"label": "Input"}), _TURNS),
        *(_button("clear", "Clear History"), _button("send", "Submit")),
    ),
    (
        Step("answer", "query chatbot turns", "chatbot", "send.click", "predict"),
        Step("reset", "", "query", "send.click", "reset_user_input"),
    ),
)
_STATE_ONLY = Shape(
    (_CHATBOT, _BOX, _TURNS),
    (
        Step("answer", "query turns", "chatbot turns", "query.submit", "chat", keeps_pieces=True),
        Step("reset", "", "query", "query.submit", "lambda"),
    ),
)
#: The pattern of Gradio's guides.
_TWO_STEPS = Shape(
    (_CHATBOT, _BOX, _button("clear", "Clear")),
    (
        Step("ask", "query chatbot", "query chatbot", "query.submit", "user", queue=False),
        Step("answer", "chatbot", "chatbot", name="bot"),
        Step("reset", "", "chatbot", "clear.click", "lambda", queue=False),
    ),
)
_TWO_STEPS_MULTIMODAL = Shape(
    (_CHATBOT, _MULTIMODAL_BOX),
    (
        Step("ask", "chatbot query", "chatbot query", "query.submit", "add_message"),
        Step("answer", "chatbot", "chatbot", name="bot_response"),
        Step("reset", "", "query", name="lambda"),
    ),
)
#: A `gr.Interface` that streams.
_TEXT_TO_TEXT = Shape(
    (
        Component("query", "textbox", {"label": "Prompt"}),
        *(_button("send", "Submit"), _button("stop", "Stop")),
        Component("text", "textbox", {"label": "Answer"}),
    ),
    (
        Step("reset", "", "send stop", "send.click query.submit", "lambda", queue=False),
        Step("answer", "query", "text", name="generate"),
        Step("reset", "", "send stop", name="cleanup", queue=False),
    ),
)


def _sender(sizes: Sequence[str]) -> Shape:
    """Wired as Qwen3-Demo: a sender and a form of modelscope_studio."""
    form = {"model": sizes[0] if sizes else None, "sys_prompt": "", "thinking_budget": 38}
    thinking = {"label": "Thinking budget", "form_name": "thinking_budget"}
    return Shape(
        (
            *(_TURNS, Component("thinking", "state"), Component("add", "antdbutton")),
            *(Component("listed", "antdxconversations"), _CHATBOT),
            Component("form", "antdform", {"value": form}),
            Component("", "antdformitem", {"label": "Model", "form_name": "model"}),
            Component("", "antdselect", {"options": [{"value": size} for size in sizes]}),
            Component("", "antdformitem", {"label": "System Prompt", "form_name": "sys_prompt"}),
            Component("", "antdinputtextarea"),
            *(Component("", "antdformitem", thinking), Component("", "antdslider", _BUDGET)),
            Component("query", "antdxsender"),
            Component("clear", "antdbutton", {"value": "Clear"}),
            Component("delete", "antdmenuitem", {"label": "Delete"}),
        ),
        (
            Step(
                "answer",
                "query form thinking turns",
                "query clear delete add listed chatbot turns",
                *("query.submit", "add_message"),
            ),
            Step("reset", "turns", "chatbot turns", "clear.click", "clear_history"),
        ),
        layout=PRO,
        updates=True,
    )


_BUDGET = {"min": 1, "max": 38, "step": 1}


def _two_steps_options(sizes: Sequence[str]) -> Shape:
    """Two steps, of which the second takes a system prompt, a model and a number."""
    choices = {"choices": [[size, size] for size in sizes], "value": sizes[0] if sizes else None}
    options = (
        Component("system", "textbox", {"label": "System prompt", "value": "You are helpful."}),
        Component("size", "radio", {"label": "Model size", **choices}),
        _slider("Temperature", 0, 2, 0.7, 0.1),
    )
    box = _BOX._replace(props={"label": "Your message"})
    return Shape(
        (*options, _CHATBOT, box),
        (
            Step("ask", "query chatbot", "query chatbot", "query.submit", "user"),
            Step("answer", "chatbot system size temperature", "chatbot", name="bot"),
        ),
    )


_OPTIONS = (
    Component(
        "system", "textbox", {"label": "System message", "value": "You are a friendly Chatbot."}
    ),
    _slider("Max new tokens", 1, 2048, 512, 1),
    _slider("Temperature", 0.1, 4.0, 0.7, 0.1),
    _slider("Top-p (nucleus sampling)", 0.1, 1.0, 0.95, 0.05),
)


def _chat_interface(
    gradio: str, box: Component = _BOX, options: Tuple[Component, ...] = ()
) -> Shape:
    """A `gr.ChatInterface`: the page's own steps, and the one that it has for other programs."""
    roles = " ".join(option.role for option in options)
    ask = Step("ask", "query", "query asked", "query.submit", "_clear_and_save_textbox", False)
    show = Step("ask", "asked chatbot", "chatbot", name="_append_message_to_history", queue=False)
    inputs = f"query turns {roles}"
    api = Step("answer", inputs, "text turns", "api.click", "chat", keeps_pieces=True)
    hidden = {"visible": False}
    if gradio == OLDEST:
        return Shape(
            (
                *(_CHATBOT, box._replace(props={**box.props, "label": "Message"})),
                *(_button("send", "Submit"), _button("stop", "Stop"), _button("api", "Fake API")),
                Component("text", "textbox", {"label": "Response", **hidden}),
                *(*options, _ASKED, _TURNS._replace(props={"value": []})),
            ),
            (
                ask._replace(on="query.submit send.click" if box is _BOX else "query.submit"),
                show._replace(name="_display_input"),
                Step("answer", f"asked chatbot {roles}", "chatbot", name="_stream_fn"),
                api,
            ),
        )
    return Shape(
        (
            *(*options, _ASKED, Component("said", "state"), _CHATBOT, box),
            *(
                _button("api", "Fake API"),
                Component("text", "json", {"label": "Response", **hidden}),
            ),
            *(_TURNS, Component("chatbot_value", "state")),
        ),
        (
            *(ask, show),
            Step("answer", f"asked turns {roles}", "said chatbot", name="_submit_fn"),
            Step("load", "chatbot", "turns chatbot_value", name="lambda", queue=False),
            Step("reset", "", "query", name="lambda_1"),
            api._replace(name="respond") if gradio == NEWEST else api,
        ),
    )


#: The shapes beside that of the public Space.
NAMES = (
    *("one_step_state", "state_only", "two_steps", "two_steps_options", "two_steps_multimodal"),
    *("chat_interface", "chat_interface_inputs", "chat_interface_multimodal"),
    *("text_to_text", "sender"),
)


def generations_of(name: str) -> Sequence[str]:
    """The generations of Gradio that have a shape."""
    # modelscope_studio has the sender since Gradio 5.
    return [each for each in GENERATIONS if (name, each) != ("sender", OLDEST)]


def shape_of(name: str, gradio: str, sizes: Sequence[str]) -> Shape:
    """The shape of a name as a generation of Gradio has it."""
    return {
        "one_step_state": _ONE_STEP_STATE,
        "state_only": _STATE_ONLY,
        "two_steps": _TWO_STEPS,
        "two_steps_options": _two_steps_options(sizes),
        "two_steps_multimodal": _TWO_STEPS_MULTIMODAL,
        "chat_interface": _chat_interface(gradio),
        "chat_interface_inputs": _chat_interface(gradio, options=_OPTIONS),
        "chat_interface_multimodal": _chat_interface(gradio, _MULTIMODAL_BOX),
        "text_to_text": _TEXT_TO_TEXT,
        "sender": _sender(sizes),
    }[name]


#: The radios of the public Space that are seen, and how the names of their sizes begin.
_RADIOS = {4: "", 7: "Math-", 10: "Coder-"}


def public_shape(layout: Layout, sizes: Sequence[str], size_input: bool) -> Shape:
    """The public Space: one step, whose size is chosen by radios that change a hidden one."""
    families: Dict[int, List[str]] = {number: [] for number in _RADIOS}
    for size in sizes:
        named = [number for number, start in _RADIOS.items() if start and size.startswith(start)]
        families[named[0] if named else 4].append(size)
    # On the public Space the function's own radio has no choices.
    hidden = [] if layout.component == "modelscopechatbot" else sizes
    default = {"value": sizes[0] if sizes else None, "visible": False}
    inputs = "query chatbot system" + " size" * size_input
    outputs = "query chatbot system_shown"
    radios = [f"radio{number}" for number in _RADIOS]
    return Shape(
        (
            Component("", "markdown", {"value": "Qwen2.5"}, 1),
            *(
                Component(f"radio{number}", "radio", {"choices": _choices(names)}, number)
                for number, names in families.items()
            ),
            Component("size", "radio", {"choices": _choices(hidden), **default}, 12),
            Component("system_shown", "textbox", {"value": SYSTEM, "label": "System"}, 18),
            Component("system", "textbox", {"value": SYSTEM, "visible": False}, 22),
            _CHATBOT._replace(id=24),
            Component("query", "textbox", {"label": "Input"}, 25),
            _button("clear", "Clear")._replace(id=27),
            _button("send", "Send")._replace(id=28),
        ),
        (
            Step("answer", inputs, outputs, "query.submit", "model_chat"),
            Step("answer", inputs, outputs, "send.click", "model_chat_1"),
            Step("reset", "", "query chatbot", "clear.click", "lambda"),
        ),
        others=tuple(
            Step(
                "reset",
                " ".join([radio] + [other for other in radios if other != radio]),
                " ".join(["size"] + [other for other in radios if other != radio]),
                f"{radio}.change",
                "keep",
            )
            for radio in radios
        ),
    )


def _choices(names: Sequence[str]) -> List[List[str]]:
    return [[name, name] for name in names]
