"""Reconciles QuantumJobs: takes keys from the work queue, and performs steps until there is nothing to do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.resource import shards
from quantumjob_contract.schema.program import Program
from quantumjob_contract.store_errors import StoreError
from quantumjob_operator import clock
from quantumjob_operator.cache import Cache
from quantumjob_operator.kubernetes.client import ApiError, KubernetesClient
from quantumjob_operator.kubernetes.workqueue import RetryLog, WorkQueue
from quantumjob_operator.model import cost_estimate
from quantumjob_operator.model.validation import accept
from quantumjob_operator.reconcile import plan
from quantumjob_operator.reconcile.dedicated_jobs import DedicatedJobs
from quantumjob_operator.reconcile.job_memory import JobMemory
from quantumjob_operator.reconcile.notifier import Notifier
from quantumjob_operator.reconcile.steps import PAUSE, StepRunner
from quantumjob_operator.results.collect import NotEnded
from quantumjob_operator.results.ports import ObjectStore
from quantumjob_operator.scheduling.autoscaler import Autoscaler
from quantumjob_operator.scheduling.queue import PAUSE_SECONDS

JSON = dict[str, Any]
logger = logging.getLogger(__name__)

RETRY_LOG: Final = RetryLog[Owner](logger, "Reconciling failed; retrying", lambda owner: {"uid": owner.uid})
RETRIED: Final = (ApiError, StoreError, NotEnded)
CONCURRENCY: Final = 16
PROGRESS_SECONDS: Final = 5.0
"""Between two status writes that report only progress."""
MAX_STEPS: Final = 10
"""For one key before other keys are served."""


@dataclass
class Controller:
    """Level-triggered: `reconcile` may be called for any key at any time."""

    kube: KubernetesClient
    open_store: Callable[[], ObjectStore]
    build_job: Callable[[JSON], JSON]
    autoscaler: Autoscaler | None = None
    """None in the reconciler, which accepts no job and starts no worker."""
    cache: Cache = field(default_factory=Cache)
    work_queue: WorkQueue[Owner] = field(default_factory=WorkQueue)
    memory: dict[Owner, JobMemory] = field(default_factory=dict)
    started: datetime = field(default_factory=clock.now)
    notifier: Notifier = field(init=False)
    steps: StepRunner = field(init=False)

    def __post_init__(self) -> None:
        self.notifier = Notifier(self.kube, self.work_queue.add)
        self.steps = StepRunner(
            self.kube,
            self.open_store,
            self.cache,
            self.notifier,
            DedicatedJobs(self.kube, self.cache, self.build_job),
            self.memory_of,
            self.autoscaler,
            self.started,
        )

    async def run(self) -> None:
        """Reconciles until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(self.work_queue.serve(self.reconcile, RETRIED, RETRY_LOG))
            group.create_task(self.notifier.run())

    async def reconcile(self, owner: Owner) -> None:
        """Performs steps until there is nothing to do, or other keys are to be served first."""
        for _ in range(MAX_STEPS):
            view = self.view(owner)
            if view is None:
                self.forget(owner)
                return
            step = self._next_step(owner, view)
            if step is None:
                return
            await self.steps.perform(owner, view, step)
        self.work_queue.add(owner)

    def _next_step(self, owner: Owner, view: plan.View) -> plan.Step | None:
        """Returns the step to perform now. Enqueues the key for later where a step has to wait."""
        step = plan.decide(view, clock.now())
        if step is None or not (self.autoscaler or plan.finishes(step)):
            if not view.workers_known and plan.needs_known_workers(view):
                self.work_queue.add_after(owner, PAUSE_SECONDS)
            return None
        if isinstance(step, plan.WriteStatus):
            if delay := plan.write_delay(view, step, clock.now()):
                self.work_queue.add_after(owner, delay)
                return None
            if plan.is_only_queued(view) and not self.notifier.may_report(owner):
                return None
        return step

    def view(self, owner: Owner) -> plan.View | None:
        """Returns what is known of a QuantumJob; None where it is finished or deleted."""
        quantumjob = self.cache.quantumjobs.get(owner)
        if quantumjob is None:
            return None
        memory = self.memory.get(owner, JobMemory())
        view = plan.View(
            quantumjob,
            accepted_here=memory.accepted_here,
            reported_ended=len(memory.reported_ended) == shards(quantumjob),
            store_checked=memory.store_checked,
            workers_known=memory.accepted_here or self._are_workers_known(owner),
            done=memory.reported_done,
            expected=memory.expected,
            draft=self.cache.is_draft(quantumjob),
            refused=memory.refused,
            finishing=self.autoscaler is None,
        )
        if self.autoscaler and self.autoscaler.uses_shared(quantumjob):
            queue = self.autoscaler.queue
            obstacle = queue.of_namespace(owner.namespace).obstacle
            return replace(view, shared=True, assignments=queue.assignments(owner), obstacle=obstacle)
        return replace(view, job=self.cache.job(owner), pods=self.cache.pods(owner))

    def _are_workers_known(self, owner: Owner) -> bool:
        """Whether the informer has synced, the pause after the start is over, and no worker claims the job."""
        now = clock.now()
        return self.autoscaler is None or (
            self.autoscaler.ready() and now > self.started + PAUSE and not self.autoscaler.queue.is_claimed(owner, now)
        )

    def progress(self, shard: Shard, done: int) -> None:
        """Records how many pubs of a shard have a result; enqueues the job at most every PROGRESS_SECONDS."""
        memory, now = self.memory_of(shard.owner), asyncio.get_running_loop().time()
        memory.done[shard.number] = max(done, memory.done.get(shard.number, 0))
        done = sum(memory.done.values())
        if done > memory.reported_done and now - memory.reported_at >= PROGRESS_SECONDS:
            memory.reported_done, memory.reported_at = done, now
            memory.expected = memory.expected or _expected_seconds(self.cache.quantumjobs[shard.owner])
            self.work_queue.add(shard.owner)

    def memory_of(self, owner: Owner) -> JobMemory:
        """Returns the soft state of a QuantumJob, a new one where there is none."""
        return self.memory.setdefault(owner, JobMemory())

    def forget(self, owner: Owner) -> None:
        """Drops the soft state of a QuantumJob that is finished or deleted."""
        self.memory.pop(owner, None)
        self.notifier.forget(owner)
        if self.autoscaler:
            self.autoscaler.queue.drop(owner)


def _expected_seconds(quantumjob: JSON) -> float:
    """Returns the estimate for the longest shard; 0 where the program is invalid."""
    program = accept(quantumjob)
    return max(cost_estimate.shard_seconds(program)) if isinstance(program, Program) else 0.0
