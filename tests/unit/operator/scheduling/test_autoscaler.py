"""Shared workers are started as they are needed, and what keeps them from starting is told."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from quantumjob_contract import names
from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.reasons import Reason
from quantumjob_operator import clock
from quantumjob_operator.kubernetes import workqueue
from quantumjob_operator.kubernetes.client import JOBS, ApiError, ResourceKind
from quantumjob_operator.model.job_template import build_shared, template_of
from quantumjob_operator.model.worker_state import WorkerState
from quantumjob_operator.scheduling.assignment import SILENT_SECONDS, Assignment, Pod
from quantumjob_operator.scheduling.autoscaler import TICK_SECONDS, new_assignments
from quantumjob_operator.scheduling.worker_pool import (
    DELETE_SILENT_SECONDS,
    NO_POD_SECONDS,
    SILENT_WORKER_SECONDS,
    UNSTARTED_SECONDS,
)
from support.jobs import only, program
from support.kube import PODS, FakeKube, quantumjob, shared_pod, terminated
from support.parts import BUILD, OF, Parts

LONG, SHORT = 60.0, 0.03
QUOTA = "exceeded quota: count/jobs.batch"


class Quota(FakeKube):
    """An API server that takes so many Jobs and no more."""

    def __init__(self, jobs: int, status: int = 403) -> None:
        super().__init__()
        self.jobs, self.status_code = jobs, status
        self.refused = 0
        self.taken = asyncio.Event()

    async def create(self, kind: ResourceKind, namespace: str, body: dict[str, Any]) -> dict[str, Any] | None:
        if kind is JOBS and len(self.of_kind(JOBS)) >= self.jobs:
            self.refused += 1
            # As the real one says it: with the name, which must not make each refusal news.
            raise ApiError(self.status_code, f'jobs.batch "{body["metadata"]["name"]}" is forbidden: {QUOTA}')
        created = await super().create(kind, namespace, body)
        self.taken.set()
        return created


def wait(parts: Parts, count: int, expected: float, first: int = 0, namespace: str = "team") -> list[Owner]:
    """So many jobs wait for their turn."""
    owners = [Owner(namespace, f"uid-{number}") for number in range(first, first + count)]
    for owner in owners:
        parts.autoscaler.enqueue(owner, [Assignment(expected, 600.0, 3, clock.now())])
    return owners


async def reconcile(parts: Parts, namespace: str = "team") -> int:
    """Gives how many workers' Jobs there are afterwards."""
    await parts.autoscaler.reconcile(namespace)
    return len(parts.kube.of_kind(JOBS))


async def heard(parts: Parts) -> set[Owner]:
    """Those at whom the controller was told to look."""
    work_queue, owners = parts.controller.work_queue, set()
    while len(work_queue):
        owners.add(await work_queue.get())
    for owner in owners:
        work_queue.done(owner)
    return owners


@pytest.mark.parametrize(
    ("count", "expected", "workers"),
    [(0, SHORT, 0), (1, SHORT, 1), (20, SHORT, 1), (1000, SHORT, 4), (1, LONG, 1), (20, LONG, 3)],
)
async def test_as_many_workers_are_started_as_the_queue_is_worth(count: int, expected: float, workers: int) -> None:
    parts = Parts(FakeKube())
    wait(parts, count, expected)
    assert await reconcile(parts) == workers
    assert await reconcile(parts) == workers, "those that are about to run are counted"


async def test_a_worker_belongs_to_nobody_and_has_a_name_of_its_own() -> None:
    parts = Parts(FakeKube())
    wait(parts, 20, LONG)
    await reconcile(parts)
    jobs = parts.kube.of_kind(JOBS)
    assert len({job["metadata"]["name"] for job in jobs}) == 3
    for job in jobs:
        assert job["metadata"]["namespace"] == "team"
        template = template_of(build_shared("another", **BUILD))
        assert job["metadata"]["labels"] == {names.LABEL_WORKER: names.SHARED, names.LABEL_TEMPLATE: template}
        assert "ownerReferences" not in job["metadata"]


async def test_namespaces_have_workers_of_their_own() -> None:
    parts = Parts(FakeKube())
    wait(parts, 20, LONG)
    wait(parts, 1, SHORT, namespace="other")
    await parts.settle()
    spaces = [job["metadata"]["namespace"] for job in parts.kube.of_kind(JOBS)]
    assert (spaces.count("team"), spaces.count("other")) == (3, 1)


async def test_those_that_are_there_are_counted() -> None:
    parts = Parts(FakeKube())
    parts.hire("a")
    wait(parts, 20, SHORT)
    assert await reconcile(parts) == 1
    wait(parts, 20, LONG, first=100)
    assert await reconcile(parts) == 4


async def test_a_worker_that_leaves_or_has_ended_is_replaced_where_somebody_waits() -> None:
    parts = Parts(FakeKube())
    pod = parts.hire("a")
    parts.autoscaler.pool.drain(pod)
    assert await reconcile(parts) == 1
    wait(parts, 1, SHORT)
    assert await reconcile(parts) == 2
    for job in parts.kube.of_kind(JOBS):
        ended = job | {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
        parts.router.job(parts.kube.put(JOBS, ended), False)
    assert await reconcile(parts) == 3


async def test_none_is_started_before_the_watches_have_told_of_those_that_there_are() -> None:
    parts = Parts(FakeKube())
    parts.ready = False
    wait(parts, 20, LONG)
    assert await reconcile(parts) == 0
    assert parts.kube.calls == []
    parts.ready = True
    assert await reconcile(parts) == 3


async def test_never_more_than_the_setting_allows() -> None:
    parts = Parts(FakeKube(), max_workers=2)
    wait(parts, 1000, SHORT)
    wait(parts, 1000, LONG, first=1000)
    assert await reconcile(parts) == 2


async def test_a_quota_is_told_once_and_heals() -> None:
    kube = Quota(0)
    parts = Parts(kube)
    owners = set(wait(parts, 2, LONG))
    for _ in range(3):
        with pytest.raises(ApiError):
            await reconcile(parts)
    assert await heard(parts) == owners
    obstacle = parts.queue.of_namespace("team").obstacle
    assert obstacle is not None
    assert obstacle.reason == Reason.POD_REFUSED
    assert QUOTA in obstacle.message
    with pytest.raises(ApiError):
        await reconcile(parts)
    assert await heard(parts) == set(), "the same is told once"
    kube.jobs = 10
    assert await reconcile(parts) == 2
    assert parts.queue.of_namespace("team").obstacle is None
    assert await heard(parts) == owners


async def test_what_is_no_refusal_is_not_told_to_the_jobs() -> None:
    parts = Parts(Quota(0, status=500))
    wait(parts, 1, SHORT)
    with pytest.raises(ApiError):
        await reconcile(parts)
    assert parts.queue.of_namespace("team").obstacle is None


async def test_a_refused_worker_is_tried_again_until_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workqueue, "FIRST_RETRY_SECONDS", 0.0)
    kube = Quota(0)
    parts = Parts(kube)
    task = asyncio.create_task(parts.autoscaler.run())
    wait(parts, 1, SHORT)
    while kube.refused < 3:
        await asyncio.sleep(0)
    kube.jobs = 1
    await asyncio.wait_for(kube.taken.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_while_a_refusal_is_waited_out_nothing_asks_sooner() -> None:
    parts = Parts(FakeKube())
    parts.autoscaler.work_queue.retry("team")
    parts.autoscaler.trigger("team")
    wait(parts, 1, SHORT)
    assert len(parts.autoscaler.work_queue) == 0
    parts.autoscaler.trigger("other")
    assert len(parts.autoscaler.work_queue) == 1


async def test_where_a_worker_runs_nobody_is_told_that_there_could_be_more() -> None:
    kube = Quota(1)
    parts = Parts(kube)
    parts.hire("a")
    first, second = wait(parts, 2, LONG)
    with pytest.raises(ApiError):
        await reconcile(parts)
    assert parts.queue.of_namespace("team").obstacle is None
    assert await heard(parts) == set()
    pod = Pod("team", shared_pod("a")["metadata"]["name"], "pod-shared-a")
    assert parts.queue.take(pod, clock.now()) == only(first), "the one lane that can be had is for the long, too"
    parts.queue.end(only(first))
    assert parts.queue.take(pod, clock.now()) == only(second)


async def test_a_job_that_gets_no_pod_is_told(time: Any) -> None:
    parts = Parts(FakeKube())
    owners = wait(parts, 1, SHORT)
    await reconcile(parts)
    await heard(parts)
    time.passes(NO_POD_SECONDS + 1)
    await reconcile(parts)
    obstacle = parts.queue.of_namespace("team").obstacle
    assert obstacle is not None
    assert (obstacle.reason, await heard(parts)) == (Reason.POD_REFUSED, set(owners))
    name = parts.kube.of_kind(JOBS)[0]["metadata"]["name"].removeprefix("qj-shared-")
    parts.router.pod(parts.kube.put(PODS, shared_pod(name)), False)
    await reconcile(parts)
    assert parts.queue.of_namespace("team").obstacle is None
    assert await heard(parts) == set(owners)


async def test_after_a_start_it_is_looked_again_whether_the_worker_has_a_pod() -> None:
    parts = Parts(FakeKube())
    wait(parts, 1, SHORT)
    await reconcile(parts)
    parts.autoscaler.work_queue.retry("team")
    assert parts.autoscaler.work_queue.is_failing("team"), "a time is set"


def starving(parts: Parts, namespace: str = "far") -> None:
    """Another namespace's first worker finds no node."""
    wait(parts, 1, SHORT, namespace=namespace)
    parts.queue.set_obstacle(namespace, WorkerState("waiting", Reason.UNSCHEDULABLE, "0/1"), 1, clock.now())


async def test_while_another_namespace_starves_one_worker_must_do() -> None:
    parts = Parts(FakeKube())
    starving(parts)
    wait(parts, 20, LONG)
    assert await reconcile(parts) == 1
    assert not parts.autoscaler.should_yield("team"), "the only one stays"
    parts.hire("a")
    assert parts.autoscaler.should_yield("team")
    assert not parts.autoscaler.should_yield("far")
    parts.queue.set_obstacle("far", None, None, clock.now())
    assert not parts.autoscaler.should_yield("team")


OOM = terminated(137, reason="OOMKilled")
DISRUPTED = [{"type": "DisruptionTarget", "status": "True"}]


@pytest.mark.parametrize(
    ("state", "conditions", "attempts", "words"),
    [
        (terminated(137), [], 1, "exit code 137"),
        (OOM, [], 1, "memory limit"),
        (terminated(69, '{"reason":"X","message":"A defect."}'), [], 1, "A defect."),
        (terminated(1), [], 1, "exit code 1"),
        (terminated(137), DISRUPTED, 0, ""),
        (OOM, DISRUPTED, 0, ""),
        (terminated(75), [], 0, ""),
        (terminated(0), [], 0, ""),
        (terminated(0, reason="OOMKilled"), [], 0, ""),
    ],
    ids=["killed", "oom", "defect", "died", "drained", "drained and oom", "told to go", "done", "child oom"],
)
async def test_a_worker_that_ends_gives_its_order_back(
    state: dict[str, Any], conditions: list[dict[str, Any]], attempts: int, words: str
) -> None:
    parts = Parts(FakeKube())
    pod = parts.hire("a")
    (owner,) = wait(parts, 1, SHORT)
    assert parts.queue.take(pod, clock.now()) == only(owner)
    for _ in range(2):
        parts.set_container_state(pod, state, conditions)
    assignment = parts.queue.assignment(only(owner))
    assert assignment is not None
    assert only(owner) in parts.queue.of_namespace("team").waiting
    assert (assignment.attempts, assignment.pod) == (attempts, None), "the same end counts once"
    assert words in assignment.last_failure
    assert owner in await heard(parts)


async def test_a_pod_that_is_gone_gives_its_order_back() -> None:
    parts = Parts(FakeKube())
    pod = parts.hire("a")
    (owner,) = wait(parts, 1, SHORT)
    parts.queue.take(pod, clock.now())
    parts.router.pod(parts.kube.vanish(PODS, pod.name), True)
    assignment = parts.queue.assignment(only(owner))
    assert assignment is not None
    assert (assignment.attempts, assignment.pod) == (0, None)
    assert owner in await heard(parts)


async def test_a_worker_s_death_without_an_order_harms_nobody() -> None:
    parts = Parts(FakeKube())
    pod = parts.hire("a")
    (owner,) = wait(parts, 1, SHORT)
    parts.set_container_state(pod, terminated(137))
    assignment = parts.queue.assignment(only(owner))
    assert assignment is not None
    assert (assignment.attempts, await heard(parts)) == (0, set())


async def test_its_reason_when_no_attempt_is_left() -> None:
    parts = Parts(FakeKube())
    pod = parts.hire("a")
    parts.autoscaler.enqueue(OF, [Assignment(SHORT, 600.0, 0, clock.now())])
    parts.queue.take(pod, clock.now())
    parts.set_container_state(pod, OOM)
    assignment = parts.queue.assignment(only(OF))
    assert assignment is not None
    assert assignment.failure is not None
    assert assignment.failure.reason == Reason.OUT_OF_MEMORY
    assert "spec.resources.limits.memory" in assignment.failure.message


async def test_a_job_that_has_one_of_its_own_already_takes_no_turn() -> None:
    parts = Parts(FakeKube())
    assert parts.autoscaler.uses_shared(quantumjob())
    assert parts.autoscaler.uses_shared(quantumjob(status={"phase": "Pending"}))
    assert not parts.autoscaler.uses_shared(quantumjob(status={"job": "qj-x"}))
    parts.autoscaler.linger_seconds = 0.0
    assert not parts.autoscaler.uses_shared(quantumjob())


def test_a_new_turn_is_what_the_job_says_and_what_is_known_of_it() -> None:
    of, since = quantumjob(status={}), clock.now()
    (made,) = new_assignments(of, program(OF, 1), since)
    assert (made.deadline, made.retries, made.not_before, made.attempts, made.first_assigned) == (
        600.0,
        3,
        since,
        0,
        None,
    )
    assert made.expected > 0
    ordered = clock.now() - timedelta(seconds=100)
    of["status"] = {"attempts": 2, "times": {"ordered": clock.rfc3339(ordered)}}
    (made,) = new_assignments(of, program(OF, 1), since)
    assert (made.attempts, made.first_assigned) == (2, ordered)
    assert made.left(ordered + timedelta(seconds=100)) == 500


async def test_the_clock_alone_brings_on_what_is_due(monkeypatch: pytest.MonkeyPatch, time: Any) -> None:
    monkeypatch.setattr(
        "quantumjob_operator.scheduling.autoscaler.TICK_SECONDS", 0.1
    )  # with 0 every tick would be late
    parts = Parts(FakeKube())
    pod = parts.hire("a")
    silent, late = wait(parts, 2, SHORT)
    parts.queue.take(pod, clock.now())
    assignment = parts.queue.assignment(only(late))
    assert assignment is not None
    assignment.first_assigned, assignment.deadline = clock.now(), 10.0
    changed = parts.queue.of_namespace("team").changed
    changed.clear()
    time.passes(20)
    task = asyncio.create_task(parts.autoscaler.run())
    await asyncio.wait_for(changed.wait(), 30)
    async with asyncio.timeout(30):
        assert {await parts.controller.work_queue.get() for _ in range(2)} == {silent, late}
    assert {owner: only(owner) in parts.queue.of_namespace("team").finished for owner in (silent, late)} == {
        silent: False,
        late: True,
    }
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_silent_worker_is_replaced_and_in_the_end_its_job_deleted(time: Any) -> None:
    """Kubernetes says that it runs: its node is cut off, or it hangs."""
    parts = Parts(FakeKube())
    parts.hire("a")
    wait(parts, 1, SHORT)
    assert await reconcile(parts) == 1
    time.passes(SILENT_WORKER_SECONDS - 1)
    assert await reconcile(parts) == 1
    time.passes(1)
    assert await reconcile(parts) == 2, "another is started"
    assert await reconcile(parts) == 2, "one"
    other = next(made for made in parts.kube.of_kind(JOBS) if made["metadata"]["name"] != "qj-shared-a")
    parts.hire(other["metadata"]["name"].removeprefix("qj-shared-"))
    time.passes(DELETE_SILENT_SECONDS - SILENT_WORKER_SECONDS)
    await reconcile(parts)
    assert "delete jobs" not in parts.writes()
    time.passes(1)
    await reconcile(parts)
    assert [name for what, name in parts.kube.calls if what == "delete jobs"] == ["qj-shared-a"]


async def test_take_back_spares_a_worker_that_has_spoken(time: Any) -> None:
    parts = Parts(FakeKube())
    spoken, _ = (parts.hire(name, state={"waiting": {"reason": "ContainerCreating"}}) for name in "ab")
    for made in parts.kube.of_kind(JOBS):
        time.now = max(time.now, clock.parse(made["metadata"]["creationTimestamp"]))
    parts.autoscaler.pool.record_heartbeat(spoken, clock.now())
    time.passes(UNSTARTED_SECONDS + 1)
    await reconcile(parts)
    assert [name for what, name in parts.kube.calls if what == "delete jobs"] == ["qj-shared-b"]


async def test_a_late_tick_blames_nobody(monkeypatch: pytest.MonkeyPatch, time: Any) -> None:
    """This process slept, and heard nobody: whoever was silent meanwhile was not."""
    parts = Parts(FakeKube())
    pod = parts.hire("a")
    (owner,) = wait(parts, 1, SHORT)
    parts.queue.take(pod, clock.now())
    assignment = parts.queue.assignment(only(owner))
    assert assignment is not None
    loop, now, delay, ticks = asyncio.get_running_loop(), 1000.0, 0.0, 0
    monkeypatch.setattr(loop, "time", lambda: now, raising=False)
    ticked = asyncio.Event()

    async def sleep(seconds: float) -> None:
        nonlocal now, ticks
        ticks += 1
        if ticks > 2:
            ticked.set()
            await asyncio.Event().wait()
        now += seconds + delay

    time.passes(SILENT_SECONDS + 1)
    for seconds, carrier in ((TICK_SECONDS, pod), (0.0, None)):
        delay, ticks, ticked = seconds, 1, asyncio.Event()
        with monkeypatch.context() as patched:
            patched.setattr("quantumjob_operator.scheduling.autoscaler.asyncio.sleep", sleep)
            task = asyncio.create_task(parts.autoscaler._tick())
            await ticked.wait()
        assert assignment.pod == carrier
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_new_turns_are_one_for_each_shard() -> None:
    of, since = quantumjob(status={"attempts": 2, "times": {"ordered": "2026-01-02T03:04:05Z"}}), clock.now()
    made = new_assignments(of, program(OF, 8, 3), since)
    assert len(made) == 3
    assert len(set(map(id, made))) == 3, "what becomes of one is not another's"
    assert {
        (assignment.attempts, assignment.retries, assignment.deadline, assignment.not_before) for assignment in made
    } == {(2, 3, 600.0, since)}
    assert {assignment.first_assigned for assignment in made} == {clock.parse("2026-01-02T03:04:05Z")}


async def test_shards_of_a_long_job_are_worth_workers_of_their_own() -> None:
    parts = Parts(FakeKube())
    parts.autoscaler.enqueue(OF, [Assignment(LONG, 600.0, 3, clock.now()) for _ in range(20)])
    assert await reconcile(parts) == 3, "as for so many long jobs"
    pods = [parts.hire(name) for name in "abcd"]
    got = [parts.queue.take(pod, clock.now()) for pod in pods]
    assert got == [Shard(OF, 0), Shard(OF, 1), Shard(OF, 2), None], "the last worker is for the short"


@pytest.mark.parametrize(("told", "shared"), [("Shared", True), ("Dedicated", False)])
def test_the_way_is_what_was_told_at_acceptance(told: str, shared: bool) -> None:
    parts = Parts(FakeKube())
    of = quantumjob(status={"placement": told})
    for labels in ({}, {names.LABEL_QUEUE: "mine"}):
        of["metadata"]["labels"] = labels
        assert parts.autoscaler.uses_shared(of) == shared
