"""What every route needs, made once for a process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request

from quantumjob_api.bodies import Budget
from quantumjob_api.kube import Kube
from quantumjob_api.models import LABEL, NAME_LENGTH, SUBDOMAIN, UID
from quantumjob_api.problems import Problem, Reason
from quantumjob_contract.objectstore import AsyncStore, Stores


class Slots:
    """So many at a time, and no queue."""

    def __init__(self, count: int) -> None:
        self._left = count

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Raises Problem where none is left."""
        if self._left <= 0:
            raise Problem(Reason.BUSY, "Too many requests of this kind at this moment: try again.")
        self._left -= 1
        try:
            yield
        finally:
            self._left += 1


@dataclass
class Service:
    """The API server, the object store, and what bounds the use of both."""

    kube: Kube
    stores: Stores
    bodies: Budget
    waiting: Slots
    """Long polls and event streams."""
    reading: Slots
    """Results that do not fit into one piece: each may hold a segment in memory."""
    listing: Slots
    """Histories: each lists a namespace's part of the completed bucket."""

    def store(self) -> AsyncStore:
        """Raises store.Misconfigured."""
        return self.stores.open()

    async def close(self) -> None:
        await self.kube.close()
        await self.stores.close()


def of_request(request: Request) -> Service:
    found: Service = request.app.state.service
    return found


Serving = Annotated[Service, Depends(of_request)]
Namespace = Annotated[
    str, Path(pattern=LABEL, max_length=63, description="Namespace of the QuantumJobs.", examples=["default"])
]
Name = Annotated[
    str, Path(pattern=SUBDOMAIN, max_length=NAME_LENGTH, description="Name of the QuantumJob.", examples=["bell"])
]
Uid = Annotated[
    str, Path(pattern=UID, description="UID of the QuantumJob.", examples=["80dd8c36-01f0-4807-9a62-1fbde67eafab"])
]
