"""The queue of orders for shared workers, by namespace. In memory only; pure, as the caller passes the time.

It may be lost: a restarted operator enqueues every unfinished job again, after a pause in which workers report what
they run. An order that is run twice does no harm, since keys are written once and seeds are fixed.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.reasons import Reason
from quantumjob_contract.schema.orders import ALIVE_SECONDS
from quantumjob_operator.model.worker_state import WorkerState
from quantumjob_operator.results.manifest import Failure
from quantumjob_operator.scheduling import policy
from quantumjob_operator.scheduling.assignment import Assignment, Pod, is_silent

PAUSE_SECONDS: Final = 2 * ALIVE_SECONDS
"""After a start, in which running workers report the orders of the previous operator."""
YIELD_SECONDS: Final = 60.0
"""For this time other namespaces make room for the first worker of one that has none; longer does not help."""
FIRST_RETRY_SECONDS: Final = 1.0
DEADLINE_MESSAGE: Final = (
    "The job did not finish within spec.activeDeadlineSeconds of its start. Raise it, or split the job."
)


@dataclass
class NamespaceQueue:
    """The orders of one namespace. Each is in one of the first three, oldest first."""

    waiting: dict[Shard, Assignment] = field(default_factory=dict)
    assigned: dict[Shard, Assignment] = field(default_factory=dict)
    finished: dict[Shard, Assignment] = field(default_factory=dict)
    """Ended or failed, and not yet in the status."""
    jobs: dict[Owner, list[Shard]] = field(default_factory=dict)
    """The shards of each job, by number."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when an order may have become available. A worker's request clears it before it waits."""
    max_workers: int | None = None
    """The number of workers that the cluster has room for, where it is less than allowed."""
    obstacle: WorkerState | None = None
    """What keeps workers from starting, where none runs."""


class Queue:
    """The orders of all namespaces."""

    def __init__(self, max_workers: int) -> None:
        self.max_workers = max_workers
        self._by_namespace: dict[str, NamespaceQueue] = {}
        self._shards_by_pod: dict[str, Shard] = {}
        """The shard that is assigned to each pod, by the pod's UID."""
        self._claims: dict[str, tuple[Shard, Pod, datetime]] = {}
        """Shards that workers have reported, and that are not enqueued yet; by the pod's UID."""
        self._unschedulable_since: dict[str, datetime] = {}
        """Since when a namespace without a worker has had an unschedulable one."""

    def of_namespace(self, namespace: str) -> NamespaceQueue:
        return self._by_namespace.setdefault(namespace, NamespaceQueue())

    def assignment(self, shard: Shard) -> Assignment | None:
        namespace_queue = self._by_namespace.get(shard.owner.namespace)
        if namespace_queue is None:
            return None
        return (
            namespace_queue.waiting.get(shard)
            or namespace_queue.assigned.get(shard)
            or namespace_queue.finished.get(shard)
        )

    def assignments(self, owner: Owner) -> list[Assignment]:
        """Returns the assignments of a job's shards; empty where it is not enqueued."""
        namespace_queue = self._by_namespace.get(owner.namespace)
        shards = [] if namespace_queue is None else namespace_queue.jobs.get(owner, [])
        return [assignment for shard in shards if (assignment := self.assignment(shard)) is not None]

    def enqueue(self, owner: Owner, assignments: Sequence[Assignment], now: datetime) -> None:
        """Enqueues a job's shards; shards that a worker has already claimed are assigned to it."""
        namespace_queue = self.of_namespace(owner.namespace)
        if owner in namespace_queue.jobs:
            return
        namespace_queue.jobs[owner] = [Shard(owner, number) for number in range(len(assignments))]
        namespace_queue.waiting |= zip(namespace_queue.jobs[owner], assignments, strict=True)
        namespace_queue.changed.set()
        for claimed, pod, heard in list(self._claims.values()):
            if claimed in namespace_queue.waiting and claimed.owner == owner and not is_silent(heard, now):
                self.record_heartbeat(pod, claimed, now)

    def drop(self, owner: Owner) -> None:
        """Removes a job that is finished or deleted."""
        namespace_queue = self._by_namespace.get(owner.namespace)
        if namespace_queue is None:
            return
        for shard in namespace_queue.jobs.pop(owner, []):
            self._take_out(shard)

    def withdraw(self, shard: Shard) -> None:
        """Removes an order that is no longer wanted. Other shards of its job are not affected."""
        self._take_out(shard)

    def _take_out(self, shard: Shard) -> Assignment | None:
        """Removes an order from the three, and from the worker to which it is assigned."""
        namespace_queue = self.of_namespace(shard.owner.namespace)
        for assignments in (namespace_queue.waiting, namespace_queue.assigned, namespace_queue.finished):
            if (assignment := assignments.pop(shard, None)) is not None:
                if assignment.pod is not None and self._shards_by_pod.get(assignment.pod.uid) == shard:
                    del self._shards_by_pod[assignment.pod.uid]
                return assignment
        return None

    def take(self, pod: Pod, now: datetime) -> Shard | None:
        """Assigns the next order to a worker. Releases what was assigned to it before."""
        self.release(pod)
        namespace_queue = self.of_namespace(pod.namespace)
        ready = (
            (shard, assignment) for shard, assignment in namespace_queue.waiting.items() if assignment.not_before <= now
        )
        expected, taken = itertools.tee(ready)
        max_workers = self.max_workers if namespace_queue.max_workers is None else namespace_queue.max_workers
        index = policy.next_in(
            (assignment.weight(now, max_workers) for _, assignment in expected),
            _count_long(namespace_queue, now),
            max_workers,
        )
        if index is None:
            return None
        shard, _ = next(itertools.islice(taken, index, None))
        self._assign(namespace_queue, shard, pod, now)
        return shard

    def record_heartbeat(self, pod: Pod, shard: Shard, now: datetime) -> None:
        """Records a heartbeat. A waiting order that the worker reports is assigned to it now."""
        namespace_queue = self.of_namespace(shard.owner.namespace)
        if shard in namespace_queue.waiting:
            self.release(pod)
            self._assign(namespace_queue, shard, pod, now)
        elif (assignment := namespace_queue.assigned.get(shard)) is not None and assignment.pod == pod:
            assignment.last_heartbeat = now
        elif shard.owner not in namespace_queue.jobs:
            self._claims[pod.uid] = (shard, pod, now)

    def release(self, pod: Pod) -> Shard | None:
        """Releases a worker's order, which waits again unless it has ended. Returns its shard."""
        self._claims.pop(pod.uid, None)
        shard = self._shards_by_pod.pop(pod.uid, None)
        if shard is None:
            return None
        namespace_queue = self.of_namespace(shard.owner.namespace)
        assignment = namespace_queue.assigned.get(shard)
        if assignment is None or assignment.pod != pod:
            return None
        del namespace_queue.assigned[shard]
        assignment.pod = assignment.assigned_at = assignment.last_heartbeat = None
        namespace_queue.waiting = {shard: assignment} | namespace_queue.waiting  # it keeps its place
        namespace_queue.changed.set()
        return shard

    def is_claimed(self, owner: Owner, now: datetime) -> bool:
        """Whether a worker has reported an order of this job before it is enqueued."""
        return any(claimed.owner == owner and not is_silent(heard, now) for claimed, _, heard in self._claims.values())

    def shard_of(self, pod_uid: str) -> Shard | None:
        return self._shards_by_pod.get(pod_uid)

    def end(self, shard: Shard) -> bool:
        """Records that a worker has reported the end of its order. Returns False for an unknown order."""
        assignment = self._take_out(shard)
        if assignment is None:
            return False
        assignment.pod, assignment.ended = None, True
        self.of_namespace(shard.owner.namespace).finished[shard] = assignment
        return True

    def fail(self, shard: Shard, why: Failure, now: datetime, *, final: bool = False) -> None:
        """Records a failed attempt. With `final` there is no other one."""
        assignment = self.assignment(shard)
        if assignment is None:
            return
        if assignment.pod is not None:
            self.release(assignment.pod)
        assignment.attempts += 1
        assignment.last_failure = why.message
        assignment.not_before = now + timedelta(seconds=FIRST_RETRY_SECONDS * 2 ** min(assignment.attempts - 1, 5))
        if final:
            self._abandon(shard, why)
        elif assignment.attempts > assignment.retries:
            self._abandon(shard, Failure(why.reason, f"{why.message} No attempt is left (spec.backoffLimit)."))

    def expire(self, now: datetime) -> list[Owner]:
        """Releases the orders of silent workers, and fails orders after their deadline. Returns their jobs."""
        late: list[Shard] = []
        self._claims = {uid: claim for uid, claim in self._claims.items() if not is_silent(claim[2], now)}
        for namespace_queue in self._by_namespace.values():
            given = namespace_queue.assigned.values()
            silent = [
                assignment.pod
                for assignment in given
                if assignment.pod is not None and is_silent(assignment.last_heartbeat, now)
            ]
            lost = [shard for pod in silent if (shard := self.release(pod)) is not None]
            over = [
                shard
                for assignments in (namespace_queue.assigned, namespace_queue.waiting)
                for shard, assignment in assignments.items()
                if assignment.is_over(now)
            ]
            for shard in over:
                self._abandon(shard, Failure(Reason.DEADLINE_EXCEEDED, DEADLINE_MESSAGE))
            late += lost + over
        return list(dict.fromkeys(shard.owner for shard in late))

    def demand(self, namespace: str, now: datetime) -> int:
        """Returns how many workers the namespace should have."""
        namespace_queue = self.of_namespace(namespace)
        return policy.wanted(
            (assignment.expected for assignment in namespace_queue.waiting.values()),
            _count_long(namespace_queue, now),
            self.max_workers,
        )

    def set_obstacle(
        self, namespace: str, obstacle: WorkerState | None, max_workers: int | None, now: datetime
    ) -> list[Owner]:
        """Records what keeps a namespace's workers from starting. Returns the jobs whose status changes."""
        namespace_queue = self.of_namespace(namespace)
        namespace_queue.max_workers = max_workers
        if obstacle is not None and obstacle.reason is Reason.UNSCHEDULABLE:
            self._unschedulable_since.setdefault(namespace, now)
        else:
            self._unschedulable_since.pop(namespace, None)
        if (namespace_queue.obstacle and namespace_queue.obstacle.reason) == (obstacle and obstacle.reason):
            return []  # messages may differ each time; only the first is reported
        namespace_queue.obstacle = obstacle
        return list(dict.fromkeys(shard.owner for shard in namespace_queue.waiting))

    def others_need_worker(self, namespace: str, now: datetime) -> bool:
        """Whether another namespace needs room for its first worker, and may still get it."""
        return any(
            other != namespace and (now - since).total_seconds() < YIELD_SECONDS and self.of_namespace(other).waiting
            for other, since in self._unschedulable_since.items()
        )

    def prune(self, keep: Container[str]) -> None:
        """Removes namespaces without jobs and workers."""
        for namespace, namespace_queue in list(self._by_namespace.items()):
            if namespace not in keep and not namespace_queue.jobs:
                del self._by_namespace[namespace]
                self._unschedulable_since.pop(namespace, None)

    def namespaces(self) -> list[str]:
        """Returns the namespaces with waiting orders."""
        return [namespace for namespace, namespace_queue in self._by_namespace.items() if namespace_queue.waiting]

    def _assign(self, namespace_queue: NamespaceQueue, shard: Shard, pod: Pod, now: datetime) -> None:
        assignment = namespace_queue.waiting.pop(shard)
        assignment.pod, assignment.assigned_at, assignment.last_heartbeat = pod, now, now
        assignment.worker = pod.name
        namespace_queue.assigned[shard] = assignment
        self._shards_by_pod[pod.uid] = shard
        for each in self.assignments(shard.owner):  # the deadline is that of the job
            each.first_assigned = each.first_assigned or now

    def _abandon(self, shard: Shard, failure: Failure) -> None:
        assignment = self._take_out(shard)
        if assignment is not None:
            assignment.pod, assignment.failure = None, failure
            self.of_namespace(shard.owner.namespace).finished[shard] = assignment


def _count_long(namespace_queue: NamespaceQueue, now: datetime) -> int:
    """Returns how many long orders are running."""
    return sum(
        policy.is_long(assignment.expected, assignment.running_seconds(now))
        for assignment in namespace_queue.assigned.values()
    )
