"""Orders of dedicated workers."""

from __future__ import annotations

from typing import Any

import pytest

from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.schema.orders import EndedOrder, UrlsRequest
from quantumjob_operator.orders.service import NoMoreOrders, NotAssigned
from support.jobs import only
from support.kube import another, job
from support.scenarios import assignment_of, dedicated, small, uid_of

pytestmark = pytest.mark.usefixtures("time", "no_poll")


async def test_a_dedicated_worker_gets_its_order_and_no_other() -> None:
    parts = dedicated()
    own = uid_of("own")
    order = await parts.ask(only(own))
    assert order is not None
    assert (order.uid, order.only) == (own.uid, True)
    assert [each.name for each in order.found] == ["000000"]
    for said, leaving in ((EndedOrder(own.uid, 0), False), (EndedOrder(own.uid, 0), True), (None, True)):
        with pytest.raises(NoMoreOrders):
            await parts.ask(only(own), said, leaving=leaving)
    assert parts.controller.memory_of(own).reported_ended


async def test_a_dedicated_worker_s_failure_is_its_job_s_to_tell() -> None:
    parts = dedicated()
    own = uid_of("own")
    with pytest.raises(NoMoreOrders):
        await parts.ask(only(own), EndedOrder(own.uid, 0, int(Exit.INTERNAL), "A defect."))
    assert not parts.controller.memory_of(own).reported_ended
    assert parts.queue.assignment(only(own)) is None


async def test_a_dedicated_worker_speaks_of_its_own_job_only() -> None:
    parts = dedicated()
    own = uid_of("own")
    with pytest.raises(NotAssigned):
        parts.alive(only(own), "uid-one")
    with pytest.raises(NotAssigned):
        await parts.order_service.urls(only(own), "uid-one", 0, UrlsRequest(0))
    with pytest.raises(NotAssigned):
        await parts.ask(only(own), EndedOrder("uid-one", 0))
    first, *_ = await parts.order_service.urls(only(own), own.uid, 0, UrlsRequest(3))
    assert first.name == "000003"


async def test_a_dedicated_worker_is_told_to_stop_when_its_job_is_cancelled() -> None:
    parts = dedicated()
    own = uid_of("own")
    assert not parts.alive(only(own), own.uid).stop
    parts.edit(own, cancel=True)
    assert parts.alive(only(own), own.uid).stop


async def test_a_shared_worker_gets_no_dedicated_job() -> None:
    parts = dedicated()
    await parts.settle()
    assert await parts.ask(parts.hire()) is None


async def test_a_dedicated_order_ends_with_the_deadline_of_its_job(time: Any) -> None:
    parts = dedicated()
    own = uid_of("own")
    order = await parts.ask(only(own))
    assert order is not None
    assert order.seconds_left == 600.0, "it has not started yet"
    started = job(another("own"), startTime="2026-01-02T03:04:05Z")
    started["metadata"]["resourceVersion"] = "21"
    parts.router.job(started, False)
    time.passes(100)
    order = await parts.ask(only(own))
    assert order is not None
    assert order.seconds_left == 500.0


async def test_done_from_a_pod_that_does_not_carry_the_order_is_a_hint_only() -> None:
    parts = await small("one")
    worker, other = parts.hire("a"), parts.hire("b")
    await parts.ask(worker)
    parts.order_service.ended(other, EndedOrder("uid-one", 0))
    assignment = assignment_of(parts, uid_of("one"))
    assert (assignment.pod, assignment.ended, parts.queue.shard_of(worker.uid)) == (
        worker,
        False,
        only(uid_of("one")),
    )
    assert parts.controller.memory_of(uid_of("one")).reported_ended
    await parts.settle()
    assert not parts.kube.status("one").get("results"), "the store has nothing"
    assert (assignment_of(parts, uid_of("one")).pod, assignment.failure) == (worker, None)
    parts.store_last(uid_of("one"))
    parts.order_service.ended(other, EndedOrder("uid-one", 0))
    await parts.settle()
    assert parts.kube.status("one")["phase"] == "Succeeded", "the store alone is believed"
