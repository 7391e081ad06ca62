"""The service in this process, with an API server and a store in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from support.api import FakeCallerClient, running
from support.memory import MemoryStore


@pytest.fixture
def kube() -> FakeCallerClient:
    return FakeCallerClient()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def client(kube: FakeCallerClient, store: MemoryStore) -> AsyncIterator[httpx.AsyncClient]:
    async with running(kube, store.opened) as opened:
        yield opened
