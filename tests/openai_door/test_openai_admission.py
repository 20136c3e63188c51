"""Who may ask now, and who waits."""

from __future__ import annotations

import asyncio

import pytest

from qwen25 import GenerationError, QueueFullError, RateLimitError
from qwen25.openai.admission import Admission
from qwen25.openai.errors import RequestRefusedError


class Caller:
    """One that wants a place, and holds it until it is told how it ends."""

    def __init__(self, admission):
        self.places = []
        self.inside = asyncio.Event()
        self.end = asyncio.get_running_loop().create_future()
        self.task = asyncio.ensure_future(self._run(admission))

    async def _run(self, admission):
        async with admission.place(self._tell):
            self.inside.set()
            await self.end

    async def _tell(self, rank, size):
        self.places.append((rank, size))


async def settled():
    for _ in range(10):
        await asyncio.sleep(0)


def test_places_are_given_in_order_and_the_waiting_are_told():
    async def main():
        admission = Admission(workers=1, waiting=2)
        first, second, third = (Caller(admission) for _ in range(3))
        await settled()
        assert first.inside.is_set() and not second.inside.is_set()
        assert (admission.asked, admission.waiting) == (1, 2)
        assert third.places[-1] == (1, 2)
        with pytest.raises(RequestRefusedError) as caught:
            await Caller(admission).task
        assert caught.value.status == 429 and caught.value.retry_after > 0
        first.end.set_result(None)
        await settled()
        assert second.inside.is_set() and not third.inside.is_set()
        assert third.places[-1] == (0, 1)
        second.task.cancel()
        await settled()
        assert third.inside.is_set()
        third.end.set_result(None)
        await third.task
        assert (admission.asked, admission.waiting) == (0, 0)

    asyncio.run(main())


def test_one_that_leaves_the_queue_lets_the_next_come_forward():
    async def main():
        admission = Admission(workers=1, waiting=2)
        first, second, third = (Caller(admission) for _ in range(3))
        await settled()
        second.task.cancel()
        await settled()
        assert third.places[-1] == (0, 1)
        for caller in (first, third):
            caller.end.set_result(None)
            await caller.task

    asyncio.run(main())


def test_a_full_queue_of_the_space_lowers_how_many_are_asked():
    async def main():
        admission = Admission(workers=3, waiting=9)
        callers = [Caller(admission) for _ in range(3)]
        await settled()
        callers[0].end.set_exception(QueueFullError("full"))
        await settled()
        callers[0].task.exception()
        waits = Caller(admission)
        await settled()
        assert not waits.inside.is_set()  # two are as many as the Space has room for
        for caller in (*callers[1:], waits):
            caller.end.set_result(None)
        await asyncio.gather(*(caller.task for caller in (*callers[1:], waits)))

    asyncio.run(main())


def test_a_long_pause_that_the_space_wants_is_told_and_not_waited_for():
    async def main():
        admission = Admission(workers=3, waiting=9)
        caller = Caller(admission)
        caller.end.set_exception(RateLimitError("slow down", status=429, retry_after=3600))
        await settled()
        caller.task.exception()
        with pytest.raises(RequestRefusedError) as caught:
            await Caller(admission).task
        assert 3500 < caught.value.retry_after <= 3600

    asyncio.run(main())


def test_another_failure_changes_nothing():
    async def main():
        admission = Admission(workers=1, waiting=9)
        caller = Caller(admission)
        caller.end.set_exception(GenerationError("failed"))
        await settled()
        caller.task.exception()
        after = Caller(admission)
        await settled()
        assert after.inside.is_set()
        after.end.set_result(None)
        await after.task

    asyncio.run(main())
