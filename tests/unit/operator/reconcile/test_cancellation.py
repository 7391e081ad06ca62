"""Cancelled jobs, of shared and dedicated workers, also after a restart."""

from __future__ import annotations

from typing import Any

import pytest

from quantumjob_contract import keys
from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.reasons import Reason
from quantumjob_contract.schema.orders import ALIVE_SECONDS, EndedOrder
from quantumjob_contract.schema.program import encode
from quantumjob_operator import clock
from quantumjob_operator.model import status
from quantumjob_operator.model.placement import DEDICATED, SHARED
from quantumjob_operator.scheduling.assignment import ABSENT, SILENT_SECONDS
from quantumjob_operator.scheduling.queue import PAUSE_SECONDS
from support.jobs import only, result, segment
from support.kube import (
    JOBS,
    FakeKube,
    job,
    program_of,
    quantumjob,
    terminated,
)
from support.parts import OF, Parts
from support.scenarios import accepted, assigned, failed

pytestmark = pytest.mark.usefixtures("time", "no_poll")


async def test_a_job_that_waits_is_cancelled_at_once() -> None:
    parts = await accepted()
    parts.edit(cancel=True)
    await parts.settle()
    assert (parts.status()["phase"], failed(parts)["reason"]) == ("Cancelled", Reason.CANCELLED)
    assert "spec.cancel" in failed(parts)["message"]
    assert (parts.queue.assignment(only(OF)), parts.controller.memory) == (None, {})
    assert await parts.ask(parts.hire()) is None


async def test_a_job_that_comes_cancelled_runs_nowhere() -> None:
    parts = await accepted(cancel=True)
    assert parts.status()["phase"] == "Cancelled"
    assert parts.kube.of_kind(JOBS) == []


async def test_a_job_that_runs_is_stopped_and_keeps_what_is_done() -> None:
    of = quantumjob()
    of["spec"]["program"]["pubs"] = [pub | {"name": n} for n in ("p0", "p1") for pub in of["spec"]["program"]["pubs"]]
    parts = Parts(FakeKube(of))
    await parts.settle()
    worker = parts.hire()
    await parts.ask(worker)
    parts.edit(cancel=True)
    await parts.settle()
    assert not status.is_terminal(parts.status()), "its worker stores what is done first"
    assert parts.alive(worker, OF.uid).stop
    first = keys.segment_name(0)
    parts.store.pending.put_once(keys.segment(only(OF), first), encode(segment(OF, first, [result(0)], [])))
    await parts.ask(worker, EndedOrder(OF.uid, 0, int(Exit.TEMPORARY), "The operator stopped this order."))
    await parts.settle()
    assert (parts.status()["phase"], parts.status()["progress"]) == ("Cancelled", "1/2")
    assert failed(parts)["message"].endswith("The job was cancelled by spec.cancel.")


async def test_a_cancelled_job_whose_worker_was_faster_is_done() -> None:
    parts, worker = await assigned()
    parts.edit(cancel=True)
    parts.store_last()
    await parts.ask(worker, EndedOrder(OF.uid, 0))
    await parts.settle()
    assert parts.status()["phase"] == "Succeeded"


async def test_a_cancelled_job_whose_worker_dies_is_cancelled() -> None:
    for state in (terminated(137), terminated(75)):
        parts, worker = await assigned()
        parts.edit(cancel=True)
        await parts.settle()
        parts.set_container_state(worker, state)
        await parts.settle()
        assert parts.status()["phase"] == "Cancelled"


async def test_a_cancelled_dedicated_job_has_its_job_deleted_first(time: Any) -> None:
    parts = await accepted(dedicated=True)
    (own,) = parts.kube.of_kind(JOBS)
    parts.edit(cancel=True)
    await parts.settle()
    assert [call for call in parts.kube.calls if call[0] == "delete jobs"] == [("delete jobs", own["metadata"]["name"])]
    assert not status.is_terminal(parts.status()), "its pod stores what is done first"
    for _ in range(3):
        await parts.reconcile()
    assert parts.writes().count("delete jobs") == 1
    parts.router.job(parts.kube.vanish(JOBS, own["metadata"]["name"]), True)
    await parts.settle()
    assert parts.status()["phase"] == "Cancelled"
    assert parts.writes().count("create jobs") == 1, "and no other is made"


async def test_a_dedicated_job_that_fails_while_it_is_cancelled_ends() -> None:
    parts = await accepted(dedicated=True)
    (own,) = parts.kube.of_kind(JOBS)
    parts.edit(cancel=True)
    await parts.settle()
    gone = parts.kube.vanish(JOBS, own["metadata"]["name"])
    gone["status"] = {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}
    parts.router.job(gone, True)
    await parts.settle()
    assert status.is_terminal(parts.status())


def cancelled_elsewhere(**spec: Any) -> FakeKube:
    """A job that an earlier operator has accepted, and that was cancelled since."""
    of = quantumjob()
    of["spec"] |= {"cancel": True} | spec
    way = DEDICATED if spec else SHARED
    return FakeKube(of | {"status": status.accepted(of, program_of(of), way, ABSENT, clock.now())})


async def test_a_dedicated_job_s_cancel_waits_for_what_the_watch_has_to_tell(time: Any) -> None:
    """Its Job is there, and the watch has not brought it."""
    kube = cancelled_elsewhere(dedicated=True)
    parts = Parts(kube)
    parts.ready = False
    own = kube.put(JOBS, job(quantumjob()))
    await parts.settle()
    time.passes(PAUSE_SECONDS + 1)
    await parts.reconcile()
    assert parts.writes() == [], "neither decided nor deleted"
    parts.router.job(own, False)
    parts.ready = True
    await parts.settle()
    assert parts.writes() == ["delete jobs"], "its pod stores what is done first"
    parts.router.job(kube.vanish(JOBS, own["metadata"]["name"]), True)
    await parts.settle()
    assert parts.status()["phase"] == "Cancelled"


async def test_a_dedicated_job_without_a_job_is_cancelled_once_that_is_known(time: Any) -> None:
    parts = Parts(cancelled_elsewhere(dedicated=True))
    parts.ready = False
    time.passes(PAUSE_SECONDS + 1)
    await parts.settle()
    assert not status.is_terminal(parts.status())
    parts.ready = True
    assert (await parts.reconcile())["phase"] == "Cancelled"
    assert parts.kube.of_kind(JOBS) == []


async def test_a_shared_job_s_cancel_waits_until_its_worker_would_have_spoken(time: Any) -> None:
    parts = Parts(cancelled_elsewhere())
    await parts.settle()
    time.passes(PAUSE_SECONDS)
    await parts.reconcile()
    assert not status.is_terminal(parts.status())
    assert parts.controller.work_queue._later.keys() == {OF}, "it looks again by itself"
    time.passes(0.1)
    assert (await parts.reconcile())["phase"] == "Cancelled"


async def test_a_cancelled_job_whose_worker_speaks_after_a_restart_keeps_what_is_done(time: Any) -> None:
    parts = Parts(cancelled_elsewhere())
    worker = parts.hire()
    await parts.settle()
    for _ in range(4):
        time.passes(ALIVE_SECONDS)
        assert parts.alive(worker, OF.uid).stop
        await parts.reconcile()
        assert not status.is_terminal(parts.status()), "its worker stores what is done first"
    parts.store.pending.put_once(keys.program(OF), encode(program_of(quantumjob())))
    parts.store_last()
    await parts.ask(worker, EndedOrder(OF.uid, 0))
    await parts.settle()
    assert parts.status()["phase"] == "Succeeded"


@pytest.mark.parametrize("says", ["that it has stopped", "nothing more"])
async def test_a_cancelled_job_is_decided_when_its_worker_has_spoken_after_a_restart(time: Any, says: str) -> None:
    parts = Parts(cancelled_elsewhere())
    worker = parts.hire()
    await parts.settle()
    time.passes(PAUSE_SECONDS + 1)
    assert parts.alive(worker, OF.uid).stop
    await parts.reconcile()
    assert not status.is_terminal(parts.status())
    if says == "nothing more":
        time.passes(SILENT_SECONDS + 1)
    else:
        await parts.ask(worker, EndedOrder(OF.uid, 0, int(Exit.TEMPORARY), "The operator stopped this order."))
    assert (await parts.reconcile())["phase"] == "Cancelled"


async def test_a_cancel_does_not_overtake_a_worker_of_which_only_a_lost_draft_knew(time: Any) -> None:
    parts, worker = await assigned()
    parts.edit(cancel=True)
    again = parts.restarted()
    await again.settle()
    assert again.status() == {}, "whoever has it would not be heard yet"
    assert again.alive(worker, OF.uid).stop
    await again.ask(worker, EndedOrder(OF.uid, 0, int(Exit.TEMPORARY), "The operator stopped this order."))
    time.passes(PAUSE_SECONDS + 1)
    await again.reconcile()
    assert again.status()["phase"] == "Cancelled"
