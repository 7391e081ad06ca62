"""The clients and quotas that all routes share, created once per process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from quantumjob_api.kubernetes.client import CallerClient
from quantumjob_api.server.quota import NamespaceQuota
from quantumjob_api.server.request_body import BodyBudget
from quantumjob_contract.store.aio import AsyncStore, Stores


@dataclass
class Service:
    """The clients of Kubernetes and of the store, and the limits of their use."""

    kube: CallerClient
    stores: Stores
    bodies: BodyBudget
    waiting: NamespaceQuota
    """Quota of long polls and event streams."""
    segment_bytes: NamespaceQuota
    """Quota of segment bytes in memory, counted as stored."""
    manifests: asyncio.Semaphore
    """Limits how many manifests are read at a time; others wait."""
    job_lists: asyncio.Semaphore
    """Limits how many job lists are read at a time; others wait."""
    history_lists: NamespaceQuota
    """Quota of history lists: each lists all results of its namespace in the bucket."""

    def store(self) -> AsyncStore:
        """The store with its current configuration. Raises StoreMisconfigured."""
        return self.stores.open()

    async def close(self) -> None:
        await self.kube.close()
        await self.stores.close()


async def of_request(request: Request) -> Service:
    """The service of the running application. A coroutine, because FastAPI runs functions in a thread."""
    found: Service = request.app.state.service
    return found


InjectedService = Annotated[Service, Depends(of_request)]
