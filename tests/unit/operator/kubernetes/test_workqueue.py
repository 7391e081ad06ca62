from __future__ import annotations

import asyncio

from quantumjob_operator.kubernetes.workqueue import LONGEST_RETRY_SECONDS, WorkQueue


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


async def test_namespaces_have_their_turn_one_after_the_other() -> None:
    queue: WorkQueue[str] = WorkQueue(flow=lambda key: key[0])
    for key in ("a1", "a2", "a3", "b1", "c1", "b2"):
        queue.add(key)
    assert [await queue.get() for _ in range(6)] == ["a1", "b1", "c1", "a2", "b2", "a3"]


async def test_what_is_urgent_goes_first_in_its_lane_and_once() -> None:
    queue: WorkQueue[str] = WorkQueue(flow=lambda key: key[0])
    for key in ("a1", "b1", "b2"):
        queue.add(key)
    queue.add("b2", urgent=True)
    queue.add("b2")
    assert len(queue) == 3
    assert [await queue.get() for _ in range(3)] == ["a1", "b2", "b1"]
    assert len(queue) == 0
    for key in ("a1", "b1", "b2"):
        queue.done(key)
    queue.add("c1")
    assert await queue.get() == "c1", "the place that it had before is none"


async def test_what_becomes_urgent_while_it_is_worked_on_goes_first_in_its_lane_afterwards() -> None:
    queue: WorkQueue[str] = WorkQueue(flow=lambda key: key[0])
    queue.add("a1")
    assert await queue.get() == "a1"
    for key in ("b1", "a2", "a1"):
        queue.add(key)
    queue.add("a1", urgent=True)
    assert len(queue) == 2, "it waits for its end"
    queue.done("a1")
    assert [await queue.get() for _ in range(3)] == ["b1", "a1", "a2"]
    queue.done("a1")
    queue.add("a1")
    queue.add("c1")
    assert [await queue.get() for _ in range(2)] == ["a1", "c1"], "urgent once"


async def test_another_lane_is_served_however_many_urgent_keys_one_has() -> None:
    queue: WorkQueue[str] = WorkQueue(flow=lambda key: key[0])
    for number in range(100):
        queue.add(f"a{number}", urgent=True)
    queue.add("b1")
    assert "b1" in [await queue.get() for _ in range(2)]
    queue.done("b1")
    for number in range(100, 200):
        queue.add(f"a{number}", urgent=True)
    queue.add("b2")
    assert "b2" in [await queue.get() for _ in range(2)]
