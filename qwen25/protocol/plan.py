"""How to ask one app: the steps of a call, and what goes into each of their inputs; pure data."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from ..errors import UnknownModelError
from ..imports import late_imports
from .chatbot import AnswerFormat
from .config import Component
from .prompt import DefaultModel

_DEFAULT_NAMES = ("qwen2.5", "qwen-2.5", "qwen-qwen2-5", "qwen/qwen2.5")
#: What a model's name may begin and end with beside its size, in lower case.
_FAMILIES = ("qwen/qwen2.5-", "qwen/qwen-2.5-", "qwen2.5-", "qwen-2.5-")
_TUNED = "-instruct"


class Slot(NamedTuple):
    """One input of a step, or one field of an input that is a form."""

    component: Component
    #: What goes into it: `query`, `history`, `system`, `size`, `option` for what the caller may
    #: set by label, `state` for what the server keeps itself, or `fixed` for its own value.
    role: str
    #: Of a form: its fields, as slots of their own.
    fields: Tuple[Slot, ...] = ()
    #: Of a field: under what key its value stands in the form's.
    key: str = ""


class Step:
    """One function that is called on the way to an answer."""

    def __init__(
        self,
        fn_index: int,
        trigger_id: Optional[int],
        name: str,
        slots: Tuple[Slot, ...],
        outputs: Tuple[int, ...],
    ) -> None:
        self.fn_index = fn_index
        #: The component whose event would start it on the page.
        self.trigger_id = trigger_id
        self.name = name
        self.slots = slots
        #: The ids of the components that it gives values to.
        self.outputs = outputs


class Route(NamedTuple):
    """Steps that are walked in one session; the last one answers."""

    steps: Tuple[Step, ...]
    #: The answer's place among the outputs of the last step.
    output: int
    format: AnswerFormat
    #: How earlier turns are laid out for the steps' `history` inputs; `None` without such inputs.
    history: Optional[AnswerFormat]
    #: Whether the app keeps the turns of a session in a state on the server.
    remembers: bool
    #: The labels of the chatbots that the page answers in, where it does so in several.
    chatbots: Tuple[str, ...] = ()

    def slots(self) -> Iterator[Slot]:
        """The inputs of all steps, and the fields of forms among them."""
        for step in self.steps:
            for slot in step.slots:
                yield slot
                yield from slot.fields

    def slot(self, role: str) -> Optional[Slot]:
        """The first input of a role; `None` when there is none."""
        return next((slot for slot in self.slots() if slot.role == role), None)

    @property
    def answer(self) -> int:
        """The id of the component that shows the answer."""
        return self.steps[-1].outputs[self.output]


class ChatPlan:
    """How to ask one app."""

    def __init__(
        self,
        *,
        version: str,
        protocol: str,
        diffs: bool,
        prefix: str,
        endpoint: str,
        route: Route,
        history_route: Optional[Route],
        sizes: Tuple[str, ...],
        instance: Optional[int] = None,
    ) -> None:
        self.version = version
        self.protocol = protocol
        #: Whether values after the first come as diffs.
        self.diffs = diffs
        #: What the paths of the app's queue begin with.
        self.prefix = prefix
        #: The API name of the function that answers; empty when it has none.
        self.endpoint = endpoint
        #: The way without a history.
        self.route = route
        #: The way that delivers a history; `None` when only a session that goes on has one.
        self.history_route = history_route
        #: The sizes on offer; empty when the app offers no choice or does not tell it.
        self.sizes = sizes
        #: A number that a new start of the app changes; `None` when the app tells none.
        self.instance = instance

    @property
    def keeps_session(self) -> bool:
        """Whether a session that goes on is the only way for the app to know earlier turns."""
        return self.history_route is None and self.route.remembers

    @property
    def options(self) -> Tuple[Component, ...]:
        """The inputs that a caller may set by label, in the order of the page's functions."""
        found: Dict[int, Component] = {}
        for slot in self.route.slots():
            if slot.role in ("system", "size", "option") and slot.component.label:
                found[slot.component.id] = slot.component
        return tuple(found.values())

    def size(self, model: str) -> Optional[str]:
        """The size that a model's name means here; `None` when the app has no such input.

        Raises:
            UnknownModelError: The Space does not offer it.
        """
        slot = self.route.slot("size")
        name = _short(model)
        if slot is None:
            if name in ("72b",) + _DEFAULT_NAMES:
                return None
            raise UnknownModelError(
                f"This Space offers no choice of a model, so there is no {model!r}.",
                model=model,
                hint="Leave `model` out, or ask another Space.",
            )
        if isinstance(model, DefaultModel) or name in _DEFAULT_NAMES:
            default = slot.component.value
            return str(default or (self.sizes[0] if self.sizes else "72B"))
        if not self.sizes:
            return model
        for size in self.sizes:
            if _short(size) == name:
                return size
        with late_imports():
            import difflib

        near = difflib.get_close_matches(name, map(_short, self.sizes), n=1, cutoff=0.4)
        nearest = [size for size in self.sizes if _short(size) in near]
        raise UnknownModelError(
            f"The Space has no model {model!r}; it has {', '.join(self.sizes)}.",
            model=model,
            choices=self.sizes,
            hint=f"Did you mean {nearest[0]!r}?" if nearest else "Choose one of these.",
        )

    def describe(self) -> List[str]:
        """The plan in words, a line for each fact: its name, and what is known of it."""
        steps = [_step_in_words(step) for step in self.route.steps]
        steps[-1] += f"; answers as {self.route.format.name}"
        facts = [("Step", step) for step in steps]
        facts.append(("History", self._history_in_words()))
        system, size = self.route.slot("system"), self.route.slot("size")
        facts.append(
            ("System", "prompt has no place" if system is None else "prompt has its place")
        )
        if size is None:
            facts.append(("Model", "no choice"))
        else:
            facts.append(("Model", " ".join(self.sizes) or "the Space does not tell its choices"))
        for option in self.options:
            facts.append(("Input", f"{option.label}: {_shortened(option.value)} unless it is set"))
        return [f"{name:9} {fact}" for name, fact in facts]

    def _history_in_words(self) -> str:
        route = self.history_route
        if route is not None and route.history is not None:
            further = "" if route is self.route else f", in {len(route.steps)} steps"
            return f"sent with each prompt, as {route.history.name}{further}"
        if self.route.remembers:
            return "kept by the app in its session; one from elsewhere cannot be delivered"
        return "not taken"


_WORDS = {"system": "system prompt", "size": "model", "fixed": "its own value"}


def _step_in_words(step: Step) -> str:
    inputs = [
        slot.component.label if slot.role == "option" else _WORDS.get(slot.role, slot.role)
        for slot in step.slots
    ]
    name = f"/{step.name}, " if step.name else ""
    return f"{name}function {step.fn_index}: {', '.join(inputs) or 'nothing'}"


def _shortened(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _short(model: str) -> str:
    """A model's name without its family, in lower case."""
    name = model.strip().lower()
    for family in _FAMILIES:
        if name.startswith(family):
            name = name[len(family) :]
            break
    return name[: -len(_TUNED)] if name.endswith(_TUNED) else name
