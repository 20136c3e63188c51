"""What is known of a Space, for the user to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, List, Optional, Tuple

if TYPE_CHECKING:
    from ..protocol.inputs import Input
    from ..protocol.plan import ChatPlan
    from ..transport.address import Address


class Space:
    """A Space's address and, read from the Space at the first look, what runs there."""

    def __init__(
        self,
        address: Address,
        look: Callable[[], ChatPlan],
        queue_size: Callable[[], Optional[int]],
    ) -> None:
        self._address = address
        self._look = look
        self._queue_size = queue_size

    @property
    def url(self) -> str:
        """The root of the app."""
        return self._address.url

    @property
    def id(self) -> Optional[str]:
        """The id on Hugging Face; `None` for a Space that was given by its URL."""
        return self._address.id

    @property
    def version(self) -> str:
        """The version of its Gradio."""
        return self._look().version

    @property
    def protocol(self) -> str:
        """How its queue speaks, such as `sse_v3`."""
        return self._look().protocol

    @property
    def endpoint(self) -> str:
        """The API name of the function that answers; empty when it has none."""
        return self._look().endpoint

    def size(self, model: str) -> Optional[str]:
        """The Space's own name for a model; `None` when it offers no choice.

        Raises:
            UnknownModelError: The Space does not offer this model.
        """
        return self._look().size(model)

    @property
    def plan(self) -> ChatPlan:
        """How it is asked: which functions are called, and what goes into each of their inputs."""
        return self._look()

    @property
    def inputs(self) -> Tuple[Input, ...]:
        """What `inputs` can set, by label."""
        from ..protocol.inputs import Input  # not at the top: importing this package stays fast

        return tuple(map(Input.of, self._look().options))

    def describe(self) -> List[str]:
        """The plan in words: a line for each step, for the history, and for each input."""
        return self._look().describe()

    def queue_size(self) -> Optional[int]:
        """Ask how many requests wait in its queue; `None` when it does not tell."""
        return self._queue_size()

    def __repr__(self) -> str:
        return f"Space(url={self.url!r}, id={self.id!r})"
