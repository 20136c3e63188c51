"""One answer's way through the steps of a plan: what is sent, and what comes back; pure."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from ..errors import InvalidRequestError, ProtocolError
from ..events import Note
from ..imports import late_imports
from .config import Component
from .decoder import Decoder, StepReader
from .plan import ChatPlan, Route, Slot
from .prompt import ChatRequest, Query, flattened

_FLATTEN = "flatten=True (--flatten) puts {} into the prompt instead."


class Walk:
    """The steps of one answer, in order.

    Args:
        plan: How to ask the app.
        request: What is asked.
        in_session: Whether the session has seen the earlier turns.

    Raises:
        InvalidRequestError: Something has no place, or does not fit into it.
    """

    def __init__(self, plan: ChatPlan, request: ChatRequest, in_session: bool = False) -> None:
        #: What the caller has to be told.
        self.notes: List[Note] = []
        self._plan = plan
        self._index = 0
        query = request.query
        route = _route(plan, query, in_session)
        if route is None:
            if not request.flatten:
                raise _no_place_for_history(plan)
            route = plan.route
            query = self._flatten(query, "history")
        if query.system is not None and route.slot("system") is None:
            if not request.flatten:
                raise InvalidRequestError(
                    "The Space takes no system prompt.",
                    hint="Leave `system` out; " + _FLATTEN.format("it"),
                )
            query = self._flatten(query, "system")
        if route.chatbots:
            # The page calls one without a label so.
            names = ", ".join(repr(label or "Chatbot") for label in route.chatbots)
            text = f"The Space answers in several chatbots; this is the first of {names}."
            self.notes.append(Note("warning", text))
        self._route = route
        self._query = query
        self._shown: Dict[int, Any] = {}  # what the steps so far have given the components
        size = plan.size(request.model)
        self._given = self._values(query, size, _set_by_label(plan, request))

    @property
    def is_last(self) -> bool:
        """Whether the present step answers."""
        return self._index == len(self._route.steps) - 1

    def body(self, session_hash: str) -> Dict[str, Any]:
        """The JSON with which the present step is put into the queue."""
        step = self._route.steps[self._index]
        return {
            "data": [None if slot.role == "state" else self._value(slot) for slot in step.slots],
            "event_data": None,
            "fn_index": step.fn_index,
            "trigger_id": step.trigger_id,
            "session_hash": session_hash,
        }

    def decoder(self, check_time: Callable[[], None]) -> Decoder:
        """What reads the answer of the last step; `check_time` as in `Decoder`."""
        route = self._route
        sent = self._shown.get(route.answer, self._given.get(route.answer))
        if sent is None and not self._query.history:
            shown = [slot.component.value for slot in route.slots() if slot.role == "history"]
            sent = next(iter(shown), None)
        if not isinstance(sent, list):
            sent = route.format.encode(self._query.history)
        return Decoder(route.format, route.output, sent, self._plan.diffs, check_time)

    def reader(self) -> StepReader:
        """What reads the messages of a step before the last."""
        return StepReader()

    def advance(self, data: Sequence[Any]) -> None:
        """Take what the present step has given, and go to the next."""
        step = self._route.steps[self._index]
        if len(data) < len(step.outputs):
            raise ProtocolError(
                f"The Space's function {step.fn_index} gave {len(data)} values where its"
                f" configuration says {len(step.outputs)}.",
                hint="The Space may have been changed meanwhile: ask again.",
            )
        for component, value in zip(step.outputs, data):
            if isinstance(value, dict) and value.get("__type__") == "update":
                if "value" not in value:
                    continue
                value = value["value"]
            self._shown[component] = value
        self._index += 1

    def _value(self, slot: Slot) -> Any:
        number = slot.component.id
        if number in self._shown:
            return self._shown[number]
        value = self._given[number] if number in self._given else slot.component.value
        if value is None and slot.component.type == "textbox":
            return ""  # what the page sends for an empty box
        fields = {
            field.key: self._given[field.component.id]
            for field in slot.fields
            if field.component.id in self._given
        }
        return {**value, **fields} if fields else value

    def _values(
        self, query: Query, size: Optional[str], set_by_label: Dict[int, Any]
    ) -> Dict[int, Any]:
        values: Dict[int, Any] = {}
        for slot in self._route.slots():
            component = slot.component
            if slot.role == "query":
                text = component.type in ("textbox", "antdxsender")
                values[component.id] = query.text if text else {"text": query.text, "files": []}
            elif slot.role == "history" and self._route.history is not None:
                turns = self._route.history.encode(query.history)
                if turns or not component.value:
                    values[component.id] = _greeting(component, query) + turns
            elif slot.role == "system" and query.system is not None:
                values[component.id] = query.system
                _check_given_once(component, set_by_label, "system")
            elif slot.role == "size" and component.id not in set_by_label:
                values[component.id] = size
        values.update(set_by_label)
        return values

    def _flatten(self, query: Query, what: str) -> Query:
        name = "earlier turns" if what == "history" else "system prompt"
        self.notes.append(
            Note(
                "warning",
                f"The Space has no place for the {name}:"
                f" {'they' if what == 'history' else 'it'} went into the prompt.",
            )
        )
        return flattened(query, what)


def _greeting(component: Component, query: Query) -> List[Any]:
    """What a chatbot says before the first question; a history that begins so has it already."""
    begins = query.history and query.history[0]["role"] == "assistant"
    return component.value if isinstance(component.value, list) and not begins else []


def _route(plan: ChatPlan, query: Query, in_session: bool) -> Optional[Route]:
    """The way that fits; `None` when the history has none."""
    if not query.history or (in_session and plan.keeps_session):
        return plan.route
    return plan.history_route


def _set_by_label(plan: ChatPlan, request: ChatRequest) -> Dict[int, Any]:
    """What the caller sets of the app's inputs, by the component's id; checked."""
    inputs = request.inputs
    if not inputs and request.choose is None:
        return {}
    with late_imports():
        from .inputs import Input, check_inputs  # few callers set any

    if request.choose is not None:
        inputs = {**inputs, **request.choose([Input.of(each) for each in plan.options])}
    return check_inputs(plan.options, inputs)


def _no_place_for_history(plan: ChatPlan) -> InvalidRequestError:
    if plan.keeps_session:
        return InvalidRequestError(
            "The Space keeps the turns in its own session, and takes none from elsewhere.",
            hint="Let one `client.conversation()` ask from the first turn on; a turn that failed or"
            " was undone ends its session, as a new start of the app does, and `clear()` begins"
            " a new one. " + _FLATTEN.format("the turns"),
        )
    return InvalidRequestError(
        "The Space takes no history: it answers one prompt at a time.",
        hint="Leave the earlier turns out; " + _FLATTEN.format("them"),
    )


def _check_given_once(component: Component, values: Mapping[int, Any], argument: str) -> None:
    if component.id in values:
        raise InvalidRequestError(
            f"There are two values for {component.label!r}: one in `inputs` and the argument"
            f" `{argument}`.",
            hint="Give one of them.",
        )
