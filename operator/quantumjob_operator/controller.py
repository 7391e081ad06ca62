"""The controller: takes keys from the queue, asks `plan.decide`, does what it says, until there is nothing to do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from quantumjob_contract import keys
from quantumjob_contract.keys import Owner
from quantumjob_contract.program import encode
from quantumjob_contract.reasons import Reason
from quantumjob_contract.store import Misconfigured, Store
from quantumjob_contract.transfer import NotFound, StoreError
from quantumjob_operator import clock, events, plan, status
from quantumjob_operator.cache import Cache
from quantumjob_operator.gather import Corrupt, NotEnded
from quantumjob_operator.kube import EVENTS, JOBS, QUANTUMJOBS, ApiError, Kube
from quantumjob_operator.manifest import Failure
from quantumjob_operator.observe import Worker
from quantumjob_operator.promotion import promote
from quantumjob_operator.workqueue import WorkQueue

JSON = dict[str, Any]
logger = logging.getLogger(__name__)

CONCURRENCY: Final = 8
PASSES: Final = 10
"""Steps for one key before others have their turn."""
MISSES: Final = 6
"""How often the last segment of a worker that ended well is looked for, before its absence is believed."""


@dataclass
class Memory:
    """Soft state of one QuantumJob: whatever is lost with it is found again."""

    created_here: bool = False
    """This process created the child Job, so that before its first order nothing can be in pending."""
    ordered: bool = False
    hinted: bool = False
    looked: bool = False
    misses: int = 0


@dataclass
class Controller:
    """Level-triggered: `reconcile` may be called for any key at any time."""

    kube: Kube
    open_store: Callable[[], Store]
    build_job: Callable[[JSON], JSON]
    may_create: bool = True
    """Whether this process accepts programs and starts workers; without it, it only finishes what has begun."""
    cache: Cache = field(default_factory=Cache)
    queue: WorkQueue[Owner] = field(default_factory=WorkQueue)
    memory: dict[Owner, Memory] = field(default_factory=dict)
    _said: set[asyncio.Task[None]] = field(default_factory=set)
    _promoting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """Promotion holds a segment in memory: at most this many at a time."""

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            owner = await self.queue.get()
            try:
                await self.reconcile(owner)
                self.queue.forget(owner)
            except (ApiError, StoreError, Misconfigured, NotEnded) as error:
                seconds = self.queue.retry(owner)
                logger.warning("Trying again", extra={"uid": owner.uid, "cause": str(error), "seconds": seconds})
            except Exception:
                self.queue.retry(owner)
                logger.exception("A defect of the operator", extra={"uid": owner.uid})
            finally:
                self.queue.done(owner)

    def remember(self, owner: Owner) -> Memory:
        return self.memory.setdefault(owner, Memory())

    async def reconcile(self, owner: Owner) -> None:
        for _ in range(PASSES):
            view = self.view(owner)
            step = plan.decide(view, clock.now()) if view else None
            if view is None or step is None or not (self.may_create or plan.finishes(step)):
                break
            match step:
                case plan.Write():
                    if wait := plan.seconds_to_wait(view, step, clock.now()):
                        self.queue.add_after(owner, wait)
                        return
                    await self._write(owner, view.quantumjob, step.status)
                case plan.Create():
                    await self._create(owner, view.quantumjob, step)
                case plan.Promote():
                    await self._promote(owner, view.quantumjob, step)
        else:
            self.queue.add(owner)
        if view is None or status.is_terminal(view.quantumjob.get("status", {})):
            self.memory.pop(owner, None)

    def view(self, owner: Owner) -> plan.View | None:
        quantumjob = self.cache.quantumjobs.get(owner)
        if quantumjob is None:
            return None
        known = self.memory.get(owner, Memory())
        return plan.View(
            quantumjob, self.cache.job(owner), self.cache.pods(owner), hinted=known.hinted, looked=known.looked
        )

    async def _write(self, owner: Owner, quantumjob: JSON, wanted: JSON) -> None:
        """Write the status against the version it was made from; after a conflict, from the newest version anew."""
        try:
            written = await self.kube.apply_status(quantumjob, wanted)
        except ApiError as error:
            if error.status not in {404, 409}:
                raise
            await self._refresh(owner, quantumjob)
            return
        self.cache.put_quantumjob(written)
        if event := events.of_change(quantumjob.get("status", {}), wanted):
            self._say(quantumjob, event)

    async def _refresh(self, owner: Owner, quantumjob: JSON) -> None:
        meta = quantumjob["metadata"]
        newest = await self.kube.get(QUANTUMJOBS, meta["namespace"], meta["name"])
        if newest is None or newest["metadata"]["uid"] != owner.uid:
            self.cache.drop_quantumjob(quantumjob)
        else:
            self.cache.put_quantumjob(newest)

    async def _create(self, owner: Owner, quantumjob: JSON, step: plan.Create) -> None:
        try:
            pending = self.open_store().pending
            await asyncio.to_thread(pending.put_once, keys.program(owner), encode(step.program))
        except (StoreError, Misconfigured) as error:
            await self._wait(owner, quantumjob, Reason.WAITING_FOR_STORE, _store_message(error))
            raise
        body = self.build_job(quantumjob)
        try:
            created = await self.kube.create(JOBS, owner.namespace, body)
        except ApiError as error:
            if error.status in {403, 422}:
                message = f"The cluster refuses the worker's Job: {error.message}"
                await self._wait(owner, quantumjob, Reason.POD_REFUSED, message)
            raise
        if created is None:
            await self._adopt(owner, body)
            return
        self.remember(owner).created_here = "job" not in quantumjob["status"]
        self.cache.put_job(created)
        self._say(quantumjob, events.Event("Normal", "WorkerCreated", f"Created Job {body['metadata']['name']}."))

    async def _adopt(self, owner: Owner, body: JSON) -> None:
        """A Job of this name exists: it is ours, or it is in the way."""
        existing = await self.kube.get(JOBS, owner.namespace, body["metadata"]["name"])
        if existing is not None and self.cache.put_job(existing) != owner:
            raise ApiError(409, f"Job {body['metadata']['name']} exists and does not belong to this QuantumJob")
        if existing is None or "deletionTimestamp" in existing["metadata"]:
            raise ApiError(409, f"Job {body['metadata']['name']} is still being deleted")

    async def _wait(self, owner: Owner, quantumjob: JSON, reason: Reason, message: str) -> None:
        """Say what the job waits for, once."""
        told = status.condition(quantumjob["status"], "Reconciling") or {}
        if told.get("reason") != reason:
            worker = Worker("waiting", reason, message)
            await self._write(owner, quantumjob, status.working(quantumjob, worker, clock.now()))

    async def _promote(self, owner: Owner, quantumjob: JSON, step: plan.Promote) -> None:
        accepted = quantumjob["status"].get("times", {}).get("accepted", "")
        known = self.remember(owner)
        failure = step.failure
        if step.required and known.misses >= MISSES:
            failure = Failure(Reason.RESULTS_INCOMPLETE, "The worker ended well, but its last segment is not there.")
        try:
            async with self._promoting:
                done = await asyncio.to_thread(promote, self.open_store(), owner, accepted, failure)
        except NotEnded:
            if not step.required:
                known.looked = True
                return
            known.misses += 1
            raise
        except NotFound as error:
            known.misses += 1
            if known.misses <= MISSES:
                raise
            await self._lose(owner, quantumjob, f"an object of this job is gone from the store: {error}")
            return
        except Corrupt as error:
            await self._lose(owner, quantumjob, str(error))
            return
        except (StoreError, Misconfigured) as error:
            await self._wait(owner, quantumjob, Reason.WAITING_FOR_STORE, _store_message(error))
            raise
        await self._write(owner, quantumjob, status.finished(quantumjob, done, clock.now()))

    async def _lose(self, owner: Owner, quantumjob: JSON, cause: str) -> None:
        """What is in the store cannot be used. It stays there, and the status says why."""
        logger.error("Results cannot be used", extra={"uid": owner.uid, "cause": cause})
        wanted = status.lost(quantumjob, Reason.RESULTS_CORRUPT, f"{cause}. Create the job again.", clock.now())
        await self._write(owner, quantumjob, wanted)

    def _say(self, quantumjob: JSON, event: events.Event) -> None:
        """Post an Event on the side: nothing waits for it, and its loss is no harm."""
        task = asyncio.create_task(self._post(quantumjob, event))
        self._said.add(task)
        task.add_done_callback(self._said.discard)

    async def said(self) -> None:
        """Wait until all Events are posted."""
        await asyncio.gather(*self._said)

    async def _post(self, quantumjob: JSON, event: events.Event) -> None:
        try:
            await self.kube.create(
                EVENTS, quantumjob["metadata"]["namespace"], events.build(quantumjob, event, clock.now())
            )
        except ApiError as error:
            logger.warning("An Event was not posted", extra={"cause": str(error)})


def _store_message(error: Exception) -> str:
    return f"The object store does not serve ({type(error).__name__}: {error}); trying again until it does."
