"""Several Spaces in order of preference: which one is asked next, and which rests for a while."""

from __future__ import annotations

import math
from collections import deque
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Deque,
    Dict,
    List,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
    Union,
)

from ..errors import (
    ConnectionFailedError,
    InvalidRequestError,
    NoSpaceAnsweredError,
    QueueFullError,
    QwenError,
    RateLimitError,
    SpaceError,
    SpaceUnavailableError,
    TimedOutError,
    UnknownModelError,
)
from ..transport.address import Address, default_spaces
from . import arguments

if TYPE_CHECKING:
    from .discovery import App
    from .space import Space

_T = TypeVar("_T")

#: Seconds that a Space rests after its first failure; doubled at each further one, up to the cap.
REST = 30.0
LONGEST_REST = 600.0

#: The stages, as Hugging Face names them, that a Space leaves by itself for running.
WAKING = ("SLEEPING", "BUILDING", "APP_STARTING", "RUNNING_BUILDING", "RUNNING_APP_STARTING")


class SpaceOptions:
    """One of several Spaces, with a token or a login of its own.

    Args:
        space: A Space's id, or the URL of a Gradio app.
        token: A Hugging Face token for this Space alone. Default `$HF_TOKEN`, as for a `Client`;
            `False` is none.
        auth: Name and password for the app's login.

    Raises:
        InvalidRequestError: An argument is invalid.
    """

    __slots__ = ("auth", "space", "token")

    def __init__(
        self,
        space: str,
        *,
        token: Union[None, str, bool] = None,
        auth: Optional[Tuple[str, str]] = None,
    ) -> None:
        Address.of(space)
        self.token = arguments.token(token)
        self.auth = arguments.login(auth)
        self.space = space.strip()

    def __repr__(self) -> str:
        return f"SpaceOptions({self.space!r})"  # without the secrets


class _Health:
    """How a Space did lately; replaced as a whole, so that all threads see it whole."""

    def __init__(
        self,
        failures: int = 0,
        rests_until: float = -math.inf,
        reason: str = "",
        answered: bool = False,
    ) -> None:
        self.failures = failures
        self.rests_until = rests_until
        self.reason = reason
        self.answered = answered


class Target:
    """One Space that may be asked, and how it did lately; safe among threads."""

    def __init__(self, address: Address, make_app: Callable[[], App]) -> None:
        self.address = address
        self._make_app = make_app
        self._health = _Health()

    @property
    def name(self) -> str:
        """The id, or the URL of a Space that has none."""
        return self.address.id or self.address.url

    @property
    def app(self) -> App:
        """The connections to the Space, made when they are first needed."""
        app = vars(self).get("_app")
        if app is None:
            # Of threads that come here at once, all take the same one.
            app = vars(self).setdefault("_app", self._make_app())
        return app  # type: ignore[no-any-return]

    def failed(self, error: QwenError, now: float) -> None:
        """Leave the Space alone for a while."""
        if isinstance(error, UnknownModelError):
            return  # it is well, and only lacks this model
        # Failures of several threads at once are one failure of the Space.
        failures = self._health.failures + (self._health.rests_until <= now)
        rest = min(LONGEST_REST, REST * 2.0 ** min(failures - 1, 10))
        if error.retry_after is not None:
            rest = error.retry_after
        self._health = _Health(failures, now + rest, str(error.args[0]))

    def succeeded(self) -> None:
        """The Space has begun to answer."""
        if self._health.failures or not self._health.answered:
            self._health = _Health(answered=True)

    def rest(self, now: float) -> float:
        """Seconds for which the Space is still left alone; 0 when it is not."""
        return max(0.0, self._health.rests_until - now)

    def state(self, now: float) -> str:
        """How the Space did lately, in words."""
        health = self._health
        if health.rests_until > now:
            return f"left alone for {health.rests_until - now:.0f} s: {health.reason}"
        if health.failures:
            return f"failed before: {health.reason}"
        return "answers" if health.answered else "not asked yet"

    def close(self) -> None:
        """Close the connections."""
        app = vars(self).get("_app")
        if app is not None:
            app.close()


def may_move(error: QwenError) -> bool:
    """Whether another Space may do better.

    That is so when this one is not there, not up, no chat app, without the model, busy, or silent.
    It is not for an invalid request, a refused login, or an app that failed at the answer.
    """
    if isinstance(error, TimedOutError):
        return not _is_total(error)
    kinds = (SpaceError, UnknownModelError, ConnectionFailedError, QueueFullError, RateLimitError)
    return isinstance(error, kinds)


def first_that_tells(spaces: Sequence[Space], look: Callable[[Space], _T]) -> _T:
    """What the first of some Spaces tells that can; when none can, the error of the last.

    One that sleeps is waited for only when no other tells.
    """
    left = deque((space, len(spaces) == 1) for space in spaces)
    while True:
        space, waits = left.popleft()
        try:
            return look(space if waits else space.without_waiting())
        except QwenError as error:
            if is_waking(error) and not waits:
                left.append((space, True))
            if not left or not may_move(error):
                raise


class Failover:
    """The Spaces of one call, in the order in which they are asked.

    Spaces that rest come last. A first round asks each one once, without waiting for any to wake
    up; further rounds ask those again that may still answer.

    Args:
        targets: The Spaces in order of preference.
        now: The time, by which some of them rest.
        first: The one to begin with, whatever the preference; default none.
        others: How many further Spaces the caller has, which it asks by itself.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        now: float,
        first: Optional[Target] = None,
        others: int = 0,
    ) -> None:
        order = sorted(targets, key=lambda target: (target is not first, target.rest(now) > 0))
        self._left: Deque[Target] = deque(order)
        self._count = len(order)
        self._others = others
        self._errors: Dict[Target, QwenError] = {}
        self._not_before: Dict[Target, float] = {}  # the wishes of those that failed
        #: The Space that is asked now.
        self.target = self._left.popleft()
        #: Whether a Space that sleeps is waited for: not while another one may be up.
        self.waits = not self._left and not others

    @property
    def several(self) -> bool:
        """Whether there is more than one."""
        return self._count > 1

    @property
    def shares(self) -> bool:
        """Whether a Space has a share of the time only, until its answer begins."""
        return self.several or self._others > 0

    @property
    def share(self) -> int:
        """How many Spaces, with this one, have to share the time that is left."""
        return 1 + len(self._left) + self._others

    def move(self, error: QwenError, now: float) -> bool:
        """Go on with the next Space of this round; false when there is none, or none may help."""
        if not self.several or not may_move(error):
            return False
        # Its frames would keep the connection, for as long as the error is kept.
        self._errors[self.target] = error.with_traceback(None)
        self._not_before[self.target] = now + (error.retry_after or 0.0)
        self.target.failed(error, now)
        if not self._left:
            return False
        self.target = self._left.popleft()
        return True

    def start_round(self, now: float) -> Optional[QwenError]:
        """Begin a further round, with those that may still answer.

        One that wants to be left alone for longer than another is not in this round.

        Returns the reason for which the first of them has not answered; `None` when there is none.
        """
        again = [target for target, error in self._errors.items() if _may_yet_answer(error)]
        if not self.several or not again:
            return None
        soonest = max(now, min(self._not_before[target] for target in again))
        self._left.extend(target for target in again if self._not_before[target] <= soonest)
        self.target = self._left.popleft()
        self.waits = True
        return self._errors[self.target]

    def names_all(self, error: QwenError) -> bool:
        """Whether the call ends with an error that names all Spaces, and not with this one."""
        over = bool(self._errors) and _is_total(error) and not error.partial
        return self.several and (over or error in self._errors.values())

    def error(self, last: QwenError) -> NoSpaceAnsweredError:
        """The error that names the reason of each Space."""
        if not any(error is last for error in self._errors.values()):
            self._errors[self.target] = last.with_traceback(None)
        reasons = [(target.name, error) for target, error in self._errors.items()]
        return none_answered(reasons, last)


def _is_total(error: QwenError) -> bool:
    return isinstance(error, TimedOutError) and error.phase == "total"


def _may_yet_answer(error: QwenError) -> bool:
    from .retrying import may_try_again  # importing this package stays fast

    return may_try_again(error) or is_waking(error)


def is_waking(error: QwenError) -> bool:
    """Whether the Space is on its way up."""
    return isinstance(error, SpaceUnavailableError) and error.stage in WAKING


def none_answered(reasons: List[Tuple[str, QwenError]], last: QwenError) -> NoSpaceAnsweredError:
    """The error that lists each Space with its reason."""
    said = "; ".join(f"{name}: {str(error.args[0]).rstrip('.')}" for name, error in reasons)
    waits = [error.retry_after for _, error in reasons if error.retry_after is not None]
    error = NoSpaceAnsweredError(
        f"None of the {len(reasons)} Spaces answered. {said}.",
        errors=tuple(error for _, error in reasons),
        hint="Try again later, or name another Space.",
        retry_after=min(waits) if waits else None,
    )
    error.partial = last.partial
    return error


def read_spaces(
    space: Any,
    token: Union[None, str, bool] = None,
    auth: Optional[Tuple[str, str]] = None,
) -> List[SpaceOptions]:
    """Read what a user may give as `space=`: one Space, several, or `None`.

    `None` is `$QWEN25_SPACE`, with commas between several, else the public Space. A token and a
    login belong to one Space: with several, each has its own.

    Raises:
        InvalidRequestError: It is none of these, the list is empty, or a Space is in it twice.
    """
    if space is None:
        space = default_spaces()
    named = list(space) if isinstance(space, (list, tuple)) else [space]
    own = len(named) > 1 or any(isinstance(each, SpaceOptions) for each in named)
    if own and (isinstance(token, str) or auth is not None):
        raise InvalidRequestError(
            "A token or a login is for one Space, and here each Space has its own.",
            hint="Give each its own: SpaceOptions(space, token=..., auth=...).",
        )
    spaces = [
        each if isinstance(each, SpaceOptions) else SpaceOptions(each, token=token, auth=auth)
        for each in named
    ]
    if not spaces:
        raise InvalidRequestError("The list of Spaces is empty.", hint="Name one Space at least.")
    addresses = [Address.of(each.space) for each in spaces]
    if len(set(addresses)) < len(addresses):
        raise InvalidRequestError("A Space is in the list twice.", hint="Name each Space once.")
    return spaces
