"""Responses with results: what they keep in memory, and how long."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from quantumjob_api.kubernetes.client import without_program
from quantumjob_api.problems import ApiProblem
from quantumjob_api.server.quota import NamespaceQuota
from quantumjob_api.server.request_body import BodyBudget
from quantumjob_api.service import Service
from quantumjob_api.store.results import BATCH_BYTES, PubStream, not_verified, pubs_response
from support.kube import quantumjob

SMALL = [BATCH_BYTES // 2, BATCH_BYTES // 2]
LARGE = [BATCH_BYTES, BATCH_BYTES // 2]
NAMES = (b"1", b"2", b"3")


class Source:
    """Pubs, and a list of those that were read."""

    def __init__(self, sizes: list[int]) -> None:
        self.asked: list[bytes] = []
        self.pubs = PubStream(self._batches(), sizes)

    async def _batches(self) -> AsyncIterator[list[bytes]]:
        for name in NAMES:
            self.asked.append(name)
            yield [name]


@pytest.fixture
def service() -> Service:
    """With memory for two results of LARGE, one per namespace."""
    reading, few = NamespaceQuota(2 * BATCH_BYTES, BATCH_BYTES), NamespaceQuota(1, 1)
    return Service(
        None, None, BodyBudget(NamespaceQuota(1, 1)), few, reading, asyncio.Semaphore(1), asyncio.Semaphore(1), few
    )  # type: ignore[arg-type]


async def answered(service: Service, namespace: str, source: Source) -> Any:
    return await pubs_response(service, namespace, {"name": "bell"}, source.pubs, {})


async def sent(answer: Any, *, until: int = 1000) -> bytes:
    """The bytes that are sent until the client disconnects, after this many messages."""
    told: list[Message] = []
    count = itertools.count(1)

    async def send(message: Message) -> None:
        if next(count) > until:
            raise OSError
        told.append(message)

    await answer({"type": "http", "asgi": {"spec_version": "2.4"}}, None, send)
    return b"".join(message.get("body", b"") for message in told)


async def test_a_small_result_is_read_before_it_is_sent(service: Service) -> None:
    source = Source(SMALL)
    answer = await answered(service, "team", source)
    assert source.asked == [*NAMES]
    assert answer.body == b'{"name":"bell","pubs":[1,2,3]}'
    with service.segment_bytes.take("team", BATCH_BYTES):
        pass


@pytest.mark.parametrize("until", [1000, 2, 1])
async def test_a_large_result_keeps_its_quota_until_its_end(service: Service, until: int) -> None:
    first, second, other = Source(LARGE), Source(LARGE), Source(LARGE)
    answer = await answered(service, "team", first)
    assert first.asked == [NAMES[0]]
    with pytest.raises(ApiProblem) as caught:
        await answered(service, "team", second)
    assert (caught.value.status, second.asked) == (503, []), "no pub is read"
    theirs = await answered(service, "theirs", other)
    if until == 1000:
        assert await sent(answer) == b'{"name":"bell","pubs":[1,2,3]}'
    else:
        with pytest.raises(ClientDisconnect):
            await sent(answer, until=until)
    assert await sent(await answered(service, "team", second)) == await sent(theirs)


async def test_a_result_that_cannot_be_read_returns_its_quota(service: Service) -> None:
    async def broken() -> AsyncIterator[list[bytes]]:
        raise not_verified()
        yield []

    with pytest.raises(ApiProblem):
        await pubs_response(service, "team", {}, PubStream(broken(), LARGE), {})
    with service.segment_bytes.take("team", BATCH_BYTES):
        pass


def test_a_waiter_keeps_no_circuit_in_memory() -> None:
    job = quantumjob()
    job["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "x" * 9999}
    assert job["spec"].pop("program")
    assert without_program(job | {"spec": job["spec"] | {"program": {}}})["spec"] == job["spec"]
    assert "annotations" not in without_program(job)["metadata"]
