"""The app behind a Space: what `/config` says of its shape, and what a step reads and writes."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..errors import InvalidRequestError
from . import arguments
from .layouts import LAYOUTS, Layout, Turn
from .shapes import (
    GENERATIONS,
    NAMES,
    NEWEST,
    Component,
    Shape,
    Step,
    generations_of,
    public_shape,
    shape_of,
)

# The Gradio whose recording each combination of protocol and layout of the public Space follows.
_OLD = {"sse_v1": "4.10.0", "sse_v2": "4.20.1"}
_NEW = {"modelscope": "4.44.1", "tuples": "5.50.0", "messages": "5.50.0", "parts": "6.31.0"}
PROTOCOLS = (*_OLD, "sse_v3")

#: What a session keeps: the value of each state by its role.
Memory = Dict[str, Any]
_UPDATE = {"__type__": "update"}


class Output(NamedTuple):
    """How a step writes the text that it has so far."""

    values: Callable[[str], List[Any]]
    #: How many values there are, which one of them grows, and where in it.
    width: int
    place: int
    path: List[Any]
    #: Called with the text at the end of the step, or with each piece too.
    keep: Callable[[str], None]
    keeps_pieces: bool = False


#: Where a step fails, nothing is written.
NOTHING = Output(lambda text: [], 0, 0, [], lambda text: None)


class AppCall(NamedTuple):
    """One call of a step: what the model behind it is given, and how its text is written."""

    prompt: str
    history: List[Turn]
    system: str
    size: Optional[str]
    #: What else the user may set, by label.
    inputs: Dict[str, Any]
    output: Output


class App(NamedTuple):
    """An app of one shape."""

    version: str
    layout: Layout
    protocol: str
    shape: Shape
    sizes: Sequence[str]

    @classmethod
    def public(cls, layout: str, protocol: str, sizes: Sequence[str], size_input: bool) -> App:
        """The public Space."""
        chatbot = LAYOUTS[layout]
        shape = public_shape(chatbot, sizes, size_input)
        if layout == "tuples" and protocol != "sse_v3":
            chatbot = chatbot._replace(props={})  # Gradio 4 knew no other type, and named none.
        return cls(_OLD.get(protocol, _NEW[layout]), chatbot, protocol, shape, sizes)

    @classmethod
    def of_shape(cls, name: str, gradio: str, sizes: Sequence[str]) -> App:
        """Another shape, in a generation of Gradio."""
        shape = shape_of(name, gradio, sizes)
        version, layout = GENERATIONS[gradio]
        return cls(version, shape.layout or layout, "sse_v3", shape, sizes)

    @property
    def prefix(self) -> str:
        """Of the queue's paths, since Gradio 5."""
        return "" if self.version.startswith("4.") else "/gradio_api"

    @property
    def remembers(self) -> bool:
        """Whether a session has states."""
        return any(component.type == "state" for component in self.shape.components)

    def step(self, number: Any, fn_index: int) -> Optional[Step]:
        """The step of a number when the first has `fn_index`; `None` for no such step."""
        if not isinstance(number, int) or not 0 <= number - fn_index < len(self.shape.steps):
            return None
        return self.shape.steps[number - fn_index]

    # What /config says

    def config(self, *, prefix: str, root: str, fn_index: int) -> Dict[str, Any]:
        """The parts of a real `/config` that a client can need."""
        return {
            "version": self.version,
            **({"api_prefix": prefix} if prefix else {}),
            "mode": "blocks",
            "title": "Gradio",
            "space_id": None,
            "enable_queue": True,
            "protocol": self.protocol,
            "root": "" if self.protocol == "sse_v1" else root,
            "components": [self._component(*each) for each in self._numbered()],
            "dependencies": self._dependencies(fn_index),
        }

    def _numbered(self) -> List[Tuple[int, Component]]:
        return [(each.id or place, each) for place, each in enumerate(self.shape.components, 1)]

    def _component(self, number: int, component: Component) -> Dict[str, Any]:
        kind, props = component.type, component.props
        if component.role == "chatbot":
            kind, props = self.layout.component, {**self.layout.props, **props}
        return {"id": number, "type": kind, "props": {"visible": True, **props, "name": kind}}

    def _dependencies(self, fn_index: int) -> List[Dict[str, Any]]:
        numbers = {component.role: number for number, component in self._numbered()}
        first = self.shape.components[0].role
        others = self.shape.others or (Step("reset", "", "", f"{first}.change", "keep"),)
        before = [
            step._replace(name=f"{step.name}_{number}" if number else step.name)
            for number, step in ((each, others[each % len(others)]) for each in range(fn_index))
        ]
        # Gradio 4.20 and before give no id: a function is its place in the list.
        return [
            {
                **({"id": number} if self.protocol == "sse_v3" else {}),
                "targets": [
                    [numbers[role], event]
                    for role, event in (target.split(".") for target in step.on.split())
                ]
                or [[None, "then"]],
                "inputs": [numbers[role] for role in step.inputs.split()],
                "outputs": [numbers[role] for role in step.outputs.split()],
                "backend_fn": True,
                "queue": step.queue,
                "api_name": step.name,
                "types": {"generator": step.does == "answer", "cancel": False},
                **({} if step.on else {"trigger_after": number - 1}),
            }
            for number, step in enumerate((*before, *self.shape.steps))
        ]

    # What a step does

    def call(self, step: Step, data: Any, memory: Memory) -> Optional[AppCall]:
        """Give a step its inputs; `None` where Gradio or the app fails."""
        try:
            given = self._given(step, data, memory)
            history = given.get("turns", given.get("chatbot", []))
            shown = given.get("chatbot", history)
            prompt = given.get("query", given.get("asked", ""))
            if "query" not in given and step.does == "answer":
                # An earlier step has put the query behind the turns, or has kept it.
                if "asked" not in given:
                    prompt = history[-1]["content"]
                history, shown = _answered(history), _answered(shown)
        except (TypeError, ValueError, LookupError):
            return None
        form = given.get("form", {})
        return AppCall(
            prompt,
            history,
            given.get("system", form.get("sys_prompt", "")),
            given.get("size", form.get("model")),
            {
                component.props["label"]: value
                for component, value in self._options(step, given, form)
            },
            self._output(step, given, memory, prompt, history, shown),
        )

    def _given(self, step: Step, data: Any, memory: Memory) -> Dict[str, Any]:
        roles = step.inputs.split()
        if not isinstance(data, list) or len(data) != len(roles):
            raise ValueError("a function wants all of its inputs")
        components = {component.role: component for component in self.shape.components}
        return {
            role: self._read(components[role], value, memory) for role, value in zip(roles, data)
        }

    def _read(self, component: Component, value: Any, memory: Memory) -> Any:
        if component.type == "state":
            # What is sent for a state is ignored: its value is on the server.
            if component.role == "turns":
                return list(memory.get("turns", ()))
            return memory["asked"] if component.role == "asked" else None
        if component.role == "chatbot":
            return self.layout.read(value)
        if component.role == "size" and value not in self.sizes:
            raise ValueError("a radio takes one of its choices")
        if component.type == "multimodaltextbox":
            return str(value["text"])
        if component.type == "antdform" and value["model"] not in self.sizes:
            raise ValueError("a form has one of its models")
        return value

    def _options(self, step: Step, given: Mapping[str, Any], form: Mapping[str, Any]) -> Any:
        known = ("query", "asked", "chatbot", "turns", "system", "size", "form")
        for component in self.shape.components:
            if component.role in given and component.role not in known:
                if component.props.get("label"):
                    yield component, given[component.role]
            name = component.props.get("form_name", "")
            if name in form and name not in ("model", "sys_prompt"):
                yield component, form[name]

    def _output(
        self,
        step: Step,
        given: Mapping[str, Any],
        memory: Memory,
        prompt: str,
        history: List[Turn],
        shown: List[Turn],
    ) -> Output:
        roles = step.outputs.split()
        components = {component.role: component for component in self.shape.components}

        def turns(before: List[Turn], text: str) -> List[Turn]:
            if step.does == "reset":
                return []
            asked: List[Turn] = [*before, {"role": "user", "content": prompt}]
            return asked + [{"role": "assistant", "content": text}] * (step.does == "answer")

        def value(role: str, text: str) -> Any:
            if role == "chatbot":
                return self.layout.write(turns(shown, text))
            if role == "text":
                return text
            if role == "query":
                return components[role].props.get("value", "")
            if role == "system_shown":
                return given.get("system")
            return _UPDATE

        def values(text: str) -> List[Any]:
            written = [
                None if components[role].type == "state" else value(role, text) for role in roles
            ]
            if not self.shape.updates:
                return written
            return [
                one if one is None or one is _UPDATE else {"value": one, **_UPDATE}
                for one in written
            ]

        def keep(text: str) -> None:
            if "asked" in roles:
                memory["asked"] = prompt
            if step.does == "load":
                memory["turns"] = shown
            elif "turns" in given:
                memory["turns"] = turns(history, text)

        path = self.layout.path(len(shown)) if "chatbot" in roles else []
        if self.shape.updates:
            path = ["value", *path]
        place = next((roles.index(role) for role in ("chatbot", "text") if role in roles), 0)
        return Output(values, len(roles), place, path, keep, step.keeps_pieces)


def app_of(
    shape: str,
    gradio: Optional[str],
    layout: str,
    protocol: str,
    sizes: Sequence[str],
    size_input: bool,
) -> App:
    """The app that the arguments of a `FakeSpace` ask for; they are checked."""
    arguments.choice("shape", shape, ("one_step", *NAMES))
    arguments.choice("layout", layout, LAYOUTS)
    arguments.choice("protocol", protocol, PROTOCOLS)
    if shape == "one_step":
        if gradio is not None:
            raise InvalidRequestError(
                "shape='one_step' takes no gradio; its layout and protocol say which Gradio it has."
            )
        return App.public(layout, protocol, sizes, size_input)
    if (layout, protocol, size_input) != ("modelscope", "sse_v3", True):
        raise InvalidRequestError(
            f"shape={shape!r} takes no layout, protocol or size_input; gradio chooses for it."
        )
    known = generations_of(shape)
    gradio = arguments.choice("gradio", NEWEST if gradio is None else gradio, known)
    return App.of_shape(shape, gradio, sizes)


def _answered(turns: List[Turn]) -> List[Turn]:
    """The turns without a query that waits for its answer."""
    return turns[:-1] if turns and turns[-1]["role"] == "user" else turns
