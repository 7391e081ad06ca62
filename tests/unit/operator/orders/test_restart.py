"""Workers that run orders of an operator that was restarted."""

from __future__ import annotations

from typing import Any

import pytest

from quantumjob_contract.schema.orders import EndedOrder, UrlsRequest
from quantumjob_operator.scheduling.queue import PAUSE_SECONDS
from support.kube import QUANTUMJOBS, another
from support.parts import Parts
from support.scenarios import assignment_of, small, uid_of

pytestmark = pytest.mark.usefixtures("time", "no_poll")


async def restart(parts: Parts, time: Any) -> Parts:
    """Another operator, to whom the watches have told everything; it has looked into the store for each job."""
    time.passes(0.1)
    again = parts.restarted()
    await again.settle()
    return again


async def test_after_a_restart_a_worker_that_is_alive_keeps_its_order(time: Any) -> None:
    parts = await small("one")
    worker = parts.hire()
    await parts.ask(worker)
    parts = await restart(parts, time)
    assert await parts.ask(parts.hire("b")) is None, "not in the pause"
    assert not parts.alive(worker, "uid-one").stop
    assert assignment_of(parts, uid_of("one")).pod == worker
    time.passes(PAUSE_SECONDS)
    assert await parts.ask(parts.hire("c")) is None
    assert await parts.order_service.urls(worker, "uid-one", 0, UrlsRequest(16))


async def test_after_a_restart_a_worker_may_be_alive_before_its_job_is_known(time: Any) -> None:
    parts = await small("one")
    worker = parts.hire()
    await parts.ask(worker)
    again = parts.restarted()
    assert not again.alive(worker, "uid-one").stop
    await again.settle()
    again.alive(worker, "uid-one")
    assert assignment_of(again, uid_of("one")).pod == worker


@pytest.mark.parametrize("offered", [False, True])
async def test_after_a_restart_a_worker_s_end_is_heard(time: Any, offered: bool) -> None:
    parts = await small("one")
    worker = parts.hire()
    await parts.ask(worker)
    again = parts.restarted()
    if offered:
        await again.settle()
    parts.store_last(uid_of("one"))
    assert await again.ask(worker, EndedOrder("uid-one", 0)) is None
    await again.settle()
    assert parts.kube.status("one")["phase"] == "Succeeded"


async def test_after_a_restart_an_order_that_nobody_has_is_given_again(time: Any) -> None:
    parts = await small("one")
    await parts.ask(parts.hire())
    parts = await restart(parts, time)
    time.passes(PAUSE_SECONDS)
    order = await parts.ask(parts.hire("b"))
    assert order is not None
    assert order.uid == "uid-one"


async def test_after_a_restart_a_job_that_comes_new_does_not_wait_for_the_pause(time: Any) -> None:
    parts = await restart(await small("one"), time)
    parts.router.quantumjob(parts.kube.put(QUANTUMJOBS, another("new")), False)
    await parts.settle()
    order = await parts.ask(parts.hire())
    assert order is not None
    assert order.uid == "uid-new"
