"""What workers report: ends of orders, heartbeats and progress. All of it is untrusted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from quantumjob_contract.exit_codes import PERMANENT, Exit
from quantumjob_contract.reasons import Reason
from quantumjob_contract.schema.orders import EndedOrder, UrlsRequest
from quantumjob_operator import clock
from quantumjob_operator.orders.service import NotAssigned
from quantumjob_operator.reconcile.controller import PROGRESS_SECONDS
from quantumjob_operator.scheduling.assignment import SILENT_SECONDS
from quantumjob_operator.scheduling.worker_pool import SILENT_WORKER_SECONDS
from support.kube import JOBS, FakeKube
from support.parts import Parts
from support.scenarios import assignment_of, small, uid_of

pytestmark = pytest.mark.usefixtures("time", "no_poll")


async def test_ended_makes_the_controller_look() -> None:
    parts = await small("one")
    worker = parts.hire()
    await parts.ask(worker)
    parts.store_last(uid_of("one"))
    assert await parts.ask(worker, EndedOrder("uid-one", 0)) is None
    await parts.settle()
    assert parts.kube.status("one")["phase"] == "Succeeded"


@pytest.mark.parametrize("code", [code for code in Exit if code in PERMANENT])
async def test_a_permanent_end_is_the_end(code: Exit) -> None:
    parts = await small("one")
    worker = parts.hire()
    await parts.ask(worker)
    await parts.ask(worker, EndedOrder("uid-one", 0, int(code), "Update the operator."))
    await parts.settle()
    found = parts.kube.status("one")
    assert (found["phase"], found["conditions"][-1]["message"]) == (
        "Failed",
        "0/1 pubs succeeded. Update the operator.",
    )
    assert {c["reason"] for c in found["conditions"] if c["type"] == "Failed"} == {Reason.WORKER_FAILED}


async def test_a_temporary_end_is_followed_by_another_attempt_as_often_as_the_limit_allows(time: Any) -> None:
    parts = await small("one", backoffLimit=2)
    worker = parts.hire()
    ended = EndedOrder("uid-one", 0, int(Exit.TEMPORARY), "The store could not be reached.")
    for attempt in range(1, 4):
        order = await parts.ask(worker)
        assert order is not None
        assert await parts.ask(worker, ended) is None, "not at once"
        await parts.settle()
        assert assignment_of(parts, uid_of("one")).attempts == attempt if attempt < 3 else True
        time.passes(60)
    found = parts.kube.status("one")
    assert found["phase"] == "Failed"
    (failed,) = [c for c in found["conditions"] if c["type"] == "Failed"]
    assert failed["reason"] == Reason.BACKOFF_LIMIT_EXCEEDED
    assert "The store could not be reached. No attempt is left (spec.backoffLimit)." in failed["message"]


async def test_a_failure_of_an_order_that_the_worker_has_not_counts_nothing() -> None:
    parts = await small("one")
    worker, other = parts.hire("a"), parts.hire("b")
    await parts.ask(worker)
    parts.order_service.ended(other, EndedOrder("uid-one", 0, int(Exit.INTERNAL), "A lie."))
    assignment = assignment_of(parts, uid_of("one"))
    assert (assignment.pod, assignment.attempts, assignment.failure) == (worker, 0, None)


async def test_what_is_said_of_jobs_that_are_not_there_leaves_nothing() -> None:
    parts = await small()
    worker = parts.hire()
    for said in (EndedOrder("nobody", 0), EndedOrder("nobody", 0, int(Exit.TEMPORARY))):
        assert await parts.ask(worker, said) is None
    assert parts.alive(worker, "nobody").stop, "nobody needs it any more"
    with pytest.raises(NotAssigned):
        await parts.order_service.urls(worker, "nobody", 0, UrlsRequest(0))
    await parts.settle()
    assert parts.controller.memory == {}


async def test_a_sign_of_life_ends_the_silence(time: Any) -> None:
    parts = await small("one")
    worker = parts.hire()
    await parts.ask(worker)
    time.passes(SILENT_SECONDS)
    assert not parts.alive(worker, "uid-one").stop
    assert parts.queue.expire(time.passes(SILENT_SECONDS)) == []
    await parts.order_service.urls(worker, "uid-one", 0, UrlsRequest(16))
    assert parts.queue.expire(time.passes(SILENT_SECONDS)) == [], "to ask for URLs is one, too"
    assert parts.queue.expire(time.passes(1)) == [uid_of("one")]


async def test_a_cancelled_order_is_stopped_by_its_next_sign_of_life() -> None:
    parts = await small("one")
    worker = parts.hire()
    await parts.ask(worker)
    parts.edit(uid_of("one"), cancel=True)
    assert parts.alive(worker, "uid-one").stop


async def test_nobody_is_stopped_before_the_watches_have_told_what_there_is() -> None:
    parts = Parts(FakeKube())
    parts.ready = False
    worker = parts.hire()
    assert not parts.alive(worker, "uid-one").stop
    parts.ready = True
    assert parts.alive(worker, "uid-one").stop


async def test_what_a_worker_says_ends_its_silence_as_one_of_the_crew(time: Any) -> None:
    parts = await small("one")
    worker, pool = parts.hire(), parts.autoscaler.pool
    for made in parts.kube.of_kind(JOBS):
        if made["metadata"]["name"] != "qj-shared-a":
            parts.router.job(made, True)
    assert pool.count("team", time.now) == 1
    assert pool.count("team", time.passes(SILENT_WORKER_SECONDS)) == 0
    await parts.ask(worker)
    assert pool.count("team", time.passes(SILENT_WORKER_SECONDS - 1)) == 1
    parts.alive(worker, "uid-one")
    assert pool.count("team", time.passes(SILENT_WORKER_SECONDS - 1)) == 1


async def test_a_job_is_not_expected_to_end_after_its_deadline(time: Any) -> None:
    pubs = [{"name": f"p{n}", "circuit": {"format": "OpenQASM3", "inline": "OPENQASM 3.0;"}} for n in range(16)]
    parts = await small("one", program={"primitive": "Sampler", "shots": 100, "pubs": pubs}, activeDeadlineSeconds=100)
    worker, given = parts.hire(), time.now
    await parts.ask(worker)
    time.passes(60)
    parts.alive(worker, "uid-one", 2)
    await parts.settle()
    assert parts.kube.status("one")["times"]["expected"] == clock.rfc3339(given + timedelta(seconds=100))


async def test_progress_moves_now_and_then(monkeypatch: pytest.MonkeyPatch, time: Any) -> None:
    pubs = [{"name": f"p{n}", "circuit": {"format": "OpenQASM3", "inline": "OPENQASM 3.0;"}} for n in range(16)]
    parts = await small("one", program={"primitive": "Sampler", "shots": 100, "pubs": pubs})
    worker, now = parts.hire(), 1000.0
    await parts.ask(worker)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now, raising=False)
    time.passes(60)

    async def said(done: int) -> str:
        parts.alive(worker, "uid-one", done)
        await parts.settle()
        progress: str = parts.kube.status("one")["progress"]
        return progress

    assert await said(2) == "2/16"
    expected = clock.parse(parts.kube.status("one")["times"]["expected"])
    assert expected > time.now, "two of sixteen took a minute"
    now += PROGRESS_SECONDS - 1
    parts.kube.calls.clear()
    assert await said(5) == "2/16", "not so often"
    assert parts.writes() == []
    now += 1
    assert await said(6) == "6/16"
    now += PROGRESS_SECONDS
    parts.kube.calls.clear()
    assert await said(6) == "6/16"
    assert await said(4) == "6/16", "it never goes back"
    assert parts.writes() == [], "what is no news costs no write"
    other = parts.hire("b")
    parts.alive(other, "uid-one", 16)
    await parts.settle()
    assert parts.kube.status("one")["progress"] == "6/16", "another's word is none of its worker's"
