"""Posts Kubernetes Events and rate-limits status updates of queued jobs. Best effort; never blocks reconciliation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from quantumjob_contract.keys import Owner
from quantumjob_operator import clock
from quantumjob_operator.kubernetes.client import EVENTS, ApiError, KubernetesClient
from quantumjob_operator.kubernetes.workqueue import WorkQueue
from quantumjob_operator.model import events

JSON = dict[str, Any]
logger = logging.getLogger(__name__)

WAITING_PER_SECOND: Final = 5.0
"""Status updates that only report that a job is queued. Each costs a tenth of the requests of a small job, and of a
thousand queued jobs most have ended before anybody reads their status.
"""


@dataclass
class Notifier:
    """Events and rate-limited status updates."""

    kube: KubernetesClient
    requeue: Callable[[Owner], None]
    """Enqueues a QuantumJob for reconciliation."""
    waiting: WorkQueue[Owner] = field(default_factory=lambda: WorkQueue(flow=lambda owner: owner.namespace))
    """Queued jobs whose status is not yet updated."""
    _due: set[Owner] = field(default_factory=set)
    _posting: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Allows one status update after the other until cancelled."""
        while True:
            await self.allow_next()
            await asyncio.sleep(1 / WAITING_PER_SECOND)

    async def allow_next(self) -> None:
        """Allows the status update of the next queued job, once there is one."""
        owner = await self.waiting.get()
        self.waiting.done(owner)
        self._due.add(owner)
        self.requeue(owner)

    def may_report(self, owner: Owner) -> bool:
        """Whether the status of this queued job may be updated now; if not, it is enqueued for later."""
        if owner not in self._due:
            self.waiting.add(owner)
        return owner in self._due

    def forget(self, owner: Owner) -> None:
        """Drops a job whose status is updated, or that is deleted."""
        self._due.discard(owner)
        self.waiting.drop(owner)

    def post(self, quantumjob: JSON, event: events.Event) -> None:
        """Posts an Event in a task. A failure is logged only."""
        task = asyncio.create_task(self._post(quantumjob, event))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def flush(self) -> None:
        """Waits until all Events are posted."""
        await asyncio.gather(*self._posting)

    async def _post(self, quantumjob: JSON, event: events.Event) -> None:
        namespace = quantumjob["metadata"]["namespace"]
        try:
            await self.kube.create(EVENTS, namespace, events.build(quantumjob, event, clock.now()))
        except ApiError as error:
            logger.warning("Posting an Event failed", extra={"cause": str(error)})
