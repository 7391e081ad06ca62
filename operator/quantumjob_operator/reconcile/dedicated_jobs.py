"""Creates, adopts and deletes the batch/v1 Jobs of dedicated workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from quantumjob_contract.keys import Owner
from quantumjob_operator.cache import Cache
from quantumjob_operator.kubernetes.client import JOBS, ApiError, KubernetesClient

JSON = dict[str, Any]


@dataclass(frozen=True)
class DedicatedJobs:
    """The dedicated Jobs at the API server. Updates the cache with what it returns."""

    kube: KubernetesClient
    cache: Cache
    build: Callable[[JSON], JSON]

    async def create(self, owner: Owner, quantumjob: JSON) -> str | None:
        """Creates the Job; returns its name, or None where an existing Job was adopted. Raises ApiError."""
        body = self.build(quantumjob)
        created = await self.kube.create(JOBS, owner.namespace, body)
        if created is None:
            await self._adopt(owner, body["metadata"]["name"])
            return None
        self.cache.put_job(created)
        name: str = body["metadata"]["name"]
        return name

    async def _adopt(self, owner: Owner, name: str) -> None:
        """Adopts the existing Job of this name. Raises ApiError where it has another owner or is being deleted."""
        existing = await self.kube.get(JOBS, owner.namespace, name)
        if existing is not None and self.cache.put_job(existing) != owner:
            raise ApiError(409, f"Job {name} exists and does not belong to this QuantumJob")
        if existing is None or "deletionTimestamp" in existing["metadata"]:
            raise ApiError(409, f"Job {name} is still being deleted")

    async def delete(self, job: JSON) -> None:
        meta = job["metadata"]
        await self.kube.delete(JOBS, meta["namespace"], meta["name"], meta["uid"])
        newest = await self.kube.get(JOBS, meta["namespace"], meta["name"])
        if newest is None or newest["metadata"]["uid"] != meta["uid"]:
            self.cache.drop_job(job)
        else:
            self.cache.put_job(newest)
