"""Which of several Spaces gets the next prompt of a map."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Collection, List, Optional

from .limiter import AdaptiveLimiter
from .worker import Worker

if TYPE_CHECKING:
    from .client import Client


class MapTarget:
    """What answers prompts: a worker that asks a Space, and the limiter of that Space."""

    def __init__(self, client: Client, index: int, limit: int) -> None:
        self.space = client._targets[index]
        self.worker = Worker(client, index)
        self.limiter = AdaptiveLimiter(limit)

    @property
    def load(self) -> float:
        """The share of its places that are taken."""
        return self.limiter.in_flight / self.limiter.limit


class Balancer:
    """Chooses the least busy Space among those that may answer a prompt.

    Each Space has a limiter of its own, and may take all workers as long as it refuses no prompt.
    A Space that failed rests, unless all that may answer do. In the methods, `failed` are the
    Spaces that have failed at the prompt in question.
    """

    def __init__(self, client: Client, workers: int) -> None:
        self.targets = [MapTarget(client, index, workers) for index in range(len(client._targets))]

    @property
    def several(self) -> bool:
        """Whether there is more than one Space."""
        return len(self.targets) > 1

    def has_room(self, now: float) -> bool:
        """Whether any Space has room, for whatever prompt."""
        return any(target.limiter.has_room(now) for target in self.targets)

    def opens(self, failed: Collection[MapTarget], now: float) -> float:
        """When a Space with a free place may be asked; infinite if none has one."""
        free = (
            target.limiter.blocked_until
            for target in self._candidates(failed, now)
            if target.limiter.in_flight < target.limiter.limit
        )
        return min(free, default=math.inf)

    def free_target(self, failed: Collection[MapTarget], now: float) -> Optional[MapTarget]:
        """The least busy Space that may be asked now; `None` if none has room."""
        free = [each for each in self._candidates(failed, now) if each.limiter.has_room(now)]
        return min(free, key=lambda target: target.load, default=None)

    def blocked_until(self, failed: Collection[MapTarget]) -> float:
        """The time until which all Spaces that may answer want to be left alone."""
        return min(target.limiter.blocked_until for target in self._untried(failed))

    def _untried(self, failed: Collection[MapTarget]) -> List[MapTarget]:
        return [target for target in self.targets if target not in failed]

    def _candidates(self, failed: Collection[MapTarget], now: float) -> List[MapTarget]:
        untried = self._untried(failed)
        return [target for target in untried if not target.space.rest(now)] or untried
