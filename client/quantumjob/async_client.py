"""The client, for programs with an event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from quantumjob import models
from quantumjob.rest import calls
from quantumjob.rest.connection import TokenSource, find
from quantumjob.rest.transport import PATIENCE_SECONDS, AsyncTransport

JSON = calls.JSON
Rows = list[models.JobRow]
Finished = list[models.HistoryRow]
Circuits = list[models.CircuitInfo]


class AsyncClient(AsyncTransport):
    """The QuantumJobs of one namespace, by the REST service. Without arguments it looks where people expect."""

    def __init__(
        self,
        url: str | None = None,
        *,
        token: TokenSource | None = None,
        namespace: str | None = None,
        ca: str | None = None,
        patience: float = PATIENCE_SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`token` may be a function that gives one. `ca` is a file, or its text.

        A request is repeated for `patience` seconds, one that waits for a job for ten minutes. Raises NotConfigured.
        """
        super().__init__(find(url=url, token=token, namespace=namespace, ca=ca), transport, patience)

    @property
    def namespace(self) -> str:
        return self.where.namespace

    async def submit(self, body: JSON, *, key: str | None = None) -> models.Status:
        """`body` as in docs/rest.md. Sent again with the same `key`, it is the same job."""
        return await self.run(calls.submit(body, key))

    async def status(self, name: str) -> models.Status:
        return await self.run(calls.status(name))

    get = status

    async def wait(  # as of Client
        self,
        name: str,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> models.Status:
        """Until the job is finished. Raises WaitTimeout; the job goes on then."""
        return await self.run(calls.wait(name, timeout))

    async def changes(self, name: str) -> AsyncIterator[models.Status]:
        """The job as it is, then each new state, until it is finished."""
        found = await self.status(name)
        yield found
        while not found.finished:
            newer = await self.run(calls.change(name, found.version))
            if newer is not None:
                found = newer
                yield found

    async def result(self, name: str) -> models.Result:
        """Every pub's result or error, verified. Raises NotFinished, NotFound."""
        return await self.run(calls.result(name))

    async def arrays(self, stored: models.Arrays) -> bytes:
        """One of `arrays` of a result: a `.npz`, verified."""
        return await self.run(calls.arrays(stored))

    async def partial_result(self, name: str) -> models.Partial:
        """What is done so far."""
        return await self.run(calls.partial(name))

    async def cancel(self, name: str) -> models.Status:
        """Pubs that are done keep their results. Raises Conflict where it has ended."""
        return await self.run(calls.cancel(name))

    async def delete(self, name: str) -> None:
        """Its results stay: see `history`."""
        await self.run(calls.delete(name))

    async def list(self, limit: int | None = None) -> Rows:
        return await self.run(calls.jobs(limit))

    async def upload(self, data: bytes, key: str | None = None) -> models.CircuitInfo:
        """A circuit for the namespace. Without a key it is named by its sha256."""
        return await self.run(calls.upload(data, key))

    async def circuits(self, limit: int | None = None) -> Circuits:
        return await self.run(calls.circuits(limit))

    async def history(self, limit: int | None = None) -> Finished:
        """Finished jobs, newest first, also those that are long deleted."""
        return await self.run(calls.history(limit))

    async def stored(self, uid: str) -> models.Result:
        """The result of a job of the history."""
        return await self.run(calls.stored(uid))
