"""Discovery of the app behind an address: its connections, and how it is asked; found once."""

from __future__ import annotations

import logging
from typing import Any, Callable, Optional, Tuple

from ..errors import QwenError, SpaceNotFoundError, SpaceUnavailableError
from ..events import Note
from ..protocol.config import Config
from ..protocol.endpoint import find_plan
from ..protocol.plan import ChatPlan
from ..timeouts import Deadline
from ..transport.address import Address
from ..transport.connection import SessionPool
from ..transport.exceptions import from_signal_handler
from .space_api import SpaceApi
from .spaces import WAKING

_log = logging.getLogger("qwen25")

#: Seconds between two looks at a Space that is waking.
_LOOK_EVERY = 5.0


class App:
    """One app, looked for at the first request.

    Args:
        auth: Name and password of a login.
        endpoint: The API name of the function to ask; default the first that chats.
        options: Those of a `SessionPool`.
    """

    def __init__(
        self,
        address: Address,
        *,
        auth: Optional[Tuple[str, str]],
        endpoint: Optional[str] = None,
        **options: Any,
    ) -> None:
        self.address = address
        self.auth = auth
        self._pool = SessionPool(address, **options)
        self._logged_in = False
        self.endpoint = endpoint
        self._plan: Optional[ChatPlan] = None

    def connect(self) -> SpaceApi:
        """What asks the Space for one answer; it has to be released."""
        return SpaceApi(self._pool)

    def close(self) -> None:
        """Close the connections; those in use close when they are released."""
        self._pool.close()

    def plan(
        self,
        api: SpaceApi,
        deadline: Deadline,
        notify: Callable[[Note], None],
        wait: Optional[Callable[[float], None]],
    ) -> ChatPlan:
        """How to call the app: read once, after logging in.

        Args:
            wait: Sleeps while the app wakes up; `None` does not wait for that.
        """
        plan = self._plan  # another thread may forget it meanwhile
        if plan is None:
            config = self.config(api, deadline, notify, wait)
            self._plan = plan = find_plan(config, self.endpoint)
            _log.debug("the function that answers is %r", plan.endpoint)
        return plan

    def config(
        self,
        api: SpaceApi,
        deadline: Deadline,
        notify: Callable[[Note], None],
        wait: Optional[Callable[[float], None]],
    ) -> Config:
        """What the app says of itself, read now; the arguments are those of `plan`."""
        if self.auth is not None and not self._logged_in:
            api.log_in(self.auth, deadline)
            self._logged_in = True
        return Config.of(self._config(api, deadline, notify, wait))

    def reread(self) -> None:
        """Let the next call look at the app once more."""
        self._plan = None

    def forget(self) -> None:
        """The app answers as if it had been changed: log in and look at it once more."""
        self.reread()
        self._logged_in = False

    def _config(
        self,
        api: SpaceApi,
        deadline: Deadline,
        notify: Callable[[Note], None],
        wait: Optional[Callable[[float], None]],
    ) -> Any:
        clock = deadline.clock
        wake = deadline.timeout.wake
        asleep_since: Optional[float] = None
        while True:
            try:
                return api.config(deadline)
            except (SpaceNotFoundError, SpaceUnavailableError) as error:
                stage = self._stage(api, deadline)
                if stage is None:
                    raise
                if stage == "RUNNING" and isinstance(error, SpaceNotFoundError):
                    raise  # it is up, and no Gradio app
                if stage not in WAKING or wait is None:
                    raise _unavailable(self.address, stage, error) from error
                if asleep_since is None:
                    asleep_since = clock.now()
                    notify(Note("info", f"The Space is {stage}; waiting for it to start."))
                pause = min(_LOOK_EVERY, max(deadline.left(), 0.0))
                if wake is not None:
                    pause = min(pause, asleep_since + wake - clock.now())
                if pause <= 0:
                    asleep = _unavailable(self.address, stage, error)
                    raise deadline.timeout_error("wake") from asleep
            wait(pause)

    def _stage(self, api: SpaceApi, deadline: Deadline) -> Optional[str]:
        """What Hugging Face says of the Space; `None` when it says nothing."""
        if self.address.id is None:
            return None  # Hugging Face cannot be asked about an app that is given by its URL
        try:
            return api.stage(deadline)
        except SpaceNotFoundError:
            raise
        except QwenError as error:
            if from_signal_handler(error):
                raise
            _log.debug("Hugging Face does not say how the Space is: %s", error)
            return None


_ADVICE = {
    "SLEEPING": "It wakes up now: try again in a minute.",
    "PAUSED": "Its owner has paused it: ask another copy of it, or one of your own.",
    "STOPPED": "Its owner has stopped it: ask another copy of it, or one of your own.",
    "RUNNING": "Hugging Face says that it runs: try again in a moment.",
}


def _unavailable(address: Address, stage: str, error: QwenError) -> SpaceUnavailableError:
    return SpaceUnavailableError(
        f"The Space {address.id} does not answer; Hugging Face gives its stage as {stage}.",
        stage=stage,
        space=address.id,
        url=address.url,
        status=error.status,
        retry_after=error.retry_after,
        hint=_ADVICE.get(
            stage, "Open it in a browser to see why, or ask a copy of it of your own."
        ),
    )
