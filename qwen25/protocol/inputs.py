"""An app's inputs that a caller may set by label, and the check of what is set; pure."""

from __future__ import annotations

import math
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..errors import InvalidRequestError
from .config import Component

_NUMBERS = ("slider", "number")
_TRUTHS = {"true": True, "false": False}


class Input(NamedTuple):
    """An input of an app, such as a slider for the temperature."""

    #: What the page writes beside it, and by what it is set.
    label: str
    #: Gradio's name for its kind, such as `slider`, `textbox` or `dropdown`.
    type: str
    #: The value that it has when it is not set.
    default: Any
    #: The least number; `None` for no limit, or another kind of input.
    minimum: Optional[float] = None
    #: The largest number; `None` for no limit, or another kind of input.
    maximum: Optional[float] = None
    #: What can be chosen; empty for an input that takes other values too.
    choices: Tuple[Any, ...] = ()

    @classmethod
    def of(cls, component: Component) -> Input:
        """Read what the config says of it."""
        free = component.props.get("allow_custom_value") is True
        return cls(
            component.label,
            component.type,
            component.value,
            _bound(component, "minimum"),
            _bound(component, "maximum"),
            () if free else component.choices,
        )

    def check(self, value: Any) -> Any:
        """The value as the app takes it; a text is read as the kind of input wants it.

        Raises:
            InvalidRequestError: It is of another type, out of range, or none of the choices.
        """
        if self.type in _NUMBERS:
            return self._number(value)
        if self.type == "checkbox":
            truth = _TRUTHS.get(value.lower()) if isinstance(value, str) else value
            if not isinstance(truth, bool):
                raise self._refuse(value, "it takes true or false")
            return truth
        if self.type == "checkboxgroup" or (self.choices and isinstance(self.default, list)):
            values = value.split(",") if isinstance(value, str) else value
            if not isinstance(values, (list, tuple)):
                raise self._refuse(value, "it takes a list")
            return [self._choice(one) for one in values]
        if self.choices:
            return self._choice(value)
        if not isinstance(value, str):
            raise self._refuse(value, "it takes a text")
        return value

    def _number(self, value: Any) -> Any:
        number = value
        if isinstance(value, str):
            try:
                number = int(value)
            except ValueError:
                try:
                    number = float(value)
                except ValueError:
                    pass
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise self._refuse(value, "it takes a number")
        if not math.isfinite(number):
            raise self._refuse(value, "it takes a finite number")
        if self.minimum is not None and number < self.minimum:
            raise self._refuse(value, f"the least is {self.minimum}")
        if self.maximum is not None and number > self.maximum:
            raise self._refuse(value, f"the most is {self.maximum}")
        return number

    def _choice(self, value: Any) -> Any:
        for choice in self.choices:
            if choice == value or (isinstance(value, str) and str(choice) == value.strip()):
                return choice
        raise self._refuse(value, f"it takes one of {', '.join(map(repr, self.choices))}")

    def _refuse(self, value: Any, reason: str) -> InvalidRequestError:
        shown = repr(value)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        return InvalidRequestError(f"The input {self.label!r} cannot be {shown}: {reason}.")


def check_inputs(options: Sequence[Component], values: Mapping[str, Any]) -> Dict[int, Any]:
    """What the caller sets, by the component's id.

    Raises:
        InvalidRequestError: There is no such label, or the value does not fit.
    """
    by_label = {option.label.lower(): option for option in reversed(options)}
    found: Dict[int, Any] = {}
    for label, value in values.items():
        option = by_label.get(label.strip().lower())
        if option is None:
            labels = ", ".join(repr(option.label) for option in options)
            raise InvalidRequestError(
                f"The Space has no input {label!r}.",
                hint=f"It has: {labels}." if labels else "It has none that can be set.",
            )
        found[option.id] = Input.of(option).check(value)
    return found


def _bound(component: Component, name: str) -> Optional[float]:
    value = component.props.get(name)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if number and component.type in _NUMBERS else None
