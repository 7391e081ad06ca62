"""Starts and deletes shared workers by demand of each namespace's queue; reports what keeps them from starting."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.keys import Owner
from quantumjob_contract.reasons import Reason
from quantumjob_contract.schema.program import Program
from quantumjob_operator import clock, metrics
from quantumjob_operator.kubernetes.client import JOBS, ApiError, KubernetesClient
from quantumjob_operator.kubernetes.workqueue import RetryLog, WorkQueue
from quantumjob_operator.model import cost_estimate
from quantumjob_operator.model.job_template import SHARED_PREFIX, template_of
from quantumjob_operator.model.placement import SHARED, placement
from quantumjob_operator.model.worker_state import WorkerState, explain, is_disrupted, is_out_of_memory, terminated
from quantumjob_operator.results.manifest import Failure
from quantumjob_operator.scheduling.assignment import Assignment, Pod
from quantumjob_operator.scheduling.queue import Queue
from quantumjob_operator.scheduling.worker_pool import NO_POD_SECONDS, WorkerPool

JSON = dict[str, Any]
logger = logging.getLogger(__name__)

RETRY_LOG: Final = RetryLog[str](
    logger, "A shared worker could not be started", lambda namespace: {"namespace": namespace}
)
TICK_SECONDS: Final = 1.0
NOT_COUNTED: Final = (Exit.DONE, Exit.TEMPORARY)
"""With these exit codes a worker was asked to end: no failed attempt of its order."""


@dataclass
class Autoscaler:
    """Level-triggered like the controller: `reconcile` may be called for any namespace at any time."""

    kube: KubernetesClient
    queue: Queue
    pool: WorkerPool
    build_job: Callable[[str], JSON]
    """Builds the Job of a shared worker of this name."""
    requeue: Callable[[Owner], None]
    """Enqueues a QuantumJob for reconciliation."""
    ready: Callable[[], bool]
    """Whether the informer has synced: before that no worker is started."""
    linger_seconds: float
    """How long a worker without an order stays; 0 where all workers are dedicated."""
    work_queue: WorkQueue[str] = field(default_factory=WorkQueue)
    _template: str | None = None
    _names: dict[str, str] = field(default_factory=dict)
    """The name of the next worker of a namespace, kept while its creation is refused: the error message names it."""

    def uses_shared(self, quantumjob: JSON) -> bool:
        """Whether this QuantumJob uses shared workers. One that has a dedicated Job keeps it."""
        current = quantumjob.get("status", {})
        if "job" in current or not self.linger_seconds:
            return False
        way: str = current.get("placement") or placement(quantumjob)
        return way == SHARED

    def enqueue(self, owner: Owner, assignments: Sequence[Assignment]) -> None:
        self.queue.enqueue(owner, assignments, clock.now())
        self.trigger(owner.namespace)

    def observe_pod(self, pod: JSON, *, gone: bool = False) -> None:
        """Ends the attempt of an order whose worker's container has ended, or whose pod is deleted."""
        meta, end = pod["metadata"], terminated(pod)
        shard = self.queue.shard_of(meta["uid"])
        if shard is None or not (gone or end):
            return
        if end is None or is_disrupted(pod) or end["exitCode"] in NOT_COUNTED:
            self.queue.release(Pod(meta["namespace"], meta["name"], meta["uid"]))
        else:
            reason = Reason.OUT_OF_MEMORY if is_out_of_memory(end) else Reason.BACKOFF_LIMIT_EXCEEDED
            self.queue.fail(shard, Failure(reason, explain(end)), clock.now())
        self.requeue(shard.owner)

    async def run(self) -> None:
        """Reconciles namespaces until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.work_queue.serve(self.reconcile, (ApiError,), RETRY_LOG))
            group.create_task(self._tick())

    async def _tick(self) -> None:
        """Handles what time alone changes: silent workers, deadlines, pauses, orders that run long."""
        loop = asyncio.get_running_loop()
        while True:
            self._template = None  # computed again when needed: certificates are renewed
            due = loop.time() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            if loop.time() - due < TICK_SECONDS:  # else this process was suspended, and could receive no heartbeat
                for owner in self.queue.expire(clock.now()):
                    self.requeue(owner)
            self.queue.prune(keep=self.pool.namespaces())
            for namespace in self.pool.namespaces().union(self.queue.namespaces()):
                self.queue.of_namespace(namespace).changed.set()
                self.trigger(namespace)

    def trigger(self, namespace: str) -> None:
        """Enqueues the namespace, unless the API server has just refused a worker and the retry is pending."""
        if not self.work_queue.is_failing(namespace):
            self.work_queue.add(namespace)

    async def reconcile(self, namespace: str) -> None:
        """Starts missing workers, and deletes silent and superfluous ones. Raises ApiError."""
        if not self.ready():
            return
        now = clock.now()
        wanted = self.queue.demand(namespace, now)
        if self.queue.others_need_worker(namespace, now):
            wanted = min(wanted, 1)
        try:
            for _ in range(wanted - self.pool.count(namespace, now)):
                await self._start_worker(namespace)
        except ApiError as error:
            if error.status in {403, 422}:
                self._publish_obstacle(namespace, WorkerState("waiting", Reason.POD_REFUSED, _refused(error)))
            raise
        self._publish_obstacle(namespace, self.pool.find_obstacle(namespace, now))
        await self._delete_jobs(self.pool.silent_jobs(namespace, now))
        if not wanted:  # a pending worker without demand would wait forever, or start for nothing
            await self._delete_jobs(self.pool.unstarted_jobs(namespace, now))

    async def _delete_jobs(self, jobs: list[JSON]) -> None:
        for job in jobs:
            meta = job["metadata"]
            await self.kube.delete(JOBS, meta["namespace"], meta["name"], meta["uid"])
            logger.info("Deleted a shared worker", extra={"namespace": meta["namespace"], "job": meta["name"]})

    async def _start_worker(self, namespace: str) -> None:
        name = self._names.setdefault(namespace, SHARED_PREFIX + secrets.token_hex(5))
        created = await self.kube.create(JOBS, namespace, self.build_job(name))
        del self._names[namespace]
        if created is not None:
            self.pool.put_job(created)
            metrics.WORKERS_STARTED.inc()
            logger.info("Started a shared worker", extra={"namespace": namespace, "job": name})
            self.work_queue.add_after(namespace, NO_POD_SECONDS + TICK_SECONDS)

    def should_yield(self, namespace: str) -> bool:
        """Whether a worker of this namespace should make room for the first worker of another."""
        now = clock.now()
        return self.queue.others_need_worker(namespace, now) and self.pool.count(namespace, now) > 1

    def is_outdated(self, pod: Pod) -> bool:
        """Whether a worker has another image or setting than one that is started now."""
        self._template = self._template or template_of(self.build_job(""))
        return self.pool.template_of(pod) != self._template

    def _publish_obstacle(self, namespace: str, obstacle: WorkerState | None) -> None:
        """Records an obstacle in the queue. Not where a worker runs: orders are processed then."""
        running = self.pool.count_running(namespace)
        max_workers = max(1, running) if obstacle else None
        for owner in self.queue.set_obstacle(namespace, None if running else obstacle, max_workers, clock.now()):
            self.requeue(owner)


def _refused(error: ApiError) -> str:
    return f"The API server refuses the Job of a shared worker: {error.message}"


def new_assignments(quantumjob: JSON, program: Program, since: datetime) -> list[Assignment]:
    """Returns the assignments of a job, one for each shard.

    None is assigned before `since`: a running worker may still report the shard.
    """
    status, spec = quantumjob["status"], quantumjob["spec"]
    ordered = status.get("times", {}).get("ordered")
    return [
        Assignment(
            expected=expected,
            deadline=float(spec["activeDeadlineSeconds"]),
            retries=spec["backoffLimit"],
            not_before=since,
            attempts=status.get("attempts", 0),
            first_assigned=clock.parse(ordered) if ordered else None,
        )
        for expected in cost_estimate.shard_seconds(program)
    ]
