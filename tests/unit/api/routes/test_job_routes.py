"""Jobs over HTTP: submit, list, wait, follow, cancel, delete."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from quantumjob_api.kubernetes import watch
from quantumjob_api.kubernetes.client import ResponseTooLarge
from support.api import ALL, BODY, JOBS, FakeCallerClient, is_problem

JSON = dict[str, Any]
DONE = {
    "phase": "Succeeded",
    "conditions": [{"type": "Complete", "status": "True", "reason": "AllPubsSucceeded", "message": ""}],
}


async def test_submit_status_list_cancel_delete(client: httpx.AsyncClient) -> None:
    made = await client.post(JOBS, json=BODY | {"name": "bell"}, headers=ALL)
    assert (made.status_code, made.headers["Location"]) == (202, f"{JOBS}/bell")
    found = await client.get(made.headers["Location"], headers=ALL)
    assert found.json() == made.json()
    assert found.headers["ETag"] == made.headers["ETag"]
    again = await client.get(f"{JOBS}/bell", headers=ALL | {"If-None-Match": found.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    listed = (await client.get(JOBS, headers=ALL)).json()
    assert [(row["name"], row["shots"]) for row in listed["items"]] == [("bell", 7)]
    cancelled = await client.post(f"{JOBS}/bell/cancel", headers=ALL)
    assert cancelled.json()["cancel"] is True
    assert (await client.delete(f"{JOBS}/bell", headers=ALL)).status_code == 204
    assert is_problem(await client.get(f"{JOBS}/bell", headers=ALL), 404, "NotFound")


async def test_the_same_key_gives_the_same_job(client: httpx.AsyncClient, kube: FakeCallerClient) -> None:
    keyed = ALL | {"Idempotency-Key": "once"}
    answers = await asyncio.gather(*(client.post(JOBS, json=BODY, headers=keyed) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 202]
    assert len({answer.json()["uid"] for answer in answers}) == len(kube.objects) == 1
    other = await client.post(JOBS, json=BODY | {"shots": 6}, headers=keyed)
    assert is_problem(other, 409, "IdempotencyConflict")
    named = await client.post(JOBS, json=BODY | {"name": "named"}, headers=keyed)
    assert is_problem(named, 409, "IdempotencyConflict")
    assert len(kube.objects) == 1


async def test_a_name_that_is_taken(client: httpx.AsyncClient) -> None:
    await client.post(JOBS, json=BODY | {"name": "bell"}, headers=ALL)
    for headers in (ALL, ALL | {"Idempotency-Key": "k"}):
        answer = await client.post(JOBS, json=BODY | {"name": "bell"}, headers=headers)
        assert is_problem(answer, 409, "AlreadyExists")


async def test_a_resubmitted_job_that_was_deleted_is_created(client: httpx.AsyncClient, kube: FakeCallerClient) -> None:
    """The list by its key is older than the deletion."""
    headers = ALL | {"Idempotency-Key": "k"}
    first = await client.post(JOBS, json=BODY, headers=headers)
    name, table = first.json()["name"], await kube.table("list~team", "team", {})

    async def stale(*_: object) -> JSON:
        return table

    kube.table = stale  # type: ignore[method-assign,assignment]
    del kube.objects["team", name]
    again = await client.post(JOBS, json=BODY, headers=headers)
    assert (again.status_code, again.json()["name"]) == (202, name)
    assert again.json()["uid"] != first.json()["uid"]


async def test_waiting_ends_when_the_job_does(client: httpx.AsyncClient, kube: FakeCallerClient) -> None:
    await client.post(JOBS, json=BODY | {"name": "bell"}, headers=ALL)
    waiting = asyncio.create_task(client.get(f"{JOBS}/bell?wait=60", headers=ALL))
    while "watch team" not in kube.calls:
        await asyncio.sleep(0)
    await kube.set_status("team", "bell", phase="Running")
    await asyncio.sleep(0)
    assert not waiting.done()
    await kube.set_status("team", "bell", **DONE)
    assert (await waiting).json()["phase"] == "Succeeded"


async def test_waiting_for_a_finished_job_returns_at_once(client: httpx.AsyncClient, kube: FakeCallerClient) -> None:
    await client.post(JOBS, json=BODY | {"name": "bell"}, headers=ALL)
    await kube.set_status("team", "bell", **DONE)
    found = await client.get(f"{JOBS}/bell", headers=ALL)
    again = await client.get(f"{JOBS}/bell?wait=60", headers=ALL | {"If-None-Match": found.headers["ETag"]})
    assert again.status_code == 304
    assert "watch team" not in kube.calls


async def test_waiting_for_any_change(
    client: httpx.AsyncClient, kube: FakeCallerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await client.post(JOBS, json=BODY | {"name": "bell"}, headers=ALL)
    known = ALL | {"If-None-Match": made.headers["ETag"]}
    waiting = asyncio.create_task(client.get(f"{JOBS}/bell?wait=60", headers=known))
    while "watch team" not in kube.calls:
        await asyncio.sleep(0)
    await kube.set_status("team", "bell", phase="Running")
    assert (await waiting).json()["phase"] == "Running"
    until = watch.until
    monkeypatch.setattr(watch, "until", lambda wanted, found, seconds: until(wanted, found, seconds / 1000))
    unchanged = await client.get(
        f"{JOBS}/bell?wait=1", headers=known | {"If-None-Match": (await waiting).headers["ETag"]}
    )
    assert unchanged.status_code == 304


async def test_waiting_for_a_job_that_is_deleted(client: httpx.AsyncClient, kube: FakeCallerClient) -> None:
    await client.post(JOBS, json=BODY | {"name": "bell"}, headers=ALL)
    waiting = asyncio.create_task(client.get(f"{JOBS}/bell?wait=60", headers=ALL))
    while "watch team" not in kube.calls:
        await asyncio.sleep(0)
    await client.delete(f"{JOBS}/bell", headers=ALL)
    assert is_problem(await waiting, 404, "NotFound")


async def test_events_end_with_the_job(client: httpx.AsyncClient, kube: FakeCallerClient) -> None:
    await client.post(JOBS, json=BODY | {"name": "bell"}, headers=ALL)
    following = asyncio.create_task(client.get(f"{JOBS}/bell/events", headers=ALL))
    while "watch team" not in kube.calls:
        await asyncio.sleep(0)
    await kube.set_status("team", "bell", phase="Running")
    await kube.set_status("team", "bell", **DONE)
    answer = await following
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    data = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert [each["phase"] for each in data] == ["Pending", "Running", "Succeeded"]
    last = [line.removeprefix("id: ") for line in answer.text.splitlines() if line.startswith("id: ")][-1]
    again = await client.get(f"{JOBS}/bell/events", headers=ALL | {"Last-Event-ID": last})
    assert "data:" not in again.text


async def test_a_page_that_is_too_large_is_halved(client: httpx.AsyncClient, kube: FakeCallerClient) -> None:
    for number in range(5):
        await client.post(JOBS, json=BODY | {"name": f"j{number}"}, headers=ALL)
    asked, table = [], kube.table

    async def bounded(token: str, namespace: str, query: dict[str, str]) -> JSON:
        asked.append(int(query["limit"]))
        if asked[-1] > 3:
            raise ResponseTooLarge
        return await table(token, namespace, query)

    kube.table = bounded  # type: ignore[method-assign]
    assert (await client.get(f"{JOBS}?limit=200", headers=ALL)).status_code == 200
    assert asked == [200, 100, 50, 25, 12, 6, 3]


async def test_a_list_that_is_always_too_large_fails(client: httpx.AsyncClient, kube: FakeCallerClient) -> None:
    async def endless(*_: object) -> JSON:
        raise ResponseTooLarge

    kube.table = endless  # type: ignore[method-assign]
    assert is_problem(await client.get(f"{JOBS}?limit=200", headers=ALL), 503, "KubernetesUnavailable")
