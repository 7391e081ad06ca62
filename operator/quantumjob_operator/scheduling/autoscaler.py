"""Starts shared workers, as many as a namespace's queue is worth, and says what keeps them from starting."""

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
"""Exit codes of a worker that was told to go: no fault of the order that it had."""


@dataclass
class Autoscaler:
    """Level-triggered like the controller: `reconcile` may be called for any namespace at any time."""

    kube: KubernetesClient
    queue: Queue
    pool: WorkerPool
    build_job: Callable[[str], JSON]
    """The Job of a shared worker by its name."""
    requeue: Callable[[Owner], None]
    """Have the controller look at a QuantumJob again."""
    ready: Callable[[], bool]
    """Whether the watches have told of all workers that there are: before that none is started."""
    linger_seconds: float
    """How long a worker without an order stays; 0 where none is shared."""
    work_queue: WorkQueue[str] = field(default_factory=WorkQueue)
    _template: str | None = None
    _names: dict[str, str] = field(default_factory=dict)
    """Of the next worker of a namespace: the same while it is refused, for the refusal names it, and is told once."""

    def uses_shared(self, quantumjob: JSON) -> bool:
        """Whether this QuantumJob takes its turn at a shared worker; not where it has a Job of its own already."""
        told = quantumjob.get("status", {})
        if "job" in told or not self.linger_seconds:
            return False
        way: str = told.get("placement") or placement(quantumjob)
        return way == SHARED

    def enqueue(self, owner: Owner, assignments: Sequence[Assignment]) -> None:
        self.queue.enqueue(owner, assignments, clock.now())
        self.trigger(owner.namespace)

    def observe_pod(self, pod: JSON, *, gone: bool = False) -> None:
        """A shared worker's pod has changed: where its container has ended, so has the attempt at its order."""
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
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.work_queue.serve(self.reconcile, (ApiError,), RETRY_LOG))
            group.create_task(self._tick())

    async def _tick(self) -> None:
        """Time alone changes things: a worker is silent, a deadline passes, a pause ends, an order turns out long."""
        loop = asyncio.get_running_loop()
        while True:
            self._template = None  # made anew when it is asked for: certificates are renewed
            due = loop.time() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            if loop.time() - due < TICK_SECONDS:  # else it was this process that heard nobody
                for owner in self.queue.expire(clock.now()):
                    self.requeue(owner)
            self.queue.prune(keep=self.pool.namespaces())
            for namespace in self.pool.namespaces().union(self.queue.namespaces()):
                self.queue.of_namespace(namespace).changed.set()
                self.trigger(namespace)

    def trigger(self, namespace: str) -> None:
        """Reconcile this namespace soon; where the cluster has just refused a worker, not before its time."""
        if not self.work_queue.is_failing(namespace):
            self.work_queue.add(namespace)

    async def reconcile(self, namespace: str) -> None:
        """Start the workers that are lacking, and take back those that cannot start. Raises ApiError."""
        if not self.ready():
            return
        now = clock.now()
        wanted = self.queue.demand(namespace, now)
        if self.queue.others_need_room(namespace, now):
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
        if not wanted:  # one that has not started by now would stay for ever, or come for nothing
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
        """Whether a worker of this namespace should make room for the first one of another."""
        now = clock.now()
        return self.queue.others_need_room(namespace, now) and self.pool.count(namespace, now) > 1

    def is_outdated(self, pod: Pod) -> bool:
        """Whether a worker is of another image or another setting than one that is started now."""
        self._template = self._template or template_of(self.build_job(""))
        return self.pool.template_of(pod) != self._template

    def _publish_obstacle(self, namespace: str, obstacle: WorkerState | None) -> None:
        """Where one worker runs, work goes on, and nobody needs to know that there could be more."""
        running = self.pool.count_running(namespace)
        max_workers = max(1, running) if obstacle else None
        for owner in self.queue.set_obstacle(namespace, None if running else obstacle, max_workers, clock.now()):
            self.requeue(owner)


def _refused(error: ApiError) -> str:
    return f"The API server refuses the Job of a shared worker: {error.message}"


def new_assignments(quantumjob: JSON, program: Program, since: datetime) -> list[Assignment]:
    """The turns of a job that waits, one for each shard.

    Not before `since`: it may be in the hands of workers that are yet to be heard.
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
