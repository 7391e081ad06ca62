"""Several requests at a time, of one worker and of many."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quantumjob_operator.orders import builder
from quantumjob_operator.orders import service as service_module
from quantumjob_operator.scheduling.assignment import Pod
from support.jobs import only
from support.kube import QUANTUMJOBS, another
from support.parts import Parts
from support.scenarios import assignment_of, small, uid_of

pytestmark = pytest.mark.usefixtures("time", "no_poll")


async def ask_twice(parts: Parts, worker: Pod) -> tuple[asyncio.Task[Any], asyncio.Task[Any]]:
    """Two questions of one worker, of which the first is held when the second comes."""
    first = asyncio.create_task(parts.ask(worker))
    await asyncio.sleep(0)
    second = asyncio.create_task(parts.ask(worker))
    await asyncio.sleep(0)
    return first, second


async def test_a_worker_has_one_question_and_the_older_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "POLL_SECONDS", 1000.0)
    parts = await small()
    parts.autoscaler.linger_seconds = 1000.0
    worker = parts.hire()
    first, second = await ask_twice(parts, worker)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(first, 30)
    for name in ("one", "two"):
        parts.router.quantumjob(parts.kube.put(QUANTUMJOBS, another(name)), False)
    await parts.settle()
    order = await asyncio.wait_for(second, 30)
    assert order.uid == "uid-one"
    assert list(parts.queue.of_namespace("team").waiting) == [only(uid_of("two"))]
    await asyncio.sleep(0)
    assert parts.order_service._requests == {}


async def test_a_question_that_is_cancelled_while_its_order_is_made_takes_nothing_from_the_newer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = await small("one")
    worker = parts.hire()
    parts.controller.memory_of(uid_of("one")).ordered.add(0)  # so that the store is asked
    answer = asyncio.Event()

    async def slow(*_: Any) -> list[str]:
        await answer.wait()
        return []

    monkeypatch.setattr(builder, "written", slow)
    first, second = await ask_twice(parts, worker)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(first, 30)
    answer.set()
    order = await asyncio.wait_for(second, 30)
    assert order.uid == "uid-one"
    assert parts.queue.shard_of(worker.uid) == only(uid_of("one"))
    assert assignment_of(parts, uid_of("one")).pod == worker, "no other worker gets it, too"


async def test_workers_ask_at_the_same_time_without_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "POLL_SECONDS", 1000.0)
    parts = await small()
    parts.autoscaler.linger_seconds = 1000.0
    questions = [asyncio.create_task(parts.ask(parts.hire(name))) for name in "ab"]
    await asyncio.sleep(0)
    assert len(parts.order_service._requests) == 2
    for question in questions:
        question.cancel()
    assert [type(end) for end in await asyncio.gather(*questions, return_exceptions=True)] == [
        asyncio.CancelledError
    ] * 2
    assert parts.order_service._requests == {}
