"""What people are told on the side: Events, and which jobs only wait. Nothing holds up for it."""

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
"""Status writes that only say that a job waits. Each costs the API server a tenth of what a small job costs in all, and
where a thousand wait, most have ended before anybody looks."""


@dataclass
class Notifier:
    """Tells at its own pace."""

    kube: KubernetesClient
    requeue: Callable[[Owner], None]
    """Have the controller look at a QuantumJob again."""
    waiting: WorkQueue[Owner] = field(default_factory=lambda: WorkQueue(flow=lambda owner: owner.namespace))
    """Those that nobody was told of yet."""
    _due: set[Owner] = field(default_factory=set)
    _posting: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Let one job after the other be told of, until cancelled."""
        while True:
            await self.allow_next()
            await asyncio.sleep(1 / WAITING_PER_SECOND)

    async def allow_next(self) -> None:
        """Let the next job be told of, as soon as there is one."""
        owner = await self.waiting.get()
        self.waiting.done(owner)
        self._due.add(owner)
        self.requeue(owner)

    def may_report(self, owner: Owner) -> bool:
        """Whether it may be told now that this job waits; if not, it will be, and looked at then."""
        if owner not in self._due:
            self.waiting.add(owner)
        return owner in self._due

    def forget(self, owner: Owner) -> None:
        """This job is told of, or gone."""
        self._due.discard(owner)
        self.waiting.drop(owner)

    def post(self, quantumjob: JSON, event: events.Event) -> None:
        """Post an Event: nothing waits for it, and its loss is no harm."""
        task = asyncio.create_task(self._post(quantumjob, event))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def flush(self) -> None:
        """Wait until all Events are posted."""
        await asyncio.gather(*self._posting)

    async def _post(self, quantumjob: JSON, event: events.Event) -> None:
        namespace = quantumjob["metadata"]["namespace"]
        try:
            await self.kube.create(EVENTS, namespace, events.build(quantumjob, event, clock.now()))
        except ApiError as error:
            logger.warning("Posting an Event failed", extra={"cause": str(error)})
