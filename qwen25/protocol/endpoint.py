"""Which functions of an app chat: from its config to the plan of how to ask it; pure.

The families of apps, in the order in which they are looked for:

1. a page whose steps lead from a text box to a chatbot and whose function is named `model_chat`,
   as on Qwen's own Spaces;
2. a `gr.ChatInterface`, by the function that it has for other programs;
3. any other page that leads from a text box to a chatbot, by the box's own event before a button's;
4. as the last resort, a page that leads from a text box to a text.
"""

from __future__ import annotations

import re
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from ..errors import EndpointNotFoundError
from .chatbot import AnswerFormat, MessagesFormat, TextFormat, TuplesFormat
from .config import Component, Config, Function
from .forms import form_fields
from .plan import ChatPlan, Route, Slot, Step

#: Components that a query is typed into.
_BOXES = (
    *("textbox", "multimodaltextbox", "antdxsender"),
    *("modelscopemultimodalinput", "modelscopepromultimodalinput"),
)
_CHOOSERS = ("radio", "dropdown")
#: Components whose value a caller may set by label.
_SETTABLE = ("slider", "number", "checkbox", "checkboxgroup", "textbox", *_CHOOSERS)
_TEXTS = ("textbox", "markdown", "json")
#: The steps of one answer, at most; no known app has more than five.
_MOST_STEPS = 20
_SYSTEM = ("system", "系统")
#: In lower case.
_MODEL_NAME = re.compile(r"[0-9]\s*b\b|qwen")


def find_plan(config: Config, endpoint: Optional[str] = None) -> ChatPlan:
    """How to ask the app.

    Args:
        config: What runs there.
        endpoint: The API name of one of the functions on the way; default the first that chats.

    Raises:
        EndpointNotFoundError: No function chats, or none of this name.
    """
    wanted = None if endpoint is None else endpoint.lstrip("/")
    page = _Page(config, chosen=wanted is not None)
    for route, history_route in page.ways():
        names = [step.name for step in route.steps]
        if wanted is None or wanted in names:
            return ChatPlan(
                version=config.version,
                protocol=config.protocol,
                diffs=config.diffs,
                prefix=config.prefix,
                endpoint=route.steps[-1].name,
                route=route,
                history_route=history_route,
                sizes=_sizes(route, config.components),
                instance=config.instance,
            )
    raise _not_found(config, wanted)


def _not_found(config: Config, wanted: Optional[str]) -> EndpointNotFoundError:
    names = tuple(function.name for function in config.functions if function.name)
    has = f"It has: {', '.join(names) or 'no named function at all'}."
    if wanted is None:
        return EndpointNotFoundError(
            "The app has no chat function: no step leads from a text box to a chatbot or a text."
            f" {has}",
            endpoints=names,
            hint="Ask one that has, such as any that is wired like Qwen/Qwen2.5; `qwen25 status"
            " --report` shows what this one has.",
        )
    return EndpointNotFoundError(
        (
            f"The app's function {wanted!r} does not chat. {has}"
            if wanted in names
            else f"The app has no function {wanted!r}. {has}"
        ),
        endpoints=names,
        hint="Leave `endpoint` out to take the first that chats.",
    )


#: Whether a component shows an answer.
_Answers = Callable[[Component], bool]


#: A way to ask the app, and the one that delivers a history, if there is one.
_Found = Tuple[Route, Optional[Route]]


class _Page:
    """The app's functions, and how they follow on each other.

    Args:
        config: What runs there.
        chosen: Whether the caller names a function, and so wants the answer of no other.
    """

    def __init__(self, config: Config, chosen: bool) -> None:
        self._config = config
        self._chosen = chosen
        self._functions = {function.id: function for function in config.functions}
        self._followers: Dict[int, List[Function]] = {}
        for function in config.functions:
            if function.after is not None:
                self._followers.setdefault(function.after, []).append(function)

    def ways(self) -> Iterator[_Found]:
        """All ways to ask the app, the best first."""
        chats = list(self._routes(_is_chatbot))
        for named in (True, False):
            for route in chats:
                if (route.steps[0].name == "model_chat") is named:
                    shown = route if self._chosen else self._with_others_named(chats, route)
                    yield shown, _with_history(shown)
            if named:
                yield from self._chat_interfaces(chats)
        for route in self._routes(lambda one: one.type in _TEXTS):
            yield route, None

    def _with_others_named(self, chats: Sequence[Route], route: Route) -> Route:
        """The same way, which also names the chatbots that its event fills by other functions."""
        parts = {part.id: part for part in self._config.components}
        own = set(route.steps[-1].outputs)
        others = {
            number: parts[number].label
            for chat in chats
            if chat.steps[0].trigger_id == route.steps[0].trigger_id
            for number in chat.steps[-1].outputs
            if number not in own and _is_chatbot(parts[number])
        }
        if not others:
            return route
        labels = route.chatbots or (parts[route.answer].label,)
        return route._replace(chatbots=(*labels, *others.values()))

    def _chat_interfaces(self, chats: Sequence[Route]) -> Iterator[_Found]:
        """The functions that `gr.ChatInterface` has for other programs.

        Their shape is the same since Gradio 4.0; the history has a way of its own in each
        generation.
        """
        pages: Dict[int, Route] = {}
        for route in chats:
            query = route.slot("query")
            if query is not None and _with_history(route) is not None:
                pages.setdefault(query.component.id, route)
        for function in self._config.functions:
            if not _is_chat_api(function):
                continue
            box = function.inputs[0]
            page, load = pages.get(box.id), self._load_step(function)
            chatbot = load.inputs[0] if load else None
            trigger = function.targets[0][0]
            layout = TextFormat(_tags(chatbot))
            api = _build([function], box, 0, layout, self._config, trigger)
            if page is not None and isinstance(page.format, MessagesFormat):
                if function.outputs[0].type == "textbox":
                    # Gradio 4.41 to 5.8: the API gives a message as what Python prints of it.
                    yield page, page
                    continue
            yield api, page if load is None else self._loaded(load, api)

    def _load_step(self, function: Function) -> Optional[Function]:
        """Since Gradio 5.9: the step that takes the chatbot's turns into the states."""
        for load in self._config.functions:
            if (
                load.remote
                and len(load.inputs) == 1
                and _is_chatbot(load.inputs[0])
                and function.inputs[1] in load.outputs
                and all(output.type == "state" for output in load.outputs)
            ):
                return load
        return None

    def _loaded(self, load: Function, api: Route) -> Route:
        """First the history into the states, then the question."""
        chatbot = load.inputs[0]
        outputs = tuple(output.id for output in load.outputs)
        slots = (Slot(chatbot, "history"),)
        step = Step(load.id, chatbot.id, load.name or "", slots, outputs)
        history = _format(chatbot, self._config.major)
        return api._replace(steps=(step, *api.steps), history=history, remembers=False)

    def _routes(self, answers: _Answers) -> Iterator[Route]:
        """Ways from a text box to an answer; those that the box's own event starts come first."""
        for event in ("submit", "click"):
            for start in self._starts(event):
                route = self._route(start, event, answers)
                if route is not None:
                    yield route

    def _starts(self, event: str) -> Iterator[Function]:
        """Functions that an event starts: of a text box, or of whatever can be clicked."""
        boxes = {part.id for part in self._config.components if part.type in _BOXES}
        for function in self._config.functions:
            if function.after is None and any(
                name == event and (event == "click" or target in boxes)
                for target, name in function.targets
            ):
                yield function

    def _route(self, start: Function, event: str, answers: _Answers) -> Optional[Route]:
        """The way from a start to the step that answers; `None` when there is none."""
        path = self._path_to_answer(start, answers)
        if path is None:
            return None
        query = _query(start, event, path)
        if query is None:
            return None
        last = path[-1]
        places = [i for i, one in enumerate(last.outputs) if answers(one) and one is not query]
        if not places:
            return None
        shown = last.outputs[places[0]]
        layout = _format(shown, self._config.major) if _is_chatbot(shown) else TextFormat()
        trigger = query.id if (query.id, event) in start.targets else start.targets[0][0]
        return _build(path, query, places[0], layout, self._config, trigger)

    def _path_to_answer(self, start: Function, answers: _Answers) -> Optional[List[Function]]:
        """The steps up to the one that answers: the last that does, a streaming one first."""
        chain, seen = [start], {start.id}
        for function in chain:  # grows on the way
            for follower in self._followers.get(function.id, ()):
                if follower.id not in seen:
                    seen.add(follower.id)
                    chain.append(follower)
        answering = [one for one in chain if one.remote and any(map(answers, one.outputs))]
        if not answering:
            return None
        path = [([one for one in answering if one.streams] or answering)[-1]]
        while path[0] is not start:
            after = path[0].after
            path.insert(0, self._functions[-1 if after is None else after])
            if len(path) > _MOST_STEPS:
                return None
        return [one for one in path if one.remote]


def _is_chatbot(component: Component) -> bool:
    return component.type.endswith("chatbot")


def _is_chat_api(function: Function) -> bool:
    inputs, outputs = function.inputs, function.outputs
    return (
        function.remote
        and function.after is None
        and any(event == "click" for _, event in function.targets)
        and [one.type for one in inputs[1:2]] == ["state"]
        and inputs[0].type in ("textbox", "multimodaltextbox")
        and outputs[1:2] == inputs[1:2]
        and outputs[0].type in ("textbox", "json")
        and not any(map(_is_chatbot, (*inputs, *outputs)))
    )


def _tags(chatbot: Optional[Component]) -> List[Tuple[str, str]]:
    """The tags around thoughts that a chatbot of Gradio 6 is told of."""
    tags = None if chatbot is None else chatbot.props.get("reasoning_tags")
    return [
        (str(tag[0]), str(tag[1]))
        for tag in (tags if isinstance(tags, list) else ())
        if isinstance(tag, list) and len(tag) == 2 and all(tag)
    ]


def _with_history(route: Route) -> Optional[Route]:
    """The way itself, where the turns that it is given are all that the app knows."""
    return None if route.history is None or route.remembers else route


def _query(start: Function, event: str, path: Sequence[Function]) -> Optional[Component]:
    """The box that the query is typed into, never one that calls itself the system's."""
    boxes = [one for one in _inputs(path) if one.type in _BOXES and not any(map(one.says, _SYSTEM))]
    given = {one.id for function in path for one in function.outputs}
    if event == "submit":
        boxes = [one for one in boxes if (one.id, event) in start.targets]
    # A page empties the box that it has read, and a user types into one that is empty.
    emptied = [one for one in boxes if one.id in given]
    return next(iter(emptied or [one for one in boxes if not one.value] or boxes), None)


def _build(
    path: Sequence[Function],
    query: Component,
    output: int,
    answer: AnswerFormat,
    config: Config,
    trigger: int,
) -> Route:
    forms, major = form_fields(config.components), config.major
    shown = path[-1].outputs[output]
    inputs = _inputs(path)
    inputs += [field.component for one in inputs for field in forms.get(one.id, ())]
    history = next((one for one in inputs if _is_chatbot(one) and _is_read_first(one, path)), None)
    roles = {query.id: "query"}
    for role, component in (
        ("history", history),
        ("system", _system_box(inputs, query, _is_chatbot(shown))),
        ("size", next(filter(_is_size, inputs), None)),
    ):
        if component is not None:
            roles[component.id] = role
    several = [one for one in path[-1].outputs if _is_chatbot(one)]
    steps = [
        Step(
            function.id,
            trigger,
            function.name or "",
            tuple(_slot(one, roles, forms) for one in function.inputs),
            tuple(one.id for one in function.outputs),
        )
        for function in path
    ]
    return Route(
        tuple(steps),
        output,
        answer,
        None if history is None else _format(history, major),
        any(_remembers(one, path, _is_chatbot(shown)) for one in inputs),
        tuple(one.label for one in several) if len(several) > 1 else (),
    )


def _slot(component: Component, roles: Dict[int, str], forms: Dict[int, List[Slot]]) -> Slot:
    fields = tuple(
        field._replace(role=roles.get(field.component.id, field.role))
        for field in forms.get(component.id, ())
    )
    return Slot(component, roles.get(component.id) or _role(component), fields)


def _role(component: Component) -> str:
    if component.type == "state":
        return "state"
    return "option" if component.type in _SETTABLE and component.label else "fixed"


def _system_box(inputs: Sequence[Component], query: Component, chat: bool) -> Optional[Component]:
    """The box of the system prompt: one that says so, or in a chat one that says nothing."""
    boxes = [one for one in inputs if one.type == "textbox" and one is not query]
    says = [one for one in boxes if any(map(one.says, _SYSTEM))]
    return next(iter(says or [one for one in boxes if chat and not one.label]), None)


def _is_size(component: Component) -> bool:
    """Whether a choice is one among models."""
    if component.type not in _CHOOSERS:
        return False
    # On the public Space the input is hidden and empty, and the visible radios fill it.
    shown = [*component.choices, component.value] if component.choices else [component.value or "b"]
    return component.says("model") or any(
        isinstance(one, str) and _MODEL_NAME.search(one.lower()) for one in shown
    )


def _remembers(component: Component, path: Sequence[Function], chat: bool) -> bool:
    """Whether this is a state in which the app may keep the turns of a session.

    That is so when the step that answers takes what an earlier call has left in it, and the steps
    write it or, in a chat, may change it in place. Before Gradio 5 the config shows what a state
    begins with.
    """
    if component.type != "state" or component not in path[-1].inputs:
        return False
    if not _is_read_first(component, path):
        return False
    if any(component in function.outputs for function in path):
        return True
    return chat and not isinstance(component.value, (str, int, float))


def _is_read_first(component: Component, path: Sequence[Function]) -> bool:
    """Whether a step takes the component before one has given it a value of its own."""
    for function in path:
        if component in function.inputs:
            return True
        if component in function.outputs:
            return False
    return False


def _inputs(path: Sequence[Function]) -> List[Component]:
    """What the steps take, each once."""
    return list({one.id: one for function in path for one in function.inputs}.values())


def _format(chatbot: Component, major: int) -> AnswerFormat:
    """How the value of a chatbot is laid out."""
    if chatbot.type == "modelscopeprochatbot":
        return MessagesFormat(parts=False)
    if chatbot.type == "chatbot":
        if major >= 6:
            return MessagesFormat(parts=True)
        if chatbot.props.get("type") == "messages":
            return MessagesFormat(parts=False)
    return TuplesFormat()


def _sizes(route: Route, components: Sequence[Component]) -> Tuple[str, ...]:
    """The choices of the size's input; where it has none of its own, those of all the radios.

    On the public Space the input is hidden and empty, and the visible radios fill it.
    """
    slot = route.slot("size")
    if slot is None:
        return ()
    radios = [slot.component] if slot.component.choices else components
    sizes = [str(one) for radio in radios if radio.type in _CHOOSERS for one in radio.choices]
    return tuple(dict.fromkeys(sizes))
