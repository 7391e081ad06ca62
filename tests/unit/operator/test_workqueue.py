from __future__ import annotations

import asyncio

from quantumjob_operator.workqueue import LONGEST_RETRY_SECONDS, WorkQueue


async def test_a_key_waits_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in ("a", "b", "a"):
        queue.add(key)
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_is_never_worked_on_twice_at_a_time_and_no_addition_is_lost() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_the_earlier_time_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 1000)
    queue.add_after("a", 0.001)
    queue.add_after("a", 1000)
    assert await asyncio.wait_for(queue.get(), 5) == "a"


async def test_failures_wait_longer_and_longer_until_a_success() -> None:
    queue: WorkQueue[str] = WorkQueue()
    waits = [queue.retry("a") for _ in range(2000)]
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_RETRY_SECONDS
    queue.forget("a")
    assert queue.retry("a") == waits[0]
    queue.add("a")
    assert await queue.get() == "a", "whatever happens to it is worked on at once"
