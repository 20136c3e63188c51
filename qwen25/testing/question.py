"""What a `FakeSpace` is asked, and what it is told to answer."""

from __future__ import annotations

from typing import Any, Callable, Iterable, List, Mapping, NamedTuple, Optional, Union

from .layouts import Turn
from .server import Headers
from .steps import STEPS, Fail, Fault, Step


class Question(NamedTuple):
    """What a client has asked, as the model behind the app gets it."""

    prompt: str
    #: The earlier turns, `{"role": ..., "content": ...}` whatever the layout; those of the session
    #: where the app keeps them there.
    history: List[Turn]
    #: Empty on a Space that takes no system prompt.
    system: str
    #: `None` on a Space that takes no size.
    size: Optional[str]
    #: Of the request to `/queue/join`.
    headers: Headers
    session_hash: str
    event_id: str
    #: The app's other inputs by label, such as `{"Temperature": 0.7}`.
    inputs: Mapping[str, Any] = {}


#: What a script can be given as: a piece, a step, several, or a function of the question.
Script = Union[Step, Iterable[Step], Callable[[Question], Union[Step, Iterable[Step]]]]
#: What can be planned for a kind of request: the same for all of them, or one each.
Plan = Union[None, Fault, Iterable[Optional[Fault]]]


def steps_of(script: Script, question: Optional[Question]) -> Iterable[Step]:
    """The steps of a script; it fails where the app could not read its inputs."""
    if question is None:
        return (Fail(),)
    if not isinstance(script, STEPS) and callable(script):
        script = script(question)
    return (script,) if isinstance(script, STEPS) else script
