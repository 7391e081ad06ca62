"""Whole lives of small jobs that share a worker: what they cost, how they end, what goes wrong on the way."""

from __future__ import annotations

from typing import Any

import pytest

from quantumjob_contract import keys, names
from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.keys import Owner
from quantumjob_contract.reasons import Reason
from quantumjob_contract.schema.orders import ALIVE_SECONDS, EndedOrder
from quantumjob_contract.schema.program import encode
from quantumjob_contract.store_errors import StoreUnavailable
from quantumjob_operator import clock, metrics
from quantumjob_operator.model import status
from quantumjob_operator.model.placement import DEDICATED, SHARED
from quantumjob_operator.model.worker_state import WorkerState
from quantumjob_operator.reconcile import plan
from quantumjob_operator.reconcile.controller import Controller
from quantumjob_operator.reconcile.steps import MISSES
from quantumjob_operator.results.collect import NotEnded
from quantumjob_operator.scheduling.assignment import ABSENT, SILENT_SECONDS, Pod
from quantumjob_operator.scheduling.queue import PAUSE_SECONDS
from support.jobs import only, result, segment
from support.kube import (
    EVENTS,
    JOBS,
    PODS,
    QUANTUMJOBS,
    FakeKube,
    another,
    job,
    program_of,
    quantumjob,
    shared_pod,
    terminated,
)
from support.parts import OF, Parts

pytestmark = pytest.mark.usefixtures("time", "no_poll")

OOM = terminated(137, reason="OOMKilled")


async def accepted(**spec: Any) -> Parts:
    """An operator with one job, as far as it comes without a worker."""
    of = quantumjob()
    of["spec"] |= spec
    parts = Parts(FakeKube(of))
    await parts.settle()
    return parts


async def execution_fields(**spec: Any) -> tuple[Parts, Pod]:
    """An operator whose job a shared worker has."""
    parts = await accepted(**spec)
    worker = parts.hire()
    assert await parts.ask(worker) is not None
    await parts.settle()
    return parts, worker


def failed(parts: Parts) -> dict[str, Any]:
    """The condition Failed of a job that has failed."""
    found = status.condition(parts.status(), "Failed")
    assert found is not None
    return found


def doing(parts: Parts) -> dict[str, Any]:
    found = status.condition(parts.status(), "Reconciling")
    assert found is not None
    return found


async def test_a_small_job_costs_one_status_write_and_one_event() -> None:
    parts = await accepted()
    worker = parts.hire()
    parts.kube.calls = [call for call in parts.kube.calls if call[0] != "create jobs"]
    assert await parts.ask(worker) is not None
    await parts.settle()
    parts.store_last()
    assert await parts.ask(worker, EndedOrder(OF.uid, 0)) is None
    await parts.settle()
    assert parts.writes() == ["status", "create events"]
    assert len(parts.kube.calls) == 2, "and it reads nothing"
    found = parts.status()
    assert (found["phase"], found["progress"]) == ("Succeeded", "1/1")
    assert found["results"]["sha256"] == parts.store.completed.sha256(found["results"]["key"])
    assert [event["reason"] for event in parts.kube.of_kind(EVENTS)] == ["AllPubsSucceeded"]


async def test_a_small_job_costs_five_store_requests() -> None:
    """Those of the operator, and the one by which its worker stores the last segment."""
    parts, worker = await execution_fields()
    parts.store_last()
    await parts.ask(worker, EndedOrder(OF.uid, 0))
    await parts.settle()
    assert parts.status()["phase"] == "Succeeded"
    assert len(parts.store.requests) <= 5, parts.store.requests


async def test_a_finished_job_costs_no_call_and_no_memory() -> None:
    parts, worker = await execution_fields()
    parts.store_last()
    await parts.ask(worker, EndedOrder(OF.uid, 0))
    await parts.settle()
    parts.kube.calls.clear()
    parts.store.requests.clear()
    last = parts.found()
    for gone in (False, True, False):
        parts.router.quantumjob(last, gone)
        await parts.settle()
    parts.alive(worker, OF.uid)
    await parts.ask(worker, EndedOrder(OF.uid, 0))
    await parts.settle()
    assert (parts.kube.calls, parts.store.requests) == ([], [])
    assert parts.controller.memory == {}
    assert (parts.queue.assignment(only(OF)), parts.controller.cache.quantumjobs) == (None, {})


async def test_a_job_that_waits_reads_as_one_that_waits(time: Any) -> None:
    parts = await accepted()
    assert parts.status() == {}, "not in the first moment"
    await parts.told(time)
    await parts.told(time)
    assert parts.writes().count("status") == 1
    assert (parts.status()["phase"], doing(parts)["reason"]) == ("Pending", Reason.QUEUED)


async def test_a_job_that_runs_for_a_while_says_where(time: Any) -> None:
    parts, worker = await execution_fields()
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


async def test_a_job_whose_results_wait_for_the_store_is_not_pending_again(time: Any) -> None:
    parts, worker = await execution_fields()
    time.passes(plan.QUIET_SECONDS[Reason.RUNNING])
    assert (await parts.reconcile())["phase"] == "Running"
    parts.store_last()
    parts.store.pending.down = True
    await parts.ask(worker, EndedOrder(OF.uid, 0))
    with pytest.raises(StoreUnavailable):
        await parts.settle()
    assert (parts.status()["phase"], doing(parts)["reason"]) == ("Storing", Reason.WAITING_FOR_STORE)


async def test_a_store_that_is_down_at_the_start_is_told_once_and_waited_for(time: Any) -> None:
    parts = Parts(FakeKube(quantumjob()))
    parts.store.pending.down = True
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await parts.reconcile()
    assert (doing(parts)["reason"], parts.queue.assignment(only(OF))) == (Reason.WAITING_FOR_STORE, None)
    assert [each["reason"] for each in parts.kube.of_kind(EVENTS)] == ["WaitingForStore"]
    parts.store.pending.down = False
    await parts.told(time)
    assert (parts.status()["phase"], doing(parts)["reason"]) == ("Pending", Reason.QUEUED)
    assert only(OF) in parts.queue.of_namespace("team").waiting


async def test_an_order_is_given_again_where_its_last_segment_is_missing_at_its_worker_s_death(time: Any) -> None:
    parts, worker = await execution_fields()
    parts.set_container_state(worker, terminated(137))
    await parts.settle()
    assert (parts.status()["attempts"], doing(parts)["reason"]) == (1, Reason.RETRYING)
    assert "exit code 137. Another attempt follows." in doing(parts)["message"]
    time.passes(60)
    other = parts.hire("b")
    assert await parts.ask(other) is not None
    parts.store_last()
    await parts.ask(other, EndedOrder(OF.uid, 0))
    await parts.settle()
    assert parts.status()["phase"] == "Succeeded"


async def test_every_failed_attempt_is_counted_in_the_status(time: Any) -> None:
    """An operator that starts anew goes on counting from there."""
    parts = await accepted(backoffLimit=5)
    for attempt in range(1, 4):
        worker = parts.hire(f"w{attempt}")
        assert await parts.ask(worker) is not None
        parts.set_container_state(worker, terminated(137))
        await parts.settle()
        assert parts.status()["attempts"] == attempt
        time.passes(60)
    again = parts.restarted()
    await again.settle()
    assignment = again.queue.assignment(only(OF))
    assert assignment is not None
    assert assignment.attempts == 3


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        (terminated(137), Reason.BACKOFF_LIMIT_EXCEEDED, "exit code 137"),
        (OOM, Reason.OUT_OF_MEMORY, "spec.resources.limits.memory"),
        (terminated(1), Reason.BACKOFF_LIMIT_EXCEEDED, "exit code 1"),
    ],
)
async def test_a_job_at_which_workers_die_fails_with_what_they_died_of(
    time: Any, state: dict[str, Any], reason: Reason, words: str
) -> None:
    parts = await accepted(backoffLimit=2)
    deaths = 0
    while not status.is_terminal(parts.status()):
        worker = parts.hire(f"w{deaths}")
        assert await parts.ask(worker) is not None
        parts.set_container_state(worker, state)
        deaths += 1
        await parts.settle()
        time.passes(60)
    assert deaths == 3, "backoffLimit more than the first"
    assert failed(parts)["reason"] == reason
    assert words in failed(parts)["message"]
    assert status.is_true(parts.status(), "ResultsStored"), "that nothing was computed is stored, too"


async def test_what_is_no_fault_of_the_job_costs_it_nothing(time: Any) -> None:
    parts = await accepted(backoffLimit=0)
    disrupted = [{"type": "DisruptionTarget", "status": "True"}]
    for number, (state, conditions) in enumerate(
        [(terminated(137), disrupted), (OOM, disrupted), (terminated(75), []), (terminated(0), [])]
    ):
        worker = parts.hire(f"w{number}")
        assert await parts.ask(worker) is not None
        parts.set_container_state(worker, state, conditions)
        await parts.settle()
    worker = parts.hire("silent")
    assert await parts.ask(worker) is not None
    time.passes(SILENT_SECONDS + 1)
    assert parts.queue.expire(time.now) == [OF]
    worker = parts.hire("deleted")
    assert await parts.ask(worker) is not None
    parts.router.pod(
        parts.kube.vanish(next(k for k, _, n in parts.kube.objects if n == worker.name), worker.name), True
    )
    await parts.settle()
    assert not status.is_terminal(parts.status())
    assert parts.status().get("attempts", 0) == 0
    worker = parts.hire("last")
    assert await parts.ask(worker) is not None
    parts.store_last()
    await parts.ask(worker, EndedOrder(OF.uid, 0))
    await parts.settle()
    assert parts.status()["phase"] == "Succeeded"


async def test_a_worker_that_says_it_has_ended_and_has_stored_nothing_ends_the_job() -> None:
    """A lie or a defect: nobody computes for ever for a worker that does not store."""
    parts, worker = await execution_fields()
    await parts.ask(worker, EndedOrder(OF.uid, 0))
    for _ in range(MISSES):
        with pytest.raises(NotEnded):
            await parts.reconcile()
        assert not status.is_terminal(parts.status())
    await parts.reconcile()
    assert (parts.status()["phase"], failed(parts)["reason"]) == ("Failed", Reason.RESULTS_INCOMPLETE)
    assert parts.queue.assignment(only(OF)) is None


async def test_results_that_are_corrupt_are_never_complete() -> None:
    parts, worker = await execution_fields()
    parts.store.pending.put_once(keys.segment(only(OF), keys.LAST), b"{}")
    await parts.ask(worker, EndedOrder(OF.uid, 0))
    await parts.settle()
    assert failed(parts)["reason"] == Reason.RESULTS_CORRUPT
    assert keys.manifest(OF) not in parts.store.completed.objects


async def test_a_job_beyond_its_deadline_keeps_what_is_done(time: Any) -> None:
    of = quantumjob()
    of["spec"]["program"]["pubs"] *= 2
    of["spec"]["program"]["pubs"] = [pub | {"name": f"p{n}"} for n, pub in enumerate(of["spec"]["program"]["pubs"])]
    parts = Parts(FakeKube(of))
    await parts.settle()
    worker = parts.hire()
    await parts.ask(worker)
    first = keys.segment_name(0)
    parts.store.pending.put_once(keys.segment(only(OF), first), encode(segment(OF, first, [result(0)], [])))
    for _ in range(700):
        time.passes(1)
        parts.alive(worker, OF.uid)
        if parts.queue.expire(time.now):
            break
    await parts.reconcile()
    assert (failed(parts)["reason"], parts.status()["progress"]) == (Reason.DEADLINE_EXCEEDED, "1/2")
    assert parts.alive(worker, OF.uid).stop


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
    parts, worker = await execution_fields()
    parts.edit(cancel=True)
    parts.store_last()
    await parts.ask(worker, EndedOrder(OF.uid, 0))
    await parts.settle()
    assert parts.status()["phase"] == "Succeeded"


async def test_a_cancelled_job_whose_worker_dies_is_cancelled() -> None:
    for state in (terminated(137), terminated(75)):
        parts, worker = await execution_fields()
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


async def test_the_reconciler_leaves_a_shared_job_to_its_worker(time: Any) -> None:
    """It knows of no turn: what it does not see must not look to it as if there were nobody."""
    parts, _ = await execution_fields()
    await parts.told(time)
    reconciler = Controller(parts.kube, lambda: parts.store.opened, dict)  # type: ignore[arg-type, return-value]
    reconciler.cache.put_quantumjob(parts.found())
    await reconciler.reconcile(OF)
    assert not status.is_terminal(parts.status())
    parts.store_last()
    reconciler.memory.clear()
    await reconciler.reconcile(OF)
    assert parts.status()["phase"] == "Succeeded", "it finishes what is done"


async def test_the_reconciler_does_not_cancel_under_a_worker_s_hands() -> None:
    parts, _ = await execution_fields(cancel=False)
    parts.edit(cancel=True)
    await parts.settle()
    reconciler = Controller(parts.kube, lambda: parts.store.opened, dict)  # type: ignore[arg-type, return-value]
    reconciler.cache.put_quantumjob(parts.found())
    await reconciler.reconcile(OF)
    assert not status.is_terminal(parts.status()), "its worker stores what is done first"


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


async def test_jobs_of_all_kinds_go_their_ways_at_once() -> None:
    parts = Parts(
        FakeKube(another("small"), another("own", dedicated=True), another("far", namespace="other", cancel=True))
    )
    await parts.settle()
    shared = {made["metadata"]["name"].startswith("qj-shared-") for made in parts.kube.of_kind(JOBS)}
    assert shared == {True, False}
    assert parts.kube.status("far", "other")["phase"] == "Cancelled"
    assert only(Owner("team", "uid-small")) in parts.queue.of_namespace("team").waiting
    assert parts.queue.assignment(only(Owner("team", "uid-own"))) is None


async def test_a_code_that_no_worker_has_makes_no_figure_of_its_own() -> None:
    """What a worker says is a tenant's word: it must not fill the operator's memory."""
    parts = await accepted()
    worker = parts.hire()
    before = sum(1 for _ in metrics.ORDERS_ENDED.collect()[0].samples)
    for code in range(1000, 1100):
        await parts.ask(worker, EndedOrder("nobody", 0, code))
    assert sum(1 for _ in metrics.ORDERS_ENDED.collect()[0].samples) < before + 10


async def test_a_deleted_job_is_forgotten_and_its_worker_told(time: Any) -> None:
    parts, worker = await execution_fields()
    parts.router.quantumjob(parts.kube.vanish(QUANTUMJOBS, "bell"), True)
    await parts.settle()
    assert parts.alive(worker, OF.uid).stop
    assert (parts.queue.assignment(only(OF)), parts.controller.memory) == (None, {})
    assert await parts.ask(worker, EndedOrder(OF.uid, 0, int(Exit.TEMPORARY))) is None


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


@pytest.mark.parametrize("way", [SHARED, DEDICATED])
async def test_a_label_that_is_added_after_acceptance_does_not_change_the_way(way: str, time: Any) -> None:
    of = quantumjob()
    if way == DEDICATED:
        of["metadata"]["labels"] = {names.LABEL_QUEUE: "mine"}
    parts = Parts(FakeKube(of))
    await parts.controller.reconcile(OF)
    await parts.told(time)
    assert parts.status()["placement"] == way
    raw = parts.found()
    changed = {} if way == DEDICATED else {names.LABEL_QUEUE: "mine"}
    parts.router.quantumjob(
        parts.kube.put(QUANTUMJOBS, raw | {"metadata": raw["metadata"] | {"labels": changed}}), False
    )
    await parts.settle()
    again = parts.restarted()
    await again.settle()
    for each in (parts, again):
        assert each.autoscaler.uses_shared(each.found()) == (way == SHARED)
        assert (each.queue.assignment(only(OF)) is not None) == (way == SHARED)
    assert parts.status()["placement"] == way
    assert ("job" in parts.status() or bool(parts.controller.cache.job(OF))) == (way == DEDICATED)


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
    parts, _ = await execution_fields()
    assert parts.status() == {}
    again = parts.restarted()
    parts.store_last()
    await again.settle()
    assert (again.status()["phase"], again.queue.assignment(only(OF))) == ("Succeeded", None)


async def test_a_cancel_does_not_overtake_a_worker_of_which_only_a_lost_draft_knew(time: Any) -> None:
    parts, worker = await execution_fields()
    parts.edit(cancel=True)
    again = parts.restarted()
    await again.settle()
    assert again.status() == {}, "whoever has it would not be heard yet"
    assert again.alive(worker, OF.uid).stop
    await again.ask(worker, EndedOrder(OF.uid, 0, int(Exit.TEMPORARY), "The operator stopped this order."))
    time.passes(PAUSE_SECONDS + 1)
    await again.reconcile()
    assert again.status()["phase"] == "Cancelled"


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
