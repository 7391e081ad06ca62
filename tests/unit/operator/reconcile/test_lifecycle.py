"""Whole lives of small jobs that share a worker: what they cost, how they end, what goes wrong on the way."""

from __future__ import annotations

from typing import Any

import pytest

from quantumjob_contract import keys, names
from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.keys import Owner
from quantumjob_contract.reasons import Reason
from quantumjob_contract.schema.orders import EndedOrder
from quantumjob_contract.schema.program import encode
from quantumjob_contract.store_errors import StoreUnavailable
from quantumjob_operator import metrics
from quantumjob_operator.model import status
from quantumjob_operator.model.placement import DEDICATED, SHARED
from quantumjob_operator.reconcile import plan
from quantumjob_operator.reconcile.controller import Controller
from quantumjob_operator.reconcile.steps import MISSES
from quantumjob_operator.results.collect import NotEnded
from quantumjob_operator.scheduling.assignment import SILENT_SECONDS
from support.jobs import only, result, segment
from support.kube import (
    EVENTS,
    JOBS,
    QUANTUMJOBS,
    FakeKube,
    another,
    quantumjob,
    terminated,
)
from support.parts import OF, Parts
from support.scenarios import accepted, assigned, doing, failed

pytestmark = pytest.mark.usefixtures("time", "no_poll")

OOM = terminated(137, reason="OOMKilled")


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
    parts, worker = await assigned()
    parts.store_last()
    await parts.ask(worker, EndedOrder(OF.uid, 0))
    await parts.settle()
    assert parts.status()["phase"] == "Succeeded"
    assert len(parts.store.requests) <= 5, parts.store.requests


async def test_a_finished_job_costs_no_call_and_no_memory() -> None:
    parts, worker = await assigned()
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


async def test_a_job_whose_results_wait_for_the_store_is_not_pending_again(time: Any) -> None:
    parts, worker = await assigned()
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
    parts, worker = await assigned()
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
    parts, worker = await assigned()
    await parts.ask(worker, EndedOrder(OF.uid, 0))
    for _ in range(MISSES):
        with pytest.raises(NotEnded):
            await parts.reconcile()
        assert not status.is_terminal(parts.status())
    await parts.reconcile()
    assert (parts.status()["phase"], failed(parts)["reason"]) == ("Failed", Reason.RESULTS_INCOMPLETE)
    assert parts.queue.assignment(only(OF)) is None


async def test_results_that_are_corrupt_are_never_complete() -> None:
    parts, worker = await assigned()
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


async def test_the_reconciler_leaves_a_shared_job_to_its_worker(time: Any) -> None:
    """It knows of no turn: what it does not see must not look to it as if there were nobody."""
    parts, _ = await assigned()
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
    parts, _ = await assigned(cancel=False)
    parts.edit(cancel=True)
    await parts.settle()
    reconciler = Controller(parts.kube, lambda: parts.store.opened, dict)  # type: ignore[arg-type, return-value]
    reconciler.cache.put_quantumjob(parts.found())
    await reconciler.reconcile(OF)
    assert not status.is_terminal(parts.status()), "its worker stores what is done first"


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
    parts, worker = await assigned()
    parts.router.quantumjob(parts.kube.vanish(QUANTUMJOBS, "bell"), True)
    await parts.settle()
    assert parts.alive(worker, OF.uid).stop
    assert (parts.queue.assignment(only(OF)), parts.controller.memory) == (None, {})
    assert await parts.ask(worker, EndedOrder(OF.uid, 0, int(Exit.TEMPORARY))) is None


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
