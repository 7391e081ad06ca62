"""Who looks again at what the watches tell."""

from __future__ import annotations

from quantumjob_operator import clock
from quantumjob_operator.kubernetes.client import JOBS, PODS, QUANTUMJOBS
from quantumjob_operator.scheduling.assignment import Assignment
from support.jobs import only
from support.kube import RUNNING, FakeKube, job, pod, quantumjob, shared_job, shared_pod, terminated
from support.parts import OF, Parts


def assignment() -> Assignment:
    return Assignment(0.03, 600.0, 3, clock.now())


async def looked_at(parts: Parts) -> tuple[list[object], list[str]]:
    """The QuantumJobs and the namespaces that wait to be looked at."""
    work_queue, spaces = parts.controller.work_queue, parts.autoscaler.work_queue
    return [await work_queue.get() for _ in range(len(work_queue))], [await spaces.get() for _ in range(len(spaces))]


def test_each_kind_has_its_way() -> None:
    router = Parts(FakeKube()).router
    assert [router.handler_of(kind) for kind in (QUANTUMJOBS, JOBS, PODS)] == [
        router.quantumjob,
        router.job,
        router.pod,
    ]


async def test_a_quantumjob_is_looked_at() -> None:
    parts = Parts(FakeKube())
    parts.router.quantumjob(quantumjob(), False)
    assert await looked_at(parts) == ([OF], [])
    assert OF in parts.controller.cache.quantumjobs


async def test_a_quantumjob_that_is_gone_leaves_nothing() -> None:
    parts = Parts(FakeKube())
    parts.router.quantumjob(quantumjob(), False)
    parts.controller.memory_of(OF)
    parts.queue.enqueue(OF, [assignment()], clock.now())
    parts.router.quantumjob(quantumjob(), True)
    assert (parts.controller.cache.quantumjobs, parts.controller.memory, parts.queue.assignment(only(OF))) == (
        {},
        {},
        None,
    )
    parts.router.quantumjob(quantumjob(), False)
    assert parts.controller.cache.quantumjobs == {}, "a late echo brings nothing back"


async def test_a_dedicated_worker_concerns_its_quantumjob() -> None:
    parts = Parts(FakeKube())
    parts.router.job(job(quantumjob()), False)
    assert await looked_at(parts) == ([OF], [])
    for kind, item in ((parts.router.pod, pod(quantumjob(), RUNNING)), (parts.router.pod, pod(quantumjob()))):
        kind(item, item["status"]["containerStatuses"][1]["state"] == {})
        parts.controller.work_queue.done(OF)
        assert await looked_at(parts) == ([OF], [])
    parts.controller.work_queue.done(OF)
    parts.router.job(job(quantumjob()), True)
    assert await looked_at(parts) == ([OF], [])
    assert parts.controller.cache.job(OF) is None


async def test_a_shared_worker_concerns_its_namespace() -> None:
    parts = Parts(FakeKube())
    for take, item, gone in (
        (parts.router.job, shared_job(), False),
        (parts.router.pod, shared_pod("a", RUNNING), False),
        (parts.router.pod, shared_pod("a", terminated(0), version=31), False),
        (parts.router.pod, shared_pod("a"), True),
        (parts.router.job, shared_job(), True),
    ):
        take(item, gone)
        assert await looked_at(parts) == ([], ["team"])
        parts.autoscaler.work_queue.done("team")
    assert parts.controller.cache.versions("pods") == {}


async def test_a_shared_worker_s_end_concerns_whose_order_it_had() -> None:
    parts = Parts(FakeKube())
    worker = parts.hire("a")
    parts.queue.enqueue(OF, [assignment()], clock.now())
    parts.queue.take(worker, clock.now())
    await looked_at(parts)
    parts.autoscaler.work_queue.done("team")
    parts.set_container_state(worker, terminated(137))
    assert await looked_at(parts) == ([OF], ["team"])


async def test_what_only_carries_a_label_concerns_nobody() -> None:
    parts = Parts(FakeKube())
    forged = [shared_job(), shared_pod(), job(quantumjob())]
    for item, controller in zip(forged, ([{"uid": "x", "controller": True}], [], []), strict=True):
        item["metadata"]["ownerReferences"] = controller
    for gone in (False, True):
        parts.router.pod(forged[1], gone)
        parts.router.job(forged[2], gone)
    parts.router.job(forged[0], False)
    assert await looked_at(parts) == ([], [])
