"""The controller against an API server in memory and a store on a real disk's worth of dict."""

from __future__ import annotations

from typing import Any

import pytest

from quantumjob_contract import keys
from quantumjob_contract.schema.program import decode_program
from quantumjob_contract.store_errors import StoreUnavailable
from quantumjob_operator.kubernetes.client import ApiError
from quantumjob_operator.model import status
from quantumjob_operator.model.placement import DEDICATED
from quantumjob_operator.model.worker_state import ABSENT
from quantumjob_operator.reconcile.controller import Controller
from quantumjob_operator.reconcile.steps import MISSES
from quantumjob_operator.results.collect import NotEnded
from support.jobs import only, result, write_job
from support.kube import EVENTS, JOBS, QUANTUMJOBS, FakeKube, job, pod, program_of, quantumjob, terminated
from support.parts import OF, Parts


class Bench(Parts):
    """An operator that gives each job a worker of its own, with one job."""

    def __init__(self) -> None:
        super().__init__(FakeKube(quantumjob()), linger=0)

    def finish(self) -> None:
        """The worker stores its last segment."""
        self.store_last()

    def pod(self, state: dict[str, Any]) -> None:
        self.router.pod(pod(quantumjob(), state), False)


async def test_from_apply_to_complete() -> None:
    bench = Bench()
    first = await bench.reconcile()
    assert [what for what, _ in bench.kube.calls if what.startswith(("status", "create jobs"))] == [
        "status",
        "create jobs",
    ]
    assert first["phase"] == "Pending"
    program = decode_program(bench.store.pending.get(keys.program(OF), 10**6))
    assert program.seed == first["seed"]
    bench.finish()
    bench.pod(terminated(0))
    last = await bench.reconcile()
    assert (last["phase"], last["progress"]) == ("Succeeded", "1/1")
    assert last["results"]["sha256"] == bench.store.completed.sha256(last["results"]["key"])
    for kind in ("Complete", "ResultsStored", "Ready"):
        assert status.is_true(last, kind)
    assert not status.is_true(last, "Reconciling")
    assert {event["reason"] for event in bench.kube.of_kind(EVENTS)} == {"WorkerCreated", "AllPubsSucceeded"}
    assert bench.controller.memory == {}


async def test_a_finished_job_costs_no_call() -> None:
    bench = Bench()
    await bench.reconcile()
    bench.finish()
    bench.pod(terminated(0))
    await bench.reconcile()
    bench.kube.calls.clear()
    bench.controller.cache.drop_job(bench.kube.of_kind(JOBS)[0])
    for _ in range(3):
        await bench.reconcile()
    assert bench.kube.calls == []


async def test_the_echo_of_an_older_status_undoes_nothing() -> None:
    bench = Bench()
    old = await bench.kube.get(QUANTUMJOBS, "team", "bell")
    await bench.reconcile()
    assert old is not None
    bench.controller.cache.put_quantumjob(old)
    bench.kube.calls.clear()
    await bench.reconcile()
    assert "create jobs" not in [what for what, _ in bench.kube.calls]


async def test_a_conflict_is_resolved_from_the_newest_version() -> None:
    bench = Bench()
    touched = quantumjob()
    touched["metadata"]["labels"] = {"team": "red"}
    bench.kube.put(QUANTUMJOBS, touched)
    found = await bench.reconcile()
    assert status.is_true(found, "Accepted")
    assert bench.kube.objects[QUANTUMJOBS, "team", "bell"]["metadata"]["labels"] == {"team": "red"}


async def test_a_resource_of_the_same_name_never_gets_the_old_ones_status() -> None:
    bench = Bench()
    again = quantumjob()
    again["metadata"]["uid"] = "other"
    bench.kube.put(QUANTUMJOBS, again)
    await bench.reconcile()
    assert bench.kube.status() == {}
    assert bench.controller.cache.quantumjobs == {}


async def test_an_existing_job_is_adopted() -> None:
    bench = Bench()
    bench.kube.put(JOBS, job(quantumjob()))
    await bench.reconcile()
    assert len(bench.kube.of_kind(JOBS)) == 1
    assert bench.controller.cache.job(OF) is not None
    assert not bench.controller.memory_of(OF).accepted_here, "an earlier process may have given its order"


async def test_a_foreign_job_of_the_name_is_not_adopted() -> None:
    bench = Bench()
    foreign = job(quantumjob())
    foreign["metadata"]["ownerReferences"] = []
    bench.kube.put(JOBS, foreign)
    with pytest.raises(ApiError, match="does not belong"):
        await bench.reconcile()


async def test_a_store_that_is_down_is_told_and_waited_for() -> None:
    bench = Bench()
    bench.store.pending.down = True
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await bench.reconcile()
    told = status.condition(bench.kube.status(), "Reconciling")
    assert told is not None
    assert (told["reason"], bench.kube.status()["phase"]) == ("WaitingForStore", "Pending")
    assert [e["reason"] for e in bench.kube.of_kind(EVENTS)] == ["WaitingForStore"], "told once"
    assert bench.kube.of_kind(JOBS) == []
    bench.store.pending.down = False
    await bench.reconcile()
    assert len(bench.kube.of_kind(JOBS)) == 1


async def test_a_refused_job_is_told() -> None:
    bench = Bench()
    await bench.reconcile()
    bench = Bench()
    real = bench.kube.create

    async def refuse(kind: Any, namespace: str, body: Any) -> Any:
        if kind is JOBS:
            raise ApiError(403, "exceeded quota: count/jobs.batch")
        return await real(kind, namespace, body)

    bench.kube.create = refuse  # type: ignore[method-assign]
    with pytest.raises(ApiError):
        await bench.reconcile()
    told = status.condition(bench.kube.status(), "Reconciling")
    assert told is not None
    assert told["reason"] == "PodRefused"
    assert "exceeded quota" in told["message"]


async def test_an_absence_is_not_believed_at_once() -> None:
    bench = Bench()
    await bench.reconcile()
    bench.pod(terminated(0))
    for _ in range(MISSES):
        with pytest.raises(NotEnded):
            await bench.reconcile()
        assert not status.is_terminal(bench.kube.status())
    last = await bench.reconcile()
    failed = status.condition(last, "Failed")
    assert failed is not None
    assert failed["reason"] == "ResultsIncomplete"
    assert status.is_true(last, "ResultsStored")


async def test_corrupt_results_are_never_complete() -> None:
    bench = Bench()
    await bench.reconcile()
    bench.store.pending.put_once(keys.segment(only(OF), keys.LAST), b"{}")
    bench.pod(terminated(0))
    last = await bench.reconcile()
    assert last["phase"] == "Failed"
    assert not status.is_true(last, "ResultsStored")
    assert keys.manifest(OF) not in bench.store.completed.objects


async def test_the_reconciler_finishes_and_starts_nothing() -> None:
    bench = Bench()
    reconciler = Controller(bench.kube, lambda: bench.store.opened, dict)  # type: ignore[arg-type, return-value]
    reconciler.cache, bench.controller = bench.controller.cache, reconciler
    assert await bench.reconcile() == {}
    assert bench.kube.of_kind(JOBS) == []
    started = quantumjob()
    bench.kube.put(
        QUANTUMJOBS,
        started | {"status": status.accepted(started, program_of(started), DEDICATED, ABSENT, status.clock.now())},
    )
    bench.controller.cache.put_quantumjob(bench.kube.objects[QUANTUMJOBS, "team", "bell"])
    write_job(bench.store.pending, OF, [[result(0)]])  # type: ignore[arg-type]
    bench.controller.cache.put_job(job(started, ("Complete", "")))
    assert (await bench.reconcile())["phase"] == "Succeeded"
