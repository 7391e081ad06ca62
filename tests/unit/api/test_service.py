"""The service over its own HTTP, in this process: who may what, and what the answers are."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from quantumjob_api.kubernetes.client import AnswerTooLarge
from quantumjob_api.server import middleware
from quantumjob_contract import keys, limits
from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.transfer import sha256
from support.api import FakeKube, bearer, running
from support.jobs import result, write_job, write_shard
from support.memory import MemoryStore

JSON = dict[str, Any]
JOBS = "/v1/namespaces/team/jobs"
BODY = {"circuit": "OPENQASM 3.0;", "shots": 5}
ALL = bearer("get.list.watch.create.patch.delete")
DONE = {
    "phase": "Succeeded",
    "conditions": [{"type": "Complete", "status": "True", "reason": "AllPubsSucceeded", "message": ""}],
}


@pytest.fixture
def kube() -> FakeKube:
    return FakeKube()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def client(kube: FakeKube, store: MemoryStore) -> AsyncIterator[httpx.AsyncClient]:
    async with running(kube, store.opened) as opened:
        yield opened


def is_problem(answer: httpx.Response, status: int, reason: str) -> bool:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"https://quantumjobs.io/problems/{body['reason']}"
    return bool((body["status"], body["reason"]) == (status, reason))


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
async def test_nothing_without_a_token(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
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
async def test_each_call_needs_its_right_and_tells_nothing_before(
    client: httpx.AsyncClient, store: MemoryStore, method: str, path: str, verbs: str
) -> None:
    for headers in (bearer(verbs), bearer("get.list.watch.create.patch.delete", "other")):
        content = json.dumps(BODY) if method == "POST" else "x" if method == "PUT" else None
        typed = {"Content-Type": "application/json"} if method == "POST" else {}
        answer = await client.request(method, f"/v1/namespaces/team/{path}", headers=headers | typed, content=content)
        assert is_problem(answer, 403, "Forbidden")
    assert store.requests == []


async def test_a_large_circuit_is_not_uploaded_for_who_may_not_create(
    client: httpx.AsyncClient, store: MemoryStore
) -> None:
    large = BODY | {"circuit": "x" * 300_000}
    assert is_problem(await client.post(JOBS, json=large, headers=bearer("get.list")), 403, "Forbidden")
    assert store.requests == []
    made = await client.post(JOBS, json=large, headers=ALL)
    assert made.status_code == 202
    assert list(store.circuits.objects) == [f"team/sha256/{sha256(b'x' * 300_000)}"]


async def test_the_same_upload_twice_at_once_is_the_same_circuit(
    client: httpx.AsyncClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither sees the key when it looks."""

    async def chunks(last: bytes) -> AsyncIterator[bytes]:
        for chunk in (b"abc", b"def", last):
            yield chunk

    async def put(last: bytes) -> httpx.Response:
        headers = ALL | {"Content-Length": "9"}
        return await client.put("/v1/namespaces/team/circuits/a", content=chunks(last), headers=headers)

    monkeypatch.setattr(store.circuits, "exists", lambda _: False)
    first, second, other = await put(b"ghi"), await put(b"ghi"), await put(b"xyz")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json() == {"key": "a", "bytes": 9, "sha256": sha256(b"abcdefghi")}
    assert is_problem(other, 409, "AlreadyExists")


async def test_a_token_in_the_query_is_refused_and_logged_nowhere(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    answer = await client.get(f"{JOBS}?access_token=very-secret", headers=ALL)
    assert is_problem(answer, 400, "TokenInQuery")
    await client.get(JOBS, headers=bearer("very-secret"))
    told = " ".join(str(record.__dict__) for record in caplog.records if record.name.startswith("quantumjob"))
    assert "400" in told
    assert "very-secret" not in told


async def test_the_same_key_gives_the_same_job(client: httpx.AsyncClient, kube: FakeKube) -> None:
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


async def test_waiting_ends_when_the_job_does(client: httpx.AsyncClient, kube: FakeKube) -> None:
    await client.post(JOBS, json=BODY | {"name": "bell"}, headers=ALL)
    waiting = asyncio.create_task(client.get(f"{JOBS}/bell?wait=60", headers=ALL))
    while "watch team" not in kube.calls:
        await asyncio.sleep(0)
    await kube.set_status("team", "bell", phase="Running")
    await asyncio.sleep(0)
    assert not waiting.done()
    await kube.set_status("team", "bell", **DONE)
    assert (await waiting).json()["phase"] == "Succeeded"


async def test_what_is_finished_is_not_waited_for(client: httpx.AsyncClient, kube: FakeKube) -> None:
    await client.post(JOBS, json=BODY | {"name": "bell"}, headers=ALL)
    await kube.set_status("team", "bell", **DONE)
    found = await client.get(f"{JOBS}/bell", headers=ALL)
    again = await client.get(f"{JOBS}/bell?wait=60", headers=ALL | {"If-None-Match": found.headers["ETag"]})
    assert again.status_code == 304
    assert "watch team" not in kube.calls


async def test_a_name_that_cannot_be_is_told_in_words(client: httpx.AsyncClient) -> None:
    for answer in (
        await client.post(JOBS, json=BODY | {"name": "Bad_Name"}, headers=ALL),
        await client.get(f"{JOBS}/Bad_Name", headers=ALL),
    ):
        assert answer.status_code == 422
        assert "lower-case letters" in answer.json()["detail"]
        assert "pattern" not in answer.text


async def test_waiting_for_any_change(client: httpx.AsyncClient, kube: FakeKube) -> None:
    made = await client.post(JOBS, json=BODY | {"name": "bell"}, headers=ALL)
    known = ALL | {"If-None-Match": made.headers["ETag"]}
    waiting = asyncio.create_task(client.get(f"{JOBS}/bell?wait=60", headers=known))
    while "watch team" not in kube.calls:
        await asyncio.sleep(0)
    await kube.set_status("team", "bell", phase="Running")
    assert (await waiting).json()["phase"] == "Running"
    unchanged = await client.get(
        f"{JOBS}/bell?wait=1", headers=known | {"If-None-Match": (await waiting).headers["ETag"]}
    )
    assert unchanged.status_code == 304


async def test_waiting_for_a_job_that_is_deleted(client: httpx.AsyncClient, kube: FakeKube) -> None:
    await client.post(JOBS, json=BODY | {"name": "bell"}, headers=ALL)
    waiting = asyncio.create_task(client.get(f"{JOBS}/bell?wait=60", headers=ALL))
    while "watch team" not in kube.calls:
        await asyncio.sleep(0)
    await client.delete(f"{JOBS}/bell", headers=ALL)
    assert is_problem(await waiting, 404, "NotFound")


async def test_events_end_with_the_job(client: httpx.AsyncClient, kube: FakeKube) -> None:
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


async def test_results_and_what_there_is_of_them(client: httpx.AsyncClient, kube: FakeKube, store: MemoryStore) -> None:
    made = (await client.post(JOBS, json=BODY | {"name": "bell"}, headers=ALL)).json()
    assert is_problem(await client.get(f"{JOBS}/bell/result", headers=ALL), 409, "NotFinished")
    of = Owner("team", made["uid"])
    write_job(store.pending, of, [[result(0)], [result(1)]], last=False)  # type: ignore[arg-type]
    partial = (await client.get(f"{JOBS}/bell/partial", headers=ALL)).json()
    assert [pub["name"] for pub in partial["pubs"]] == ["p0", "p1"]
    await kube.set_status(
        "team",
        "bell",
        conditions=[{"type": "Failed", "status": "True", "reason": "InvalidSpec", "message": "Mend it."}],
    )
    gone = await client.get(f"{JOBS}/bell/result", headers=ALL)
    assert is_problem(gone, 404, "NoResult")
    assert "Mend it." in gone.json()["detail"]
    assert keys.prefix(of) in next(iter(store.pending.objects))


async def test_what_there_is_of_each_shard(client: httpx.AsyncClient, kube: FakeKube, store: MemoryStore) -> None:
    """One has ended, one is on its way, one has nothing yet, and one holds what is no segment."""
    made = (await client.post(JOBS, json=BODY | {"name": "split"}, headers=ALL)).json()
    kube.objects["team", "split"]["spec"] |= {"parallelism": 4}
    kube.objects["team", "split"]["spec"]["program"]["pubs"] *= 9
    of = Owner("team", made["uid"])
    pubs = {number: [result(index) for index in range(number, 9, 4)] for number in range(4)}
    first, *rest = pubs[3]
    write_shard(store.pending, Shard(of, 3), [[first], rest])  # type: ignore[arg-type]
    write_shard(store.pending, Shard(of, 0), [[each] for each in pubs[0][:2]], last=False)  # type: ignore[arg-type]
    store.pending.put_once(keys.segment(Shard(of, 1), keys.segment_name(0)), b"{")
    write_shard(store.pending, Shard(of, 4), [[result(8)]])  # type: ignore[arg-type]
    partial = (await client.get(f"{JOBS}/split/partial", headers=ALL)).json()
    assert [pub["index"] for pub in partial["pubs"]] == [0, 4, 3, 7], "of what is no shard of it, nothing"


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
async def test_what_cannot_be_is_a_problem(
    client: httpx.AsyncClient, method: str, path: str, status: int, reason: str
) -> None:
    answer = await client.request(method, path, headers=ALL)
    assert is_problem(answer, status, reason)
    assert ("Allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""]
)
async def test_forms_are_not_read(client: httpx.AsyncClient, kind: str) -> None:
    answer = await client.post(JOBS, content=b"circuit=x", headers=ALL | {"Content-Type": kind})
    assert is_problem(answer, 415, "UnsupportedMediaType")


async def test_a_body_that_grows_is_cut(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1 << 16
            yield b" " * (1 << 16)

    typed = ALL | {"Content-Type": "application/json"}
    assert is_problem(await client.post(JOBS, content=endless(), headers=typed), 413, "BodyTooLarge")
    assert sent < 6 << 20


async def test_a_body_that_is_small_until_it_is_parsed(kube: FakeKube, store: MemoryStore) -> None:
    """At most one of them at a time in a namespace; and others go on meanwhile."""
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
        assert refused.headers["Connection"] == "close", "what is left of a body is not read"
        assert (await client.get(JOBS, headers=ALL)).status_code == 200
        first.cancel()


async def test_a_job_that_goes_while_it_is_submitted_again(client: httpx.AsyncClient, kube: FakeKube) -> None:
    """Known by its key a moment ago, and deleted since: made anew, not missed."""
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


async def test_a_page_that_is_too_large_is_made_smaller(client: httpx.AsyncClient, kube: FakeKube) -> None:
    for number in range(5):
        await client.post(JOBS, json=BODY | {"name": f"j{number}"}, headers=ALL)
    asked, table = [], kube.table

    async def bounded(token: str, namespace: str, query: dict[str, str]) -> JSON:
        asked.append(int(query["limit"]))
        if asked[-1] > 3:
            raise AnswerTooLarge
        return await table(token, namespace, query)

    kube.table = bounded  # type: ignore[method-assign]
    assert (await client.get(f"{JOBS}?limit=200", headers=ALL)).status_code == 200
    assert asked == [200, 100, 50, 25, 12, 6, 3]


async def test_a_list_that_never_ends_is_asked_for_a_few_times(client: httpx.AsyncClient, kube: FakeKube) -> None:
    async def endless(*_: object) -> JSON:
        raise AnswerTooLarge

    kube.table = endless  # type: ignore[method-assign]
    assert is_problem(await client.get(f"{JOBS}?limit=200", headers=ALL), 503, "KubernetesUnavailable")


async def test_a_segment_that_is_none_is_not_read(
    client: httpx.AsyncClient, kube: FakeKube, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's URL takes any size."""
    made = (await client.post(JOBS, json=BODY | {"name": "bell"}, headers=ALL)).json()
    of = Owner("team", made["uid"])
    write_job(store.pending, of, [[result(0)]], last=False)  # type: ignore[arg-type]
    monkeypatch.setattr(limits, "MAX_SEGMENT_BYTES", 1000)
    store.pending.put_once(keys.segment(Shard(of, 0), keys.segment_name(1)), b" " * 1001)
    store.pending.requests.clear()
    assert len((await client.get(f"{JOBS}/bell/partial", headers=ALL)).json()["pubs"]) == 1
    assert not [each for each in store.pending.requests if each.endswith("/000001.json")]


async def test_a_body_that_stops_is_cut(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BODY_SECONDS", 0.01)

    async def stopping() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    typed = ALL | {"Content-Type": "application/json"}
    assert is_problem(await client.post(JOBS, content=stopping(), headers=typed), 408, "SlowBody")


@pytest.mark.parametrize("query", ["&" * 5000, "a=1&" * 5000, "%" * 5000])
async def test_a_query_of_any_size_has_an_answer(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"{JOBS}?{query}", headers=ALL)
    assert answer.status_code == 200 or is_problem(answer, 422, "InvalidRequest")


async def test_a_stranger_s_large_body_is_not_read(client: httpx.AsyncClient) -> None:
    """Bodies share a budget of memory; a small one is read before Kubernetes is asked, for that costs a request."""
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


async def test_the_location_is_not_the_host_headers(client: httpx.AsyncClient) -> None:
    made = await client.post(
        JOBS, json=BODY, headers=ALL | {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    )
    assert made.headers["Location"].startswith("/v1/")
    assert "evil" not in made.text + str(made.headers)
