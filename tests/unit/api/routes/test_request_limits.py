"""Invalid, large, slow and hostile requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from quantumjob_api.server import middleware
from support.api import ALL, BODY, JOBS, FakeCallerClient, is_problem, running
from support.memory import MemoryStore


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/v1/namespaces/UPPER/jobs", 422, "InvalidRequest"),
        ("GET", "/v1/namespaces/a%2Fb/jobs", 404, "NotFound"),
        ("GET", "/v1/namespaces/team/jobs/a%00b", 422, "InvalidRequest"),
        ("GET", f"{JOBS}?limit=0", 422, "InvalidRequest"),
        ("GET", f"{JOBS}/bell?wait=61", 422, "InvalidRequest"),
        ("GET", "/v1/namespaces/team/circuits/..%2F..%2Fother", 422, "InvalidRequest"),
        ("GET", "/v1/namespaces/team/circuits/a%2F..%2Fb", 422, "InvalidRequest"),
        ("GET", "/v1/namespaces/team/jobs/", 404, "NotFound"),
        ("PATCH", JOBS, 405, "MethodNotAllowed"),
        ("GET", "/nothing", 404, "NotFound"),
    ],
)
async def test_invalid_requests_are_problems(
    client: httpx.AsyncClient, method: str, path: str, status: int, reason: str
) -> None:
    answer = await client.request(method, path, headers=ALL)
    assert is_problem(answer, status, reason)
    assert ("Allow" in answer.headers) == (status == 405)


async def test_an_invalid_name_is_explained_without_its_pattern(client: httpx.AsyncClient) -> None:
    for answer in (
        await client.post(JOBS, json=BODY | {"name": "Bad_Name"}, headers=ALL),
        await client.get(f"{JOBS}/Bad_Name", headers=ALL),
    ):
        assert answer.status_code == 422
        assert "lower-case letters" in answer.json()["detail"]
        assert "pattern" not in answer.text


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""]
)
async def test_forms_are_rejected(client: httpx.AsyncClient, kind: str) -> None:
    answer = await client.post(JOBS, content=b"circuit=x", headers=ALL | {"Content-Type": kind})
    assert is_problem(answer, 415, "UnsupportedMediaType")


async def test_a_body_above_the_limit_is_rejected(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1 << 16
            yield b" " * (1 << 16)

    typed = ALL | {"Content-Type": "application/json"}
    assert is_problem(await client.post(JOBS, content=endless(), headers=typed), 413, "BodyTooLarge")
    assert sent < 6 << 20


async def test_a_slow_body_is_rejected(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BODY_SECONDS", 0.01)

    async def stopping() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    typed = ALL | {"Content-Type": "application/json"}
    assert is_problem(await client.post(JOBS, content=stopping(), headers=typed), 408, "SlowBody")


async def test_memory_of_parsed_bodies_is_limited_per_namespace(kube: FakeCallerClient, store: MemoryStore) -> None:
    """One of this size at a time; other requests are served meanwhile."""
    busy = asyncio.Event()

    async def held(*_: object) -> None:
        busy.set()
        await asyncio.Event().wait()

    typed = ALL | {"Content-Type": "application/json"}
    body = b'{"spec":{"a":[' + b"{}," * 300_000 + b"{}]}}"
    async with running(kube, store.opened) as client:
        kube.create = held  # type: ignore[method-assign,assignment]
        first = asyncio.create_task(client.post(JOBS, content=body, headers=typed))
        await busy.wait()
        refused = await client.post(JOBS, content=body, headers=typed)
        assert is_problem(refused, 503, "Busy")
        assert refused.headers["Connection"] == "close", "the rest of the body is not read"
        assert (await client.get(JOBS, headers=ALL)).status_code == 200
        first.cancel()


@pytest.mark.parametrize("query", ["&" * 5000, "a=1&" * 5000, "%" * 5000])
async def test_a_query_of_any_size_has_a_response(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"{JOBS}?{query}", headers=ALL)
    assert answer.status_code == 200 or is_problem(answer, 422, "InvalidRequest")


async def test_the_location_does_not_use_the_host_header(client: httpx.AsyncClient) -> None:
    made = await client.post(
        JOBS, json=BODY, headers=ALL | {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    )
    assert made.headers["Location"].startswith("/v1/")
    assert "evil" not in made.text + str(made.headers)
