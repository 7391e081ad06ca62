"""A dead watch is found, told from the list, and makes the liveness answer red; a slow or forged object does not."""

from __future__ import annotations

import pytest

from quantumjob_contract.keys import Owner
from quantumjob_operator import clock
from quantumjob_operator.scheduling.assignment import Assignment
from quantumjob_operator.watch import resync as module
from quantumjob_operator.watch.resync import Resync, outdated
from support.kube import (
    JOBS,
    PODS,
    QUANTUMJOBS,
    RUNNING,
    UID,
    FakeKube,
    job,
    pod,
    quantumjob,
    shared_job,
    shared_pod,
)
from support.parts import Parts

OF = Owner("team", UID)


@pytest.fixture
def resync(monkeypatch: pytest.MonkeyPatch) -> Resync:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.0)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.0)
    parts = Parts(FakeKube())
    parts.kube.put(QUANTUMJOBS, quantumjob())
    return Resync(parts.router, [], 60.0)


def test_behind_is_missing_or_older() -> None:
    assert outdated({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 1}) == {"b", "c"}
    assert outdated({"a": 1}, {"a": 2, "gone": 1}) == set()


async def test_the_first_comparison_blames_nobody(resync: Resync) -> None:
    await resync.compare()
    assert resync.synced
    assert resync.failure == ""
    assert OF in resync.router.controller.cache.quantumjobs, "what the watch had not told yet is told from the list"


async def test_a_dead_watch_is_red_and_loses_nothing(resync: Resync) -> None:
    await resync.compare()
    changed = quantumjob(status={"phase": "new"})
    resync.router.controller.kube.put(QUANTUMJOBS, changed)  # type: ignore[attr-defined]
    await resync.compare()
    assert resync.failure == "1 quantumjobs missed"
    assert resync.router.controller.cache.quantumjobs[OF]["status"] == {"phase": "new"}
    assert await resync.router.controller.work_queue.get() == OF
    await resync.compare()
    assert resync.failure == "", "a watch that has caught up is alive"


async def test_a_deletion_that_the_watch_has_missed_is_red_and_healed(resync: Resync) -> None:
    kube = resync.router.controller.kube
    kube.put(JOBS, job(quantumjob()))  # type: ignore[attr-defined]
    await resync.compare()
    assert resync.router.controller.cache.job(OF) is not None
    kube.objects.clear()  # type: ignore[attr-defined]
    await resync.compare()
    assert resync.failure == "1 quantumjobs missed, 1 jobs missed"
    assert resync.router.controller.cache.job(OF) is None
    assert resync.router.controller.cache.quantumjobs == {}


async def test_what_is_deleted_during_a_comparison_is_not_missed(resync: Resync) -> None:
    await resync.compare()
    kube, cache = resync.router.controller.kube, resync.router.controller.cache
    kube.put(JOBS, job(quantumjob()))  # type: ignore[attr-defined]
    real = kube.get

    async def gone_by_now(*where: object) -> object:
        kube.objects.pop((JOBS, "team", job(quantumjob())["metadata"]["name"]), None)  # type: ignore[attr-defined]
        return await real(*where)  # type: ignore[arg-type]

    kube.get = gone_by_now  # type: ignore[method-assign, assignment]
    await resync.compare()
    assert resync.failure == ""
    assert cache.job(OF) is None


async def test_an_object_that_only_carries_the_label_does_not_make_it_red(resync: Resync) -> None:
    await resync.compare()
    forged = job(quantumjob())
    forged["metadata"]["ownerReferences"] = []
    resync.router.controller.kube.put(JOBS, forged)  # type: ignore[attr-defined]
    await resync.compare()
    assert resync.failure == ""


FORGED = {
    "a shared worker's pod that no Job controls": (PODS, shared_pod(), []),
    "a shared worker's Job that somebody controls": (JOBS, shared_job(), [{"uid": "x", "controller": True}]),
    "a dedicated worker's pod that no Job controls": (PODS, pod(quantumjob()), []),
}


@pytest.mark.parametrize("case", FORGED)
async def test_whatever_somebody_labels_does_not_make_it_red(resync: Resync, case: str) -> None:
    kind, forged, references = FORGED[case]
    await resync.compare()
    forged["metadata"]["ownerReferences"] = references
    stored = resync.router.controller.kube.put(kind, forged)  # type: ignore[attr-defined]
    resync.router.handler_of(kind)(stored, False)
    await resync.compare()
    assert resync.failure == "", "the watch has told of it"


async def test_a_shared_worker_that_the_watch_has_missed_is_red_and_told(resync: Resync) -> None:
    await resync.compare()
    kube, autoscaler = resync.router.controller.kube, resync.router.autoscaler
    for kind, item in ((JOBS, shared_job()), (PODS, shared_pod("a", RUNNING))):
        kube.put(kind, item)  # type: ignore[attr-defined]
    await resync.compare()
    assert resync.failure == "1 jobs missed, 1 pods missed"
    assert autoscaler.pool.count_running("team") == 1
    assert await autoscaler.work_queue.get() == "team"
    kube.objects.clear()  # type: ignore[attr-defined]
    await resync.compare()
    assert autoscaler.pool.count_running("team") == 0


async def test_namespaces_in_which_somebody_waits_are_looked_at(resync: Resync) -> None:
    resync.router.autoscaler.queue.enqueue(OF, [Assignment(0.03, 600.0, 3, clock.now())], clock.now())
    await resync.compare()
    assert await resync.router.autoscaler.work_queue.get() == "team"
