"""Tokens and rights: what a call needs, and what it reveals without."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from quantumjob_contract.transfer import sha256
from support.api import ALL, BODY, JOBS, bearer, is_problem
from support.memory import MemoryStore


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer a b"},
        {"Authorization": "Bearer nobody"},
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        "jobs",
        "jobs/bell",
        "jobs/bell/events",
        "jobs/bell/result",
        "jobs/bell/partial",
        "circuits",
        "circuits/a",
        "history",
        "history/80dd8c36-01f0-4807-9a62-1fbde67eafab",
    ],
)
async def test_every_call_needs_a_token(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
    answer = await client.get(f"/v1/namespaces/team/{path}", headers=headers)
    assert is_problem(answer, 401, "Unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("method", "path", "verbs"),
    [
        ("POST", "jobs", "get.list.watch"),
        ("GET", "jobs", "get.create"),
        ("GET", "jobs/bell", "list.create"),
        ("POST", "jobs/bell/cancel", "get.list.create"),
        ("DELETE", "jobs/bell", "get.list.create.patch"),
        ("GET", "jobs/bell/events", "list"),
        ("GET", "jobs/bell/result", "list"),
        ("GET", "jobs/bell/result/0/last", "list"),
        ("GET", "jobs/bell/result/0/000000.npz", "list"),
        ("GET", "jobs/bell/partial", "list"),
        ("GET", "circuits", "get.create"),
        ("GET", "circuits/a", "list.create"),
        ("PUT", "circuits/a", "get.list.patch"),
        ("GET", "history", "get.create"),
        ("GET", "history/80dd8c36-01f0-4807-9a62-1fbde67eafab", "list.create"),
        ("GET", "history/80dd8c36-01f0-4807-9a62-1fbde67eafab/result", "list.create"),
        ("GET", "history/80dd8c36-01f0-4807-9a62-1fbde67eafab/result/0/last", "list.create"),
        ("GET", "history/80dd8c36-01f0-4807-9a62-1fbde67eafab/result/0/000000.npz", "list.create"),
    ],
)
async def test_every_call_needs_its_right_before_the_store_is_read(
    client: httpx.AsyncClient, store: MemoryStore, method: str, path: str, verbs: str
) -> None:
    for headers in (bearer(verbs), bearer("get.list.watch.create.patch.delete", "other")):
        content = json.dumps(BODY) if method == "POST" else "x" if method == "PUT" else None
        typed = {"Content-Type": "application/json"} if method == "POST" else {}
        answer = await client.request(method, f"/v1/namespaces/team/{path}", headers=headers | typed, content=content)
        assert is_problem(answer, 403, "Forbidden")
    assert store.requests == []


async def test_a_large_circuit_is_uploaded_only_with_the_right_to_create(
    client: httpx.AsyncClient, store: MemoryStore
) -> None:
    large = BODY | {"circuit": "x" * 300_000}
    assert is_problem(await client.post(JOBS, json=large, headers=bearer("get.list")), 403, "Forbidden")
    assert store.requests == []
    made = await client.post(JOBS, json=large, headers=ALL)
    assert made.status_code == 202
    assert list(store.circuits.objects) == [f"team/sha256/{sha256(b'x' * 300_000)}"]


async def test_a_large_body_is_read_only_with_the_right_to_create(client: httpx.AsyncClient) -> None:
    """A small one is read before, because the check costs a request."""
    sent = 0

    async def large() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(64):
            sent += 1 << 15
            yield b" " * (1 << 15)

    for length in ({}, {"Content-Length": str(1 << 21)}):
        headers = bearer("get.list.watch") | {"Content-Type": "application/json"} | length
        assert is_problem(await client.post(JOBS, content=large(), headers=headers), 403, "Forbidden")
    assert sent == 0


async def test_a_token_in_the_query_is_rejected_and_not_logged(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    answer = await client.get(f"{JOBS}?access_token=very-secret", headers=ALL)
    assert is_problem(answer, 400, "TokenInQuery")
    await client.get(JOBS, headers=bearer("very-secret"))
    logged = " ".join(str(record.__dict__) for record in caplog.records if record.name.startswith("quantumjob"))
    assert "400" in logged
    assert "very-secret" not in logged
