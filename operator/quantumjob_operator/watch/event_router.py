"""Routes watch events to the cache, then to the work queue of the controller or the autoscaler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from quantumjob_contract.keys import Owner
from quantumjob_operator.cache import Concern
from quantumjob_operator.kubernetes.client import JOBS, PODS, QUANTUMJOBS, ResourceKind
from quantumjob_operator.reconcile.controller import Controller
from quantumjob_operator.scheduling import worker_pool
from quantumjob_operator.scheduling.autoscaler import Autoscaler

JSON = dict[str, Any]


@dataclass
class EventRouter:
    """Handles objects of the three kinds, from the watches and from a resync."""

    controller: Controller
    autoscaler: Autoscaler

    def handler_of(self, kind: ResourceKind) -> Callable[[JSON, bool], None]:
        """Returns the handler of a kind. Its arguments are the object and whether it is gone."""
        return {QUANTUMJOBS: self.quantumjob, JOBS: self.job, PODS: self.pod}[kind]

    def quantumjob(self, raw: JSON, gone: bool) -> None:
        """A QuantumJob is `gone` where it is deleted or finished: the watch selects by phase."""
        cache = self.controller.cache
        if gone:
            self.controller.forget(cache.drop_quantumjob(raw))
        else:
            self.controller.work_queue.add(cache.put_quantumjob(raw))

    def job(self, raw: JSON, gone: bool) -> None:
        cache = self.controller.cache
        self._enqueue(cache.drop_job(raw) if gone else cache.put_job(raw))

    def pod(self, raw: JSON, gone: bool) -> None:
        cache = self.controller.cache
        if worker_pool.is_shared(raw):
            self.autoscaler.observe_pod(raw, gone=gone)
        self._enqueue(cache.drop_pod(raw) if gone else cache.put_pod(raw))

    def _enqueue(self, concern: Concern) -> None:
        if isinstance(concern, Owner):
            self.controller.work_queue.add(concern)
        elif concern is not None:
            self.autoscaler.trigger(concern)
