"""What every route needs, made once for a process."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request

from quantumjob_api.bodies import Budget
from quantumjob_api.kube import Kube
from quantumjob_api.models import LABEL, NAME_LENGTH, SUBDOMAIN, UID
from quantumjob_api.problems import Problem, Reason
from quantumjob_contract.objectstore import AsyncStore, Stores


class Room:
    """So much at a time, of which one namespace has a part at most; and no queue."""

    def __init__(self, total: int, each: int) -> None:
        self._left = total
        self._each = each
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def take(self, namespace: str, amount: int = 1) -> Iterator[None]:
        """Raises Problem where so much is not left. What is more than a namespace's part has that part."""
        amount = min(amount, self._each)
        if amount > self._left or amount > self._each - self._taken[namespace]:
            raise Problem(Reason.BUSY, "Too many requests of this kind at this moment: try again.")
        self._left -= amount
        self._taken[namespace] += amount
        try:
            yield
        finally:
            self._left += amount
            self._taken[namespace] -= amount
            if not self._taken[namespace]:
                del self._taken[namespace]


@dataclass
class Service:
    """The API server, the object store, and what bounds the use of both."""

    kube: Kube
    stores: Stores
    bodies: Budget
    waiting: Room
    """Long polls and event streams."""
    reading: Room
    """Bytes of segments that are in memory at a time, as they are stored."""
    listing: Room
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
