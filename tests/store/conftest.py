"""Each store test runs on SeaweedFS, and in the long tier on MinIO, too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from quantumjob_contract.store import Store
from quantumjob_contract.store.aio import AsyncStore
from support.s3 import Server


@pytest.fixture(scope="session", params=["seaweedfs", pytest.param("minio", marks=pytest.mark.long)])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server of each kind for the whole session."""
    started = Server(request.param, Path(tmp_path_factory.mktemp(request.param)))
    started.start()
    yield started
    started.kill()


@pytest.fixture(scope="session")
def store(server: Server) -> Store:
    opened = server.store()
    for bucket in (opened.circuits, opened.pending, opened.completed):
        bucket.ensure()
    return opened


@pytest.fixture
async def opened(store: Store) -> AsyncIterator[AsyncStore]:
    """The same store by the client of operator and REST service."""
    found = AsyncStore(store)
    yield found
    await found.close()
    # aiohttp closes a connection on which an upload was refused early after the store has closed it.
    transports = asyncio.get_running_loop()._transports  # type: ignore[attr-defined]
    while any(each._sock is not None for each in transports.values()):
        await asyncio.sleep(0.01)
