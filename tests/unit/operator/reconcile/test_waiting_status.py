"""What the status of a waiting or running job reports, and when it is written."""

from __future__ import annotations

from typing import Any

import pytest

from quantumjob_contract import names
from quantumjob_contract.keys import Owner
from quantumjob_contract.reasons import Reason
from quantumjob_contract.schema.orders import EndedOrder
from quantumjob_operator.model.worker_state import WorkerState
from quantumjob_operator.reconcile import plan
from support.jobs import only
from support.kube import (
    EVENTS,
    JOBS,
    PODS,
    QUANTUMJOBS,
    FakeKube,
    another,
    shared_pod,
)
from support.parts import OF, Parts
from support.scenarios import accepted, assigned, doing

pytestmark = pytest.mark.usefixtures("time", "no_poll")


async def test_a_thousand_that_wait_are_told_of_one_after_the_other(time: Any) -> None:
    parts = Parts(FakeKube(*(another(str(number)) for number in range(9))))
    await parts.settle()
    time.passes(plan.DRAFT_SECONDS)
    for number in range(9):
        parts.controller.work_queue.add(Owner("team", f"uid-{number}"))
    await parts.settle()
    assert parts.writes().count("status") == 0
    for told in range(1, 10):
        await parts.controller.notifier.allow_next()
        await parts.settle()
        assert parts.writes().count("status") == told


async def test_a_draft_outlives_an_edit() -> None:
    """Else a label that is added in the first second would give the job a second worker, of its own."""
    parts = await accepted()
    raw = parts.found()
    labels = {"labels": {names.LABEL_QUEUE: "mine"}}
    parts.router.quantumjob(parts.kube.put(QUANTUMJOBS, raw | {"metadata": raw["metadata"] | labels}), False)
    await parts.settle()
    assert parts.queue.assignment(only(OF)) is not None
    assert parts.controller.cache.job(OF) is None


async def test_what_is_lost_with_a_draft_is_found_again(time: Any) -> None:
    """The operator dies after it has given the order, and before anybody was told of the job."""
    parts, _ = await assigned()
    assert parts.status() == {}
    again = parts.restarted()
    parts.store_last()
    await again.settle()
    assert (again.status()["phase"], again.queue.assignment(only(OF))) == ("Succeeded", None)


async def test_a_restart_under_an_obstacle_writes_nothing(time: Any) -> None:
    """The jobs are told of it already; that they wait, until it is met again, is no news."""
    parts = await accepted()
    obstacle = WorkerState("waiting", Reason.POD_REFUSED, "exceeded quota")
    parts.queue.set_obstacle("team", obstacle, 0, time.now)
    await parts.told(time)
    assert doing(parts)["reason"] == Reason.POD_REFUSED
    again = parts.restarted()
    again.kube.calls.clear()
    await again.settle()
    other_name = WorkerState("waiting", Reason.POD_REFUSED, "exceeded quota, and this is of another pod")
    again.queue.set_obstacle("team", other_name, 0, time.now)
    await again.told(time)
    assert again.writes().count("status") == 0
    assert doing(again)["reason"] == Reason.POD_REFUSED


async def test_a_job_is_told_what_keeps_shared_workers_from_starting(time: Any) -> None:
    parts = await accepted()
    (made,) = parts.kube.of_kind(JOBS)
    time.passes(60)
    await parts.autoscaler.reconcile("team")
    await parts.settle()
    assert doing(parts)["reason"] == Reason.POD_REFUSED
    assert made["metadata"]["name"] in doing(parts)["message"]
    parts.hire(made["metadata"]["name"].removeprefix("qj-shared-"))
    await parts.told(time)
    assert doing(parts)["reason"] == Reason.QUEUED
    reasons = [event["reason"] for event in parts.kube.of_kind(EVENTS)]
    assert reasons == ["PodRefused"], "once"


async def test_a_suspended_shared_worker_is_told_as_queued(time: Any) -> None:
    parts = await accepted()
    (made,) = parts.kube.of_kind(JOBS)
    held = {"conditions": [{"type": "Suspended", "status": "True", "reason": "JobSuspended"}]}
    parts.router.job(parts.kube.put(JOBS, made | {"status": held}), False)
    await parts.settle()
    time.passes(60)
    await parts.autoscaler.reconcile("team")
    await parts.settle()
    await parts.told(time)
    assert (parts.status()["phase"], doing(parts)["reason"]) == ("Pending", Reason.QUEUED)
    assert "is suspended" in doing(parts)["message"], "and not that a pod was refused"


async def test_an_obstacle_whose_words_change_is_told_once(time: Any) -> None:
    parts = await accepted()
    name = parts.kube.of_kind(JOBS)[0]["metadata"]["name"].removeprefix("qj-shared-")
    parts.kube.calls.clear()
    for nodes in range(1, 4):
        no_node = [{"type": "PodScheduled", "status": "False", "message": f"0/{nodes} nodes are available"}]
        parts.router.pod(parts.kube.put(PODS, shared_pod(name, conditions=no_node)), False)
        await parts.autoscaler.reconcile("team")
        await parts.settle()
    assert doing(parts)["reason"] == Reason.UNSCHEDULABLE
    assert parts.writes() == ["status", "create events"]


async def test_a_job_that_waits_reads_as_one_that_waits(time: Any) -> None:
    parts = await accepted()
    assert parts.status() == {}, "not in the first moment"
    await parts.told(time)
    await parts.told(time)
    assert parts.writes().count("status") == 1
    assert (parts.status()["phase"], doing(parts)["reason"]) == ("Pending", Reason.QUEUED)


async def test_a_job_that_runs_for_a_while_says_where(time: Any) -> None:
    parts, worker = await assigned()
    assert parts.status() == {}, "not in the first moment"
    first = time.now
    time.passes(plan.QUIET_SECONDS[Reason.RUNNING])
    found = await parts.reconcile()
    assert (found["phase"], found["worker"], doing(parts)["reason"]) == ("Running", worker.name, Reason.RUNNING)
    assert found["times"]["ordered"].startswith(first.strftime("%Y-%m-%dT%H:%M:%S"))
    parts.store_last()
    await parts.ask(worker, EndedOrder(OF.uid, 0))
    await parts.settle()
    assert parts.status()["worker"] == worker.name
    assert list(parts.status()["times"])[:2] == ["accepted", "ordered"]
