"""What a Space's `/config` says: which function chats, and how it wants to be called."""

from __future__ import annotations

import re
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..errors import EndpointNotFoundError, ProtocolError, UnknownModelError
from .chatbot import ChatbotFormat, MessagesFormat, TuplesFormat
from .origins import check_prefix
from .prompt import Query

#: Protocols whose values after the first come as diffs, and the one that repeats them whole.
_DIFFS = {"sse_v1": False, "sse_v2": True, "sse_v2.1": True, "sse_v3": True}
_CHOOSERS = ("radio", "dropdown")
_DEFAULT_NAMES = ("qwen2.5", "qwen-2.5", "qwen-qwen2-5", "qwen/qwen2.5")
_FAMILY = re.compile(r"^(?:qwen/)?qwen-?2\.5-|-instruct$")


class Input(NamedTuple):
    """One input of the chat function."""

    #: `query`, `history`, `system`, `size`, or `other`.
    role: str
    #: The component's own value: what an input is filled with that the caller leaves open.
    default: Any


class Wiring(NamedTuple):
    """How to call one app's chat function."""

    version: str
    protocol: str
    prefix: str
    endpoint: str
    fn_index: int
    trigger_id: Optional[int]
    inputs: Tuple[Input, ...]
    #: The chatbot's place among the outputs.
    output: int
    layout: ChatbotFormat
    #: The sizes on offer; empty when the Space offers no choice or does not tell it.
    sizes: Tuple[str, ...]

    @property
    def diffs(self) -> bool:
        """Whether values after the first come as diffs."""
        return _DIFFS[self.protocol]

    @classmethod
    def of(cls, config: Any) -> Wiring:
        """Read the JSON of `/config`.

        Raises:
            EndpointNotFoundError: No function takes a text and a chatbot and gives the chatbot.
            ProtocolError: This is no configuration of Gradio, or one too old or too new.
        """
        try:
            return cls._of(config)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise ProtocolError(
                "The address answers with JSON that is not a Gradio app's configuration"
                f" ({type(error).__name__}: {error}).",
                hint="Check the address: it has to be that of the Space itself.",
            ) from error

    @classmethod
    def _of(cls, config: Dict[str, Any]) -> Wiring:
        version = str(config["version"])
        components = {component["id"]: component for component in config["components"]}
        functions = [
            _Function(position, dependency, components)
            for position, dependency in enumerate(config["dependencies"])
        ]
        protocol = config.get("protocol", "ws")
        if protocol not in _DIFFS:
            raise ProtocolError(
                f"The Space runs Gradio {version}, whose protocol {protocol!r} this client"
                f" does not speak; it speaks {', '.join(_DIFFS)}.",
                hint="It takes Gradio 4.10 or later; if the Space's is newer, update qwen25.",
            )
        function = _chat_function(functions)
        inputs = function.roles()
        chatbot = next(c for c in function.outputs if _is_chatbot(c))
        return cls(
            version=version,
            protocol=protocol,
            prefix=check_prefix(config.get("api_prefix")),
            endpoint=function.name or "",
            fn_index=function.index,
            trigger_id=function.trigger_id,
            inputs=tuple(
                Input(role, component["props"].get("value"))
                for role, component in zip(inputs, function.inputs)
            ),
            output=function.outputs.index(chatbot),
            layout=_layout(chatbot, version),
            sizes=_sizes(inputs, function.inputs, config["components"]),
        )

    def size(self, model: str) -> Optional[str]:
        """The size that a model's name means here; `None` when the Space has no such input.

        Raises:
            UnknownModelError: The Space does not offer it.
        """
        name = _short(model)
        default = next((given.default for given in self.inputs if given.role == "size"), None)
        if not any(given.role == "size" for given in self.inputs):
            if name in ("72b",) + _DEFAULT_NAMES:
                return None
            raise UnknownModelError(
                f"This Space offers no choice of a model, so there is no {model!r}.",
                model=model,
                hint="Leave `model` out, or ask another Space.",
            )
        if name in _DEFAULT_NAMES:
            return str(default or "72B")
        if not self.sizes:
            return model
        for size in self.sizes:
            if _short(size) == name:
                return size
        import difflib

        near = difflib.get_close_matches(name, map(_short, self.sizes), n=1, cutoff=0.4)
        nearest = [size for size in self.sizes if _short(size) in near]
        raise UnknownModelError(
            f"The Space has no model {model!r}; it has {', '.join(self.sizes)}.",
            model=model,
            choices=self.sizes,
            hint=f"Did you mean {nearest[0]!r}?" if nearest else "Choose one of these.",
        )

    def body(self, query: Query, size: Optional[str], session_hash: str) -> Dict[str, Any]:
        """The JSON to put into the queue."""
        values = {
            "query": query.text,
            "history": self.layout.encode(query.history),
            "system": query.system,
            "size": size,
        }
        data = []
        for role, default in self.inputs:
            value = values.get(role)
            data.append(default if value is None else value)
        return {
            "data": data,
            "event_data": None,
            "fn_index": self.fn_index,
            "trigger_id": self.trigger_id,
            "session_hash": session_hash,
        }


def _is_chatbot(component: Dict[str, Any]) -> bool:
    return str(component["type"]).endswith("chatbot")


def _says(component: Dict[str, Any], word: str) -> bool:
    props = component["props"]
    return word in f"{props.get('label')} {props.get('elem_id')}".lower()


class _Function:
    """One of the app's functions, with its components at hand."""

    def __init__(
        self, position: int, dependency: Dict[str, Any], components: Dict[int, Dict[str, Any]]
    ) -> None:
        # Gradio 4.20 and before give no id: a function is its place in the list.
        self.index: int = dependency.get("id", position)
        name = dependency.get("api_name")
        self.name: Optional[str] = name.lstrip("/") if isinstance(name, str) else None
        self.inputs = [components[number] for number in dependency.get("inputs") or ()]
        self.outputs = [components[number] for number in dependency.get("outputs") or ()]
        self.trigger_id: Optional[int] = None
        self.submitted = False
        for target, event in dependency.get("targets") or ():
            if self.trigger_id is None or event == "submit":
                self.trigger_id = target
            self.submitted = self.submitted or event == "submit"

    def chats(self) -> bool:
        types = [component["type"] for component in self.inputs]
        return (
            "textbox" in types
            and any(map(_is_chatbot, self.inputs))
            and any(map(_is_chatbot, self.outputs))
        )

    def roles(self) -> List[str]:
        """What each input is for, by the components' types and labels."""
        boxes = [component for component in self.inputs if component["type"] == "textbox"]
        query = (
            [box for box in boxes if box["id"] == self.trigger_id]
            or [box for box in boxes if box in self.outputs and not _says(box, "system")]
            or [box for box in boxes if not _says(box, "system")]
            or boxes
        )[0]
        others = [box for box in boxes if box is not query]
        system = next(
            (box for box in others if _says(box, "system")), others[0] if others else None
        )
        choosers = [component for component in self.inputs if component["type"] in _CHOOSERS]
        size = next(iter(choosers), None)
        roles = []
        for component in self.inputs:
            if component is query:
                roles.append("query")
            elif component is system:
                roles.append("system")
            elif component is size:
                roles.append("size")
            else:
                roles.append("history" if _is_chatbot(component) else "other")
        return roles


def _chat_function(functions: Sequence[_Function]) -> _Function:
    chatting = [function for function in functions if function.chats()]
    for function in chatting:
        if function.name == "model_chat":
            return function
    for function in chatting:
        if function.submitted:
            return function
    if chatting:
        return chatting[0]
    names = tuple(function.name for function in functions if function.name)
    raise EndpointNotFoundError(
        "The app has no chat function: none takes a text box and a chatbot and gives the chatbot."
        f" It has: {', '.join(names) or 'no named function at all'}.",
        endpoints=names,
        hint="Ask a Space that is wired like Qwen/Qwen2.5.",
    )


def _layout(chatbot: Dict[str, Any], version: str) -> ChatbotFormat:
    if chatbot["type"] == "chatbot":
        if int(version.split(".")[0]) >= 6:
            return MessagesFormat(parts=True)
        if chatbot["props"].get("type") == "messages":
            return MessagesFormat(parts=False)
    return TuplesFormat()


def _sizes(
    roles: Sequence[str], inputs: Sequence[Dict[str, Any]], components: Sequence[Dict[str, Any]]
) -> Tuple[str, ...]:
    """The choices of the size's input; where it has none of its own, those of all the radios.

    On the public Space the input is hidden and empty, and the visible radios fill it.
    """
    if "size" not in roles:
        return ()
    own = inputs[roles.index("size")]
    radios = [own] if own["props"].get("choices") else components
    sizes: Dict[str, None] = {}
    for component in radios:
        if component["type"] in _CHOOSERS:
            for choice in component["props"].get("choices") or ():
                # A choice is a pair of label and value; in older apps the value alone.
                sizes[str(choice if isinstance(choice, str) else choice[1])] = None
    return tuple(sizes)


def _short(model: str) -> str:
    return _FAMILY.sub("", model.strip().lower())
