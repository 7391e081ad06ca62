"""Identifies the worker of an authenticated pod, by the Job that owns the pod."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.resource import shards
from quantumjob_operator.cache import Cache
from quantumjob_operator.kubernetes.client import JOBS, PODS, KubernetesClient
from quantumjob_operator.kubernetes.objects import controller_of
from quantumjob_operator.model.job_template import job_name
from quantumjob_operator.model.worker_state import index_of
from quantumjob_operator.orders.tokens import Caller, Denied
from quantumjob_operator.scheduling.assignment import Pod

KNOWN_SECONDS: Final = 5.0
"""A pod may be unknown for this time: the watch delivers it well before its container runs."""
KNOWN_POLL_SECONDS: Final = 0.5

Identity = Shard | Pod
"""The shard of a dedicated worker, or the pod of a shared worker."""


@dataclass
class WorkerRegistry:
    """The pods of all workers, from the cache, else from the API server."""

    kube: KubernetesClient
    cache: Cache

    async def identify(self, caller: Caller) -> Identity:
        """Returns the worker of this pod, if its Job has not ended. Raises Denied or ApiError."""
        deadline = asyncio.get_running_loop().time() + KNOWN_SECONDS
        while True:
            if found := self._find(caller):
                return found
            await self._look_up(caller)
            if found := self._find(caller):
                return found
            if asyncio.get_running_loop().time() > deadline:
                raise Denied("the pod is not a running worker of this operator")
            await asyncio.sleep(KNOWN_POLL_SECONDS)

    def _find(self, caller: Caller) -> Identity | None:
        if pod := self.cache.pool.find(*caller):
            return pod
        owner = self.cache.owner_of_pod(caller.pod_uid)
        if owner is None or owner not in self.cache.quantumjobs:
            return None
        for each in self.cache.pods(owner):
            meta, number = each["metadata"], index_of(each)
            if (meta["namespace"], meta["name"], meta["uid"]) == caller:
                return Shard(owner, number) if number < shards(self.cache.quantumjobs[owner]) else None
        return None

    async def _look_up(self, caller: Caller) -> None:
        """Gets a pod and its Job from the API server, where the watch has not delivered them. Raises ApiError."""
        pod = await self.kube.get(PODS, caller.namespace, caller.pod)
        if pod is None or pod["metadata"]["uid"] != caller.pod_uid:
            return
        concern = self.cache.put_pod(pod)
        name = job_name(concern.uid) if isinstance(concern, Owner) else controller_of(pod)
        if concern is not None and name is not None and (job := await self.kube.get(JOBS, caller.namespace, name)):
            self.cache.put_job(job)
