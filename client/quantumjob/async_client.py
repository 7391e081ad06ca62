"""The asynchronous client of the REST service."""

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
    """Client of one namespace. Without arguments, the environment, the pod or kubeconfig say where the service is."""

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
        """Finds the service and the token. Raises NotConfigured.

        `token` is text, or a function that returns it. `ca` is a PEM file, or its text. A failed request is repeated
        for `patience` seconds, a long poll for ten minutes.
        """
        super().__init__(find(url=url, token=token, namespace=namespace, ca=ca), transport, patience)

    @property
    def namespace(self) -> str:
        return self.where.namespace

    async def submit(self, body: JSON, *, key: str | None = None) -> models.Status:
        """Creates a job from a submission (docs/rest.md). With the same `key` it is created once."""
        return await self.run(calls.submit(body, key))

    async def status(self, name: str) -> models.Status:
        """Returns the job. Raises NotFound."""
        return await self.run(calls.status(name))

    get = status

    async def wait(  # as of Client
        self,
        name: str,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> models.Status:
        """Waits until the job is finished. Raises WaitTimeout after `timeout` seconds; the job continues."""
        return await self.run(calls.wait(name, timeout))

    async def changes(self, name: str) -> AsyncIterator[models.Status]:
        """Yields the job, then each change of it, until it is finished."""
        found = await self.status(name)
        yield found
        while not found.finished:
            newer = await self.run(calls.change(name, found.version))
            if newer is not None:
                found = newer
                yield found

    async def result(self, name: str) -> models.Result:
        """Returns the verified result or error of every pub. Raises NotFinished, NotFound, NotVerified."""
        return await self.run(calls.result(name))

    async def arrays(self, stored: models.Arrays) -> bytes:
        """Downloads one of `arrays` of a result, a `.npz`. Raises NotVerified."""
        return await self.run(calls.arrays(stored))

    async def partial_result(self, name: str) -> models.Partial:
        """Returns the results so far, which are not verified yet."""
        return await self.run(calls.partial(name))

    async def cancel(self, name: str) -> models.Status:
        """Cancels the job. Finished pubs keep their results. Raises Conflict where the job has ended."""
        return await self.run(calls.cancel(name))

    async def delete(self, name: str) -> None:
        """Deletes the QuantumJob. Its results stay: see `history`."""
        await self.run(calls.delete(name))

    async def list(self, limit: int | None = None) -> Rows:
        """Returns the namespace's jobs, at most `limit` of them."""
        return await self.run(calls.jobs(limit))

    async def upload(self, data: bytes, key: str | None = None) -> models.CircuitInfo:
        """Uploads a circuit; without `key`, under its sha256. Raises Conflict where the key has other bytes."""
        return await self.run(calls.upload(data, key))

    async def circuits(self, limit: int | None = None) -> Circuits:
        """Returns the namespace's circuits, by key."""
        return await self.run(calls.circuits(limit))

    async def history(self, limit: int | None = None) -> Finished:
        """Returns finished jobs, newest first, also deleted ones."""
        return await self.run(calls.history(limit))

    async def stored(self, uid: str) -> models.Result:
        """Returns the result of a job of the history, by its UID."""
        return await self.run(calls.stored(uid))
