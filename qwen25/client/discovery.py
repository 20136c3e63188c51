"""The app behind an address: its lines, and its wiring once it has been found."""

from __future__ import annotations

import logging
from typing import Any, Callable, Optional

from ..errors import QwenError, SpaceNotFoundError, SpaceUnavailableError
from ..events import Note
from ..protocol.endpoint import Wiring
from ..timeouts import Deadline
from ..transport.address import Address
from ..transport.connection import Line, Transport

_log = logging.getLogger("qwen25")

#: The stages, as Hugging Face names them, that a Space leaves by itself for running.
_WAKING = ("SLEEPING", "BUILDING", "APP_STARTING", "RUNNING_BUILDING", "RUNNING_APP_STARTING")
#: Seconds between two looks at a Space that is waking.
_LOOK_EVERY = 5.0


class App:
    """One app, looked for at the first request."""

    def __init__(self, address: Address, transport: Transport) -> None:
        self.address = address
        self.transport = transport
        self._wiring: Optional[Wiring] = None

    def wiring(
        self,
        line: Line,
        deadline: Deadline,
        notify: Callable[[Note], None],
        wait: Callable[[float], None],
    ) -> Wiring:
        """How to call the app: read once, after logging in, and waited for while it wakes up."""
        wiring = self._wiring  # another thread may forget it meanwhile
        if wiring is None:
            if self.transport.auth is not None and not self.transport.logged_in:
                line.log_in(deadline)
            self._wiring = wiring = Wiring.of(self._config(line, deadline, notify, wait))
            _log.debug("found %s", wiring)
        return wiring

    def forget(self) -> None:
        """The app answers as if it had been changed: log in and look at it anew."""
        self._wiring = None
        self.transport.logged_in = False

    def _config(
        self,
        line: Line,
        deadline: Deadline,
        notify: Callable[[Note], None],
        wait: Callable[[float], None],
    ) -> Any:
        clock = deadline.clock
        wake = deadline.timeout.wake
        asleep_since: Optional[float] = None
        while True:
            try:
                return line.config(deadline)
            except (SpaceNotFoundError, SpaceUnavailableError) as error:
                stage = self._stage(line, deadline)
                if stage is None:
                    raise
                if stage == "RUNNING" and isinstance(error, SpaceNotFoundError):
                    raise  # it is up, and no Gradio app
                if stage not in _WAKING:
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

    def _stage(self, line: Line, deadline: Deadline) -> Optional[str]:
        """What Hugging Face says of the Space; `None` when nobody says anything."""
        if self.address.id is None:
            return None  # there is nobody to ask about an app that is given by its URL
        try:
            return line.stage(deadline)
        except SpaceNotFoundError:
            raise
        except QwenError as error:
            _log.debug("Hugging Face does not say how the Space is: %s", error)
            return None


_ADVICE = {
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
