"""Performs the steps that `plan.decide` returns: each is idempotent, and is repeated after an error."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from quantumjob_contract import keys
from quantumjob_contract.keys import Owner
from quantumjob_contract.reasons import Reason
from quantumjob_contract.schema.program import Program, encode
from quantumjob_contract.store_errors import ObjectNotFound, StoreError
from quantumjob_contract.transfer import Put, sha256
from quantumjob_operator import clock, metrics
from quantumjob_operator.cache import Cache
from quantumjob_operator.kubernetes.client import QUANTUMJOBS, ApiError, KubernetesClient
from quantumjob_operator.model import events, status
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

PAUSE: Final = timedelta(seconds=PAUSE_SECONDS)
MISSES: Final = 6
"""How often an object is looked for before it counts as missing."""


@dataclass
class StepRunner:
    """The API server, the object store and the queue, as the steps need them."""

    kube: KubernetesClient
    open_store: Callable[[], ObjectStore]
    cache: Cache
    notifier: Notifier
    dedicated_jobs: DedicatedJobs
    memory_of: Callable[[Owner], JobMemory]
    autoscaler: Autoscaler | None
    started: datetime
    _promotions: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(3))
    """Each promotion holds a segment in memory."""
    _inspections: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(3))
    """Each inspection hashes an object in the event loop."""

    async def perform(self, owner: Owner, view: plan.View, step: plan.Step) -> None:
        """Performs one step. Raises ApiError, StoreError or NotEnded; then the step is to be repeated."""
        quantumjob = view.quantumjob
        match step:
            case plan.InspectPubs():
                await self._inspect_pubs(owner, quantumjob)
            case plan.DraftStatus():
                self.memory_of(owner).accepted_here = True
                self.cache.draft(owner, step.status)
            case plan.WriteStatus():
                await self._write_status(owner, quantumjob, step.status)
            case plan.CreateJob():
                await self._create_job(owner, quantumjob, step.program)
            case plan.EnqueueShards():
                await self._enqueue_shards(owner, quantumjob, step.program)
            case plan.DeleteJob():
                await self.dedicated_jobs.delete(view.job or {})
            case plan.Promote():
                current = quantumjob["status"] | plan.execution_fields(view)
                await self._promote(owner, quantumjob | {"status": current}, step)

    async def _inspect_pubs(self, owner: Owner, quantumjob: JSON) -> None:
        """Reads the object of `pubsFrom`, and drafts `status.pubsFrom`. Reports a store error in the status."""
        try:
            async with self._inspections:
                found = await pubs_object.inspect(self.open_store().circuits, quantumjob)
        except StoreError as error:
            await self._report_store_error(owner, quantumjob, error)
            raise
        memory, current = self.memory_of(owner), quantumjob.get("status", {})
        if isinstance(found, Rejection):
            memory.refused = found.message
            return
        memory.accepted_here |= not current
        self.cache.draft(owner, current | {"pubsFrom": found})

    async def _store_program(self, owner: Owner, quantumjob: JSON, program: Program) -> bool:
        """Stores the program by conditional PUT. Reports a store error in the status.

        Returns False where an earlier operator had stored it and this process took the job for a new one.
        """
        data = encode(program)
        try:
            put = await self.open_store().pending.put_once(keys.program(owner), data)
        except StoreError as error:
            await self._report_store_error(owner, quantumjob, error)
            raise
        memory = self.memory_of(owner)
        if put is Put.WRITTEN:
            memory.program_sha256 = sha256(data)
        elif memory.accepted_here and not memory.program_sha256:
            memory.accepted_here = False
            return False
        return True

    async def _enqueue_shards(self, owner: Owner, quantumjob: JSON, program: Program) -> None:
        """Stores the program, then enqueues the job's shards for shared workers."""
        if not await self._store_program(owner, quantumjob, program):
            return
        if self.autoscaler and owner in self.cache.quantumjobs:
            accepted_here = self.memory_of(owner).accepted_here
            not_before = clock.now() if accepted_here else self.started + PAUSE
            self.autoscaler.enqueue(owner, new_assignments(quantumjob, program, not_before))

    async def _create_job(self, owner: Owner, quantumjob: JSON, program: Program) -> None:
        """Stores the program, then creates or adopts the dedicated Job."""
        await self._store_program(owner, quantumjob, program)
        try:
            created = await self.dedicated_jobs.create(owner, quantumjob)
        except ApiError as error:
            if error.status in {403, 422}:
                message = f"The API server refuses the worker's Job: {error.message}"
                await self._report_waiting(owner, quantumjob, Reason.POD_REFUSED, message)
            if error.status == 409:
                # The operator that created the existing Job may have stored segments.
                self.memory_of(owner).accepted_here = False
            raise
        if created is None:
            self.memory_of(owner).accepted_here = False
        else:
            self.notifier.post(quantumjob, events.Event("Normal", "WorkerCreated", f"Created Job {created}."))

    async def _promote(self, owner: Owner, quantumjob: JSON, step: plan.Promote) -> None:
        """Promotes the results, then writes the final status."""
        memory, failure = self.memory_of(owner), step.failure
        if step.required and memory.misses >= MISSES:
            message = "The worker ended with exit code 0, but its last segment is missing."
            failure = Failure(Reason.RESULTS_INCOMPLETE, message)
        if step.program is not None and not await self._store_program(owner, quantumjob, step.program):
            return
        accepted = quantumjob["status"].get("times", {}).get("accepted", "")
        try:
            async with self._promotions:
                known = self._stored_program(owner, quantumjob)
                promoted = await promote(self.open_store(), owner, accepted, failure, known)
        except NotEnded:
            if not step.required:
                memory.store_checked = True
                return
            memory.misses += 1
            raise
        except ObjectNotFound as error:
            memory.misses += 1
            if memory.misses <= MISSES:
                raise
            await self._fail_corrupt(owner, quantumjob, f"An object of this job is missing from the store: {error}")
        except Corrupt as error:
            await self._fail_corrupt(owner, quantumjob, str(error))
        except StoreError as error:
            await self._report_store_error(owner, quantumjob, error)
            raise
        else:
            await self._write_status(owner, quantumjob, status.finished(quantumjob, promoted, clock.now()))

    def _stored_program(self, owner: Owner, quantumjob: JSON) -> tuple[Program, FetchedObject] | None:
        """Returns the stored program where its bytes are known without a request."""
        expected = self.memory_of(owner).program_sha256
        program = accept(quantumjob) if expected else None
        if not isinstance(program, Program):
            return None
        known = known_program(owner, program)
        return known if known[1].stored.sha256 == expected else None  # the resource's labels may have changed

    async def _fail_corrupt(self, owner: Owner, quantumjob: JSON, cause: str) -> None:
        """Fails the job, since its stored results are unusable. Deletes none of them."""
        logger.error("Results cannot be used", extra={"uid": owner.uid, "cause": cause})
        wanted = status.lost(quantumjob, Reason.RESULTS_CORRUPT, f"{cause}. Create the job again.", clock.now())
        await self._write_status(owner, quantumjob, wanted)

    async def _report_store_error(self, owner: Owner, quantumjob: JSON, error: StoreError) -> None:
        cause = f"The object store is unavailable ({type(error).__name__}: {error})."
        message = f"{cause} The operator retries until it is available."
        await self._report_waiting(owner, quantumjob, Reason.WAITING_FOR_STORE, message)

    async def _report_waiting(self, owner: Owner, quantumjob: JSON, reason: Reason, message: str) -> None:
        """Writes what the job waits for, unless the status has this reason already."""
        reported = status.condition(quantumjob.get("status", {}), "Reconciling") or {}
        if reported.get("reason") != reason:
            worker = WorkerState("waiting", reason, message)
            await self._write_status(owner, quantumjob, status.working(quantumjob, worker, clock.now()))

    async def _write_status(self, owner: Owner, quantumjob: JSON, wanted: JSON) -> None:
        """Applies the status to the version from which it was computed; after a conflict refreshes the cache."""
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
        """Replaces the cached QuantumJob by that of the API server."""
        meta = quantumjob["metadata"]
        newest = await self.kube.get(QUANTUMJOBS, meta["namespace"], meta["name"])
        if newest is None or newest["metadata"]["uid"] != owner.uid:
            self.cache.drop_quantumjob(quantumjob)
        else:
            self.cache.put_quantumjob(newest)
