"""What every route needs, made once for a process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request

from quantumjob_api.kubernetes.client import CallerClient
from quantumjob_api.model.schemas import LABEL, NAME_LENGTH, SUBDOMAIN, UID
from quantumjob_api.server.quota import NamespaceQuota
from quantumjob_api.server.request_body import BodyBudget
from quantumjob_contract.store.aio import AsyncStore, Stores


@dataclass
class Service:
    """The API server, the object store, and what bounds the use of both."""

    kube: CallerClient
    stores: Stores
    bodies: BodyBudget
    waiting: NamespaceQuota
    """Long polls and event streams."""
    reading: NamespaceQuota
    """Bytes of segments that are in memory at a time, as they are stored."""
    opening: asyncio.Semaphore
    """Manifests that are read at a time: others wait their turn."""
    lists: asyncio.Semaphore
    """Lists of jobs, as well."""
    listing: NamespaceQuota
    """Histories: each lists a namespace's part of the completed bucket."""

    def store(self) -> AsyncStore:
        """Raises StoreMisconfigured."""
        return self.stores.open()

    async def close(self) -> None:
        await self.kube.close()
        await self.stores.close()


async def of_request(request: Request) -> Service:
    """A coroutine, since FastAPI runs a function in a thread."""
    found: Service = request.app.state.service
    return found


InjectedService = Annotated[Service, Depends(of_request)]
Namespace = Annotated[
    str, Path(pattern=LABEL, max_length=63, description="Namespace of the QuantumJobs.", examples=["default"])
]
Name = Annotated[
    str, Path(pattern=SUBDOMAIN, max_length=NAME_LENGTH, description="Name of the QuantumJob.", examples=["bell"])
]
Uid = Annotated[
    str, Path(pattern=UID, description="UID of the QuantumJob.", examples=["80dd8c36-01f0-4807-9a62-1fbde67eafab"])
]
