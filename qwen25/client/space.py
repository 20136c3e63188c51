"""What is known of a Space, for the user to look at."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Callable, List, Optional, Tuple, TypeVar

from ..imports import late_imports

if TYPE_CHECKING:
    from ..protocol.inputs import Input
    from ..protocol.plan import ChatPlan
    from ..protocol.quota import Quota
    from ..timeouts import Deadline
    from .discovery import App
    from .space_api import SpaceApi
    from .spaces import Target

_T = TypeVar("_T")


class Space:
    """A Space's address and, read from the Space at the first look, what runs there."""

    def __init__(
        self,
        target: Target,
        check_open: Callable[[], None],
        new_deadline: Callable[[], Deadline],
        waits: bool = True,
    ) -> None:
        self._target = target
        self._check_open = check_open
        self._new_deadline = new_deadline
        self._waits = waits

    @property
    def url(self) -> str:
        """The root of the app."""
        return self._target.address.url

    @property
    def id(self) -> Optional[str]:
        """The id on Hugging Face; `None` for a Space that was given by its URL."""
        return self._target.address.id

    @property
    def name(self) -> str:
        """The id, or the URL of a Space that has none."""
        return self._target.name

    @property
    def state(self) -> str:
        """How the Space did lately, in words, such as `answers`; nothing is asked for it."""
        return self._target.state(self._new_deadline().clock.now())

    @property
    def version(self) -> str:
        """The version of its Gradio."""
        return self.plan.version

    @property
    def protocol(self) -> str:
        """How its queue speaks, such as `sse_v3`."""
        return self.plan.protocol

    @property
    def endpoint(self) -> str:
        """The API name of the function that answers; empty when it has none."""
        return self.plan.endpoint

    @property
    def plan(self) -> ChatPlan:
        """How it is asked: which functions are called, and what goes into each of their inputs."""
        return self._look(lambda plan, api, deadline: plan)

    @property
    def inputs(self) -> Tuple[Input, ...]:
        """What `inputs` can set, by label."""
        from ..protocol.inputs import Input  # not at the top: importing this package stays fast

        return tuple(map(Input.of, self.plan.options))

    def size(self, model: str) -> Optional[str]:
        """The Space's own name for a model; `None` when it offers no choice.

        Raises:
            UnknownModelError: The Space does not offer this model.
        """
        return self.plan.size(model)

    def describe(self) -> List[str]:
        """The plan in words: a line for each step, for the history, and for each input."""
        return self.plan.describe()

    def report(self) -> List[str]:
        """What a bug report needs to know of the app, in lines: its functions, and no secret."""
        with late_imports():
            from ..protocol.report import report_lines

        def read(app: App, api: SpaceApi, deadline: Deadline) -> List[str]:
            config = app.config(api, deadline, lambda note: None, self._wait(deadline))
            return report_lines(config, app.endpoint)

        return self._ask(read)

    def queue_size(self) -> Optional[int]:
        """Ask how many requests wait in its queue; `None` when it does not tell."""
        return self._look(lambda plan, api, deadline: api.queue_size(plan.prefix, deadline))

    def quota(self) -> Optional[Quota]:
        """Ask Hugging Face for the ZeroGPU quota of `$HF_TOKEN`; `None` when it does not tell.

        Nothing is asked without that token, nor for a Space that is given by its URL.
        """
        if self.id is None or not os.environ.get("HF_TOKEN"):
            return None
        return self._ask(lambda app, api, deadline: api.quota(deadline))

    def without_waiting(self) -> Space:
        """The same Space; a look at it while it sleeps is an error at once."""
        return Space(self._target, self._check_open, self._new_deadline, waits=False)

    def _wait(self, deadline: Deadline) -> Optional[Callable[[float], None]]:
        return deadline.clock.sleep if self._waits else None

    def _look(self, see: Callable[[ChatPlan, SpaceApi, Deadline], _T]) -> _T:
        def with_plan(app: App, api: SpaceApi, deadline: Deadline) -> _T:
            plan = app.plan(api, deadline, lambda note: None, self._wait(deadline))
            return see(plan, api, deadline)

        return self._ask(with_plan)

    def _ask(self, ask: Callable[[App, SpaceApi, Deadline], _T]) -> _T:
        self._check_open()
        app = self._target.app
        api = app.connect()
        try:
            return ask(app, api, self._new_deadline())
        finally:
            api.release()

    def __repr__(self) -> str:
        return f"Space(url={self.url!r}, id={self.id!r})"
