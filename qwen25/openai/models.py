"""Which model a name means at this door, and which names it offers."""

from __future__ import annotations

from typing import List, Mapping

from ..client.client import Client
from ..errors import InvalidRequestError

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
        """All that a request may name, the Space's own first."""
        return [*(client.models or [ONLY]), *self._names]

    def asked(self, name: str) -> str:
        """The model that is asked for, by a name that the client takes."""
        return self._aliases.get(name.strip().lower(), name)

    def answering(self, client: Client, name: str) -> str:
        """The model that answers, by the Space's own name.

        Raises:
            UnknownModelError: The Space has none of this name.
        """
        return client.space.size(self.asked(name)) or ONLY
