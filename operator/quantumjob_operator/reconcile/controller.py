"""The controller: takes keys from the queue, asks `plan.decide`, does what it says, until there is nothing to do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from quantumjob_contract import keys
from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.reasons import Reason
from quantumjob_contract.resource import shards
from quantumjob_contract.schema.program import Program, encode
from quantumjob_contract.store_errors import ObjectNotFound, StoreError
from quantumjob_contract.transfer import Put, sha256
from quantumjob_operator import clock, metrics
from quantumjob_operator.cache import Cache
from quantumjob_operator.kubernetes.client import QUANTUMJOBS, ApiError, KubernetesClient
from quantumjob_operator.kubernetes.workqueue import Report, WorkQueue
from quantumjob_operator.model import cost_estimate, events, status
from quantumjob_operator.model.validation import Rejection, accept
from quantumjob_operator.model.worker_state import WorkerState
from quantumjob_operator.reconcile import plan, pubs_object
from quantumjob_operator.reconcile.dedicated_jobs import DedicatedJobs
from quantumjob_operator.reconcile.job_memory import JobMemory
from quantumjob_operator.reconcile.notifier import Notifier
from quantumjob_operator.results.collect import Corrupt, FetchedObject, NotEnded, known_program
from quantumjob_operator.results.manifest import Failure
from quantumjob_operator.results.ports import ObjectStore
from quantumjob_operator.results.promotion import promote
from quantumjob_operator.scheduling.autoscaler import Autoscaler, new_assignments
from quantumjob_operator.scheduling.queue import PAUSE_SECONDS

JSON = dict[str, Any]
logger = logging.getLogger(__name__)

REPORT: Final = Report[Owner](logger, "Trying again", lambda owner: {"uid": owner.uid})
CONCURRENCY: Final = 16
PROGRESS_SECONDS: Final = 5.0
"""Between two status writes that only say how far a job is."""
PASSES: Final = 10
"""Steps for one key before others have their turn."""
PAUSE: Final = timedelta(seconds=PAUSE_SECONDS)
MISSES: Final = 6
"""How often the last segment of a worker that ended well is looked for, before its absence is believed."""


@dataclass
class Controller:
    """Level-triggered: `reconcile` may be called for any key at any time."""

    kube: KubernetesClient
    open_store: Callable[[], ObjectStore]
    build_job: Callable[[JSON], JSON]
    autoscaler: Autoscaler | None = None
    """Without it this process accepts no program and starts no worker; it only finishes what has begun."""
    cache: Cache = field(default_factory=Cache)
    work_queue: WorkQueue[Owner] = field(default_factory=WorkQueue)
    memory: dict[Owner, JobMemory] = field(default_factory=dict)
    started: datetime = field(default_factory=clock.now)
    notifier: Notifier = field(init=False)
    dedicated_jobs: DedicatedJobs = field(init=False)
    _promoting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(3))
    """Promotion holds a segment in memory: at most this many at a time."""
    _looking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(3))
    """To hash an object takes the loop's time."""

    def __post_init__(self) -> None:
        self.notifier = Notifier(self.kube, self.work_queue.add)
        self.dedicated_jobs = DedicatedJobs(self.kube, self.cache, self.build_job)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(self._work())
            group.create_task(self.notifier.run())

    async def _work(self) -> None:
        temporary = (ApiError, StoreError, NotEnded)
        await self.work_queue.serve(self.reconcile, temporary, REPORT)

    def memory_of(self, owner: Owner) -> JobMemory:
        return self.memory.setdefault(owner, JobMemory())

    async def reconcile(self, owner: Owner) -> None:
        for _ in range(PASSES):
            view = self.view(owner)
            if view is None:
                self.forget(owner)
                return
            step = plan.decide(view, clock.now())
            if step is None or not (self.autoscaler or plan.finishes(step)):
                if not view.workers_known and plan.needs_known_workers(view):
                    self.work_queue.add_after(owner, PAUSE_SECONDS)
                return
            if isinstance(step, plan.WriteStatus):
                if wait := plan.write_delay(view, step, clock.now()):
                    self.work_queue.add_after(owner, wait)
                    return
                if plan.is_only_queued(view) and not self.notifier.may_report(owner):
                    return
            await self._perform(owner, view, step)
        self.work_queue.add(owner)

    async def _perform(self, owner: Owner, view: plan.View, step: plan.Step) -> None:
        quantumjob = view.quantumjob
        match step:
            case plan.InspectPubs():
                await self._look(owner, quantumjob)
            case plan.DraftStatus():
                self.memory_of(owner).accepted_here = True
                self.cache.draft(owner, step.status)
            case plan.WriteStatus():
                await self._write(owner, quantumjob, step.status)
            case plan.CreateJob():
                await self._create(owner, quantumjob, step)
            case plan.EnqueueShards():
                await self._offer(owner, quantumjob, step)
            case plan.DeleteJob():
                await self.dedicated_jobs.delete(view.job or {})
            case plan.Promote():
                told = quantumjob | {"status": quantumjob["status"] | plan.execution_fields(view)}
                await self._promote(owner, told, step)

    def _are_workers_known(self, owner: Owner) -> bool:
        """Whether the watches have told of all workers, and those at work have had the time to say so, and do not."""
        now = clock.now()
        return self.autoscaler is None or (
            self.autoscaler.ready() and now > self.started + PAUSE and not self.autoscaler.queue.is_claimed(owner, now)
        )

    def progress(self, shard: Shard, done: int) -> None:
        """So many of a shard's pubs are done, as its worker says. What people see of it moves now and then."""
        known, now = self.memory_of(shard.owner), asyncio.get_running_loop().time()
        known.done[shard.number] = max(done, known.done.get(shard.number, 0))
        done = sum(known.done.values())
        if done > known.reported_done and now - known.reported_at >= PROGRESS_SECONDS:
            known.reported_done, known.reported_at = done, now
            known.expected = known.expected or _expected(self.cache.quantumjobs[shard.owner])
            self.work_queue.add(shard.owner)

    def forget(self, owner: Owner) -> None:
        """The QuantumJob is finished, or gone."""
        self.memory.pop(owner, None)
        self.notifier.forget(owner)
        if self.autoscaler:
            self.autoscaler.queue.drop(owner)

    def view(self, owner: Owner) -> plan.View | None:
        quantumjob = self.cache.quantumjobs.get(owner)
        if quantumjob is None:
            return None
        known = self.memory.get(owner, JobMemory())
        view = plan.View(
            quantumjob,
            accepted_here=known.accepted_here,
            reported_ended=len(known.reported_ended) == shards(quantumjob),
            store_checked=known.store_checked,
            workers_known=known.accepted_here or self._are_workers_known(owner),
            done=known.reported_done,
            expected=known.expected,
            draft=self.cache.is_draft(quantumjob),
            refused=known.refused,
            finishing=self.autoscaler is None,
        )
        if self.autoscaler and self.autoscaler.uses_shared(quantumjob):
            queue = self.autoscaler.queue
            return replace(
                view,
                shared=True,
                assignments=queue.assignments(owner),
                obstacle=queue.of_namespace(owner.namespace).obstacle,
            )
        return replace(view, job=self.cache.job(owner), pods=self.cache.pods(owner))

    async def _write(self, owner: Owner, quantumjob: JSON, wanted: JSON) -> None:
        """Write the status against the version it was made from; after a conflict, from the newest version anew."""
        try:
            written = await self.kube.apply_status(quantumjob, wanted)
        except ApiError as error:
            if error.status not in {404, 409}:
                raise
            await self._refresh(owner, quantumjob)
            return
        if status.is_terminal(wanted):
            metrics.JOBS_FINISHED.labels(wanted["phase"]).inc()
        self.memory_of(owner).accepted_here |= not quantumjob.get("status")
        self.cache.put_quantumjob(written)
        self.notifier.forget(owner)
        if event := events.of_change(quantumjob.get("status", {}), wanted):
            self.notifier.post(quantumjob, event)

    async def _refresh(self, owner: Owner, quantumjob: JSON) -> None:
        meta = quantumjob["metadata"]
        newest = await self.kube.get(QUANTUMJOBS, meta["namespace"], meta["name"])
        if newest is None or newest["metadata"]["uid"] != owner.uid:
            self.cache.drop_quantumjob(quantumjob)
        else:
            self.cache.put_quantumjob(newest)

    async def _look(self, owner: Owner, quantumjob: JSON) -> None:
        """Look at the object that lists the pubs. Raises what keeps it from being read, and says so in the status."""
        try:
            async with self._looking:
                found = await pubs_object.inspect(self.open_store().circuits, quantumjob)
        except StoreError as error:
            await self._report_waiting(owner, quantumjob, Reason.WAITING_FOR_STORE, _store_message(error))
            raise
        known, told = self.memory_of(owner), quantumjob.get("status", {})
        if isinstance(found, Rejection):
            known.refused = found.message
            return
        known.accepted_here |= not told
        self.cache.draft(owner, told | {"pubsFrom": found})

    async def _store_program(self, owner: Owner, quantumjob: JSON, program: Program) -> bool:
        """Store the program, once. Raises what keeps it from being stored, and says so in the status.

        False where it was there, and this process held the job for a new one: an operator before it had accepted it.
        """
        try:
            pending = self.open_store().pending
            data = encode(program)
            put = await pending.put_once(keys.program(owner), data)
        except StoreError as error:
            await self._report_waiting(owner, quantumjob, Reason.WAITING_FOR_STORE, _store_message(error))
            raise
        known = self.memory_of(owner)
        if put is Put.WRITTEN:
            known.program_sha256 = sha256(data)
        elif known.accepted_here and not known.program_sha256:
            known.accepted_here = False
            return False
        return True

    async def _offer(self, owner: Owner, quantumjob: JSON, step: plan.EnqueueShards) -> None:
        if not await self._store_program(owner, quantumjob, step.program):
            return
        if self.autoscaler and owner in self.cache.quantumjobs:
            known = self.memory_of(owner)
            since = clock.now() if known.accepted_here else self.started + PAUSE
            self.autoscaler.enqueue(owner, new_assignments(quantumjob, step.program, since))

    async def _create(self, owner: Owner, quantumjob: JSON, step: plan.CreateJob) -> None:
        await self._store_program(owner, quantumjob, step.program)
        try:
            created = await self.dedicated_jobs.create(owner, quantumjob)
        except ApiError as error:
            if error.status in {403, 422}:
                message = f"The API server refuses the worker's Job: {error.message}"
                await self._report_waiting(owner, quantumjob, Reason.POD_REFUSED, message)
            if error.status == 409:
                self.memory_of(
                    owner
                ).accepted_here = False  # whoever has made the one that is there may have stored something
            raise
        if created is None:
            self.memory_of(owner).accepted_here = False
        else:
            self.notifier.post(quantumjob, events.Event("Normal", "WorkerCreated", f"Created Job {created}."))

    async def _report_waiting(self, owner: Owner, quantumjob: JSON, reason: Reason, message: str) -> None:
        """Say what the job waits for, once."""
        told = status.condition(quantumjob.get("status", {}), "Reconciling") or {}
        if told.get("reason") != reason:
            worker = WorkerState("waiting", reason, message)
            await self._write(owner, quantumjob, status.working(quantumjob, worker, clock.now()))

    async def _promote(self, owner: Owner, quantumjob: JSON, step: plan.Promote) -> None:
        accepted = quantumjob["status"].get("times", {}).get("accepted", "")
        known = self.memory_of(owner)
        failure = step.failure
        if step.required and known.misses >= MISSES:
            failure = Failure(
                Reason.RESULTS_INCOMPLETE, "The worker ended with exit code 0, but its last segment is missing."
            )
        if step.program is not None and not await self._store_program(owner, quantumjob, step.program):
            return
        try:
            async with self._promoting:
                stored = self._stored_program(owner, quantumjob)
                done = await promote(self.open_store(), owner, accepted, failure, stored)
        except NotEnded:
            if not step.required:
                known.store_checked = True
                return
            known.misses += 1
            raise
        except ObjectNotFound as error:
            known.misses += 1
            if known.misses <= MISSES:
                raise
            await self._fail_corrupt(owner, quantumjob, f"An object of this job is missing from the store: {error}")
            return
        except Corrupt as error:
            await self._fail_corrupt(owner, quantumjob, str(error))
            return
        except StoreError as error:
            await self._report_waiting(owner, quantumjob, Reason.WAITING_FOR_STORE, _store_message(error))
            raise
        await self._write(owner, quantumjob, status.finished(quantumjob, done, clock.now()))

    def _stored_program(self, owner: Owner, quantumjob: JSON) -> tuple[Program, FetchedObject] | None:
        """The program as it is in the store, where that is known without asking."""
        expected = self.memory_of(owner).program_sha256
        program = accept(quantumjob) if expected else None
        if not isinstance(program, Program):
            return None
        known = known_program(owner, program)
        return known if known[1].stored.sha256 == expected else None  # the resource's labels may have changed

    async def _fail_corrupt(self, owner: Owner, quantumjob: JSON, cause: str) -> None:
        """What is in the store cannot be used. It stays there, and the status says why."""
        logger.error("Results cannot be used", extra={"uid": owner.uid, "cause": cause})
        wanted = status.lost(quantumjob, Reason.RESULTS_CORRUPT, f"{cause}. Create the job again.", clock.now())
        await self._write(owner, quantumjob, wanted)


def _expected(quantumjob: JSON) -> float:
    """Seconds for its longest shard: the others run beside it."""
    program = accept(quantumjob)
    return max(cost_estimate.shard_seconds(program)) if isinstance(program, Program) else 0.0


def _store_message(error: Exception) -> str:
    return f"The object store is unavailable ({type(error).__name__}: {error}). The operator retries until it is available."
