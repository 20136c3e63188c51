"""Which model a name means at this door, and which names it offers."""

from __future__ import annotations

from typing import Callable, List, Mapping, Optional, TypeVar

from ..client.client import Client
from ..client.space import Space
from ..errors import InvalidRequestError, QwenError

T = TypeVar("T")

#: What a Space without a choice of sizes is offered as; every Space takes this name.
ONLY = "qwen-2.5"


class Models:
    """The sizes of a Space, and other names for them.

    Args:
        aliases: Other names, such as `{"gpt-4o-mini": "72B"}`.

    Raises:
        InvalidRequestError: An alias is not a name.
    """

    def __init__(self, aliases: Mapping[str, str] = {}) -> None:
        for pair in aliases.items():
            if not all(isinstance(name, str) and name.strip() for name in pair):
                raise InvalidRequestError(f"{pair!r} is not an alias and the model it means.")
        self._aliases = {alias.lower(): model for alias, model in aliases.items()}
        self._names = list(aliases)

    def names(self, client: Client) -> List[str]:
        """All that a request may name: what the Spaces offer, in their order, and the aliases.

        Raises:
            QwenError: No Space says what it offers; the error of the first.
        """
        offered = _of_those_that_can(client, lambda space: list(space.plan.sizes) or [ONLY])
        return [*dict.fromkeys(name for names in offered for name in names), *self._names]

    def asked(self, name: str) -> str:
        """The model that is asked for, by a name that the client takes."""
        return self._aliases.get(name.strip().lower(), name)

    def answering(self, space: Space, name: str) -> str:
        """The model that answers at a Space, by the Space's own name.

        Raises:
            UnknownModelError: The Space has none of this name.
        """
        return space.size(self.asked(name)) or ONLY

    def find(self, client: Client, name: str) -> str:
        """The model that a name means; raises what the first Space raises when none has it."""
        return _of_those_that_can(client, lambda space: self.answering(space, name))[0]


def _of_those_that_can(client: Client, look: Callable[[Space], T]) -> List[T]:
    """What is found at each Space; a Space that fails is left out while another does not."""
    found: List[T] = []
    first: Optional[QwenError] = None
    for space in client.spaces:
        try:
            found.append(look(space))
        except QwenError as error:
            first = first or error
    if first is not None and not found:
        raise first
    return found
