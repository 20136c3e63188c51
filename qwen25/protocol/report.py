"""What a configuration says, in words for a bug report; pure.

It has the types, the labels and the wiring of a page, and no value of a component: those may be
a user's text.
"""

from __future__ import annotations

from typing import List, Optional, Sequence

from ..errors import QwenError
from .config import Component, Config, Function
from .endpoint import find_plan

_MOST_LINES = 500


def report_lines(config: Config, endpoint: Optional[str] = None) -> List[str]:
    """The app's Gradio, how it would be asked or why it cannot be, and each of its functions."""
    lines = [f"Gradio    {config.version}, protocol {config.protocol}, prefix {config.prefix!r}"]
    try:
        lines += find_plan(config, endpoint).describe()
    except QwenError as error:
        lines.append(f"Refused   {error}")
    functions = [f"Function  {_in_words(function)}" for function in config.functions]
    if len(functions) > _MOST_LINES:
        functions[_MOST_LINES:] = [f"          and {len(functions) - _MOST_LINES} more"]
    return lines + functions


def _in_words(function: Function) -> str:
    name = f" /{function.name}" if function.name else ""
    if function.after is not None:
        start = f"after {function.after}"
    else:
        start = ", ".join(f"{event} of {target}" for target, event in function.targets) or "nothing"
    kinds = [
        word
        for word, holds in (("streams", function.streams), ("in the browser", not function.remote))
        if holds
    ]
    wiring = f"{_named(function.inputs)} -> {_named(function.outputs)}"
    return "; ".join([f"{function.id}{name}, {start}: {wiring}", *kinds])


def _named(components: Sequence[Component]) -> str:
    names = [
        f"{one.type} {one.id}" + (f" {one.label!r}" if one.label else "") for one in components
    ]
    return ", ".join(names) or "nothing"
