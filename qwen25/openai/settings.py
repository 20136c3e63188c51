"""A request's settings of the model, as values for the inputs that a Space has; pure."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..protocol.inputs import Input

# How the label of an input begins, in lower case and without all that is no letter or digit.
_LABELS: Mapping[str, Tuple[str, ...]] = {
    "temperature": ("temperature",),
    "top_p": ("topp",),
    "top_k": ("topk",),
    "min_p": ("minp",),
    "frequency_penalty": ("frequencypenalty",),
    "presence_penalty": ("presencepenalty",),
    "repetition_penalty": ("repetitionpenalty", "repeatpenalty"),
    "seed": ("seed",),
    "max_tokens": (
        "maxnewtokens",
        "maxtokens",
        "maxoutputtokens",
        "maximumnewtokens",
        "maximumtokens",
    ),
}
_OTHERS = re.compile(r"[\W_]+")


class Settings(NamedTuple):
    """What becomes of the settings of a request."""

    #: Values for the Space's inputs, by label.
    inputs: Dict[str, Any]
    #: The settings that have reached an input as they are.
    kept: List[str]
    #: What is to be told of the others.
    notes: List[str]


class Chooser:
    """Chooses values for the inputs of whichever Space is asked.

    Args:
        settings: Those of a request.
        max_tokens: The longest answer that it wants; `None` is no limit.
    """

    def __init__(self, settings: Mapping[str, float], max_tokens: Optional[int]) -> None:
        self._wanted = dict(settings)
        if max_tokens is not None:
            self._wanted["max_tokens"] = max_tokens
        #: What became of them at the Space that was asked last.
        self.settings = Settings({}, [], [])

    def __call__(self, inputs: Sequence[Input]) -> Mapping[str, Any]:
        self.settings = fit(self._wanted, inputs)
        return self.settings.inputs


def fit(settings: Mapping[str, float], inputs: Sequence[Input]) -> Settings:
    """Find an input for each setting, and bring its value into the bounds of that."""
    found = Settings({}, [], [])
    for name, value in settings.items():
        place = next((each for each in inputs if _is_for(name, each)), None)
        if place is None:
            if name != "max_tokens":  # the answer is cut there
                found.notes.append(f"{name} has no effect here.")
            continue
        fitting = value
        if place.minimum is not None:
            fitting = max(fitting, place.minimum)
        if place.maximum is not None:
            fitting = min(fitting, place.maximum)
        found.inputs[place.label] = fitting
        if fitting == value:
            found.kept.append(name)
        else:
            found.notes.append(f"{name} is {fitting:g} here.")
    return found


def _is_for(name: str, place: Input) -> bool:
    label = _OTHERS.sub("", place.label.lower())
    return place.type in ("slider", "number") and label.startswith(_LABELS[name])
