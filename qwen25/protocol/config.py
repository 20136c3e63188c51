"""An app's `/config` as typed, checked values; pure.

A config of a wrong shape is a `ProtocolError` here and nowhere else. It says how to call an app,
and never where: the only part of an address in it, the prefix of the queue's paths, has to be a
plain path.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ..errors import ProtocolError
from .origins import check_prefix

#: Protocols whose values after the first come as diffs, and the one that repeats them whole.
_DIFFS = {"sse_v1": False, "sse_v2": True, "sse_v2.1": True, "sse_v3": True}
#: Components or functions in one app, at most; the largest known pages have some hundreds.
_MOST = 20_000


class Component(NamedTuple):
    """One component of the page."""

    id: int
    #: Gradio's name of its class in lower case, such as `textbox`.
    type: str
    props: Dict[str, Any]

    @property
    def label(self) -> str:
        """What the page writes beside it; empty when it has none."""
        label = self.props.get("label")
        # Gradio 6 puts a reference to its translations where an app gives no label.
        return label.strip() if isinstance(label, str) and "__i18n__" not in label else ""

    @property
    def value(self) -> Any:
        """Its value when the page is opened."""
        return self.props.get("value")

    @property
    def choices(self) -> Tuple[Any, ...]:
        """The values on offer; empty for a component that offers none."""
        choices = self.props.get("choices")
        if not isinstance(choices, list):
            return ()
        # A choice is a pair of label and value; in older apps the value alone.
        return tuple(
            choice[1] if isinstance(choice, list) and len(choice) == 2 else choice
            for choice in choices
        )

    def says(self, word: str) -> bool:
        """Whether its label or its CSS id has this word, which is in lower case."""
        return word in f"{self.label} {self.props.get('elem_id')}".lower()


class Function:
    """One function that the page calls."""

    def __init__(
        self,
        id: int,
        name: Optional[str],
        targets: Tuple[Tuple[int, str], ...],
        inputs: Tuple[Component, ...],
        outputs: Tuple[Component, ...],
        after: Optional[int],
        streams: bool,
        remote: bool,
    ) -> None:
        self.id = id
        #: Its name for other programs; `None` when it has none.
        self.name = name
        #: The events that start it: the component's id and the event's name.
        self.targets = targets
        self.inputs = inputs
        self.outputs = outputs
        #: The function whose end starts this one; `None` for one that an event starts.
        self.after = after
        #: Whether it writes its values bit by bit.
        self.streams = streams
        #: Whether it runs on the server; else in the browser alone.
        self.remote = remote


class Config:
    """What runs at an address."""

    def __init__(
        self,
        version: str,
        protocol: str,
        prefix: str,
        components: Tuple[Component, ...],
        functions: Tuple[Function, ...],
        instance: Optional[int] = None,
    ) -> None:
        #: The version of its Gradio.
        self.version = version
        #: How its queue speaks, such as `sse_v3`.
        self.protocol = protocol
        #: What the paths of its queue begin with: empty or a path such as `/gradio_api`.
        self.prefix = prefix
        self.components = components
        self.functions = functions
        #: A number that a new start of the app changes; `None` when the app tells none.
        self.instance = instance

    @property
    def major(self) -> int:
        """The first number of the version."""
        return int(self.version.split(".")[0])

    @property
    def diffs(self) -> bool:
        """Whether values after the first come as diffs."""
        return _DIFFS[self.protocol]

    @classmethod
    def of(cls, config: Any) -> Config:
        """Read the JSON of `/config`.

        Raises:
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
    def _of(cls, config: Dict[str, Any]) -> Config:
        version = str(config["version"])
        int(version.split(".")[0])
        parts, dependencies = config["components"], config["dependencies"]
        protocol = config.get("protocol", "ws")
        if protocol not in _DIFFS:
            raise ProtocolError(
                f"The Space runs Gradio {version}, whose protocol {protocol!r} this client"
                f" does not speak; it speaks {', '.join(_DIFFS)}.",
                hint="It takes Gradio 4.10 or later; if the Space's is newer, update qwen25.",
            )
        if max(len(parts), len(dependencies)) > _MOST:
            raise ValueError(f"more than {_MOST} components or functions")
        instance = config.get("app_id")
        components = {part["id"]: _component(part) for part in parts}
        functions = tuple(
            _function(position, dependency, components)
            for position, dependency in enumerate(dependencies)
        )
        if len({function.id for function in functions}) < len(functions):
            raise ValueError("two functions have one id")
        return cls(
            version=version,
            protocol=protocol,
            prefix=check_prefix(config.get("api_prefix")),
            components=tuple(components.values()),
            functions=functions,
            instance=instance if isinstance(instance, int) else None,
        )


def _component(part: Dict[str, Any]) -> Component:
    props = part.get("props") or {}
    return Component(_integer(part["id"]), _text(part["type"]), _dict(props))


def _function(
    position: int, dependency: Dict[str, Any], components: Dict[int, Component]
) -> Function:
    # Gradio 4.20 and before give no id: a function is its place in the list.
    number = dependency.get("id", position)
    name = dependency.get("api_name")
    after = dependency.get("trigger_after")
    targets: List[Tuple[int, str]] = []
    for target, event in dependency.get("targets") or ():
        if target is not None:  # a step that follows on another has no component
            targets.append((_integer(target), _text(event)))
    kinds = dependency.get("types") or {}
    return Function(
        id=_integer(number),
        name=name.lstrip("/") if isinstance(name, str) else None,
        targets=tuple(targets),
        inputs=tuple(components[one] for one in dependency.get("inputs") or ()),
        outputs=tuple(components[one] for one in dependency.get("outputs") or ()),
        after=None if after is None else _integer(after),
        streams=kinds.get("generator") is True,
        remote=dependency.get("backend_fn") is not False,
    )


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{str(value)[:80]!r} is no integer")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:80]!r} is no string")
    return value


def _dict(value: Any) -> Dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{str(value)[:80]!r} is no object")
    return value
