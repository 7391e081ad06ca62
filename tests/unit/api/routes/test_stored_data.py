"""Circuits and results over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from quantumjob_contract import keys, limits
from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.transfer import sha256
from support.api import ALL, BODY, JOBS, FakeCallerClient, is_problem
from support.jobs import result, write_job, write_shard
from support.memory import MemoryStore


async def test_concurrent_uploads_of_the_same_bytes_are_one_circuit(
    client: httpx.AsyncClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither finds the key in the store before it writes."""

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


async def test_partial_results_and_no_result(
    client: httpx.AsyncClient, kube: FakeCallerClient, store: MemoryStore
) -> None:
    made = (await client.post(JOBS, json=BODY | {"name": "bell"}, headers=ALL)).json()
    assert is_problem(await client.get(f"{JOBS}/bell/result", headers=ALL), 409, "NotFinished")
    of = Owner("team", made["uid"])
    write_job(store.pending, of, [[result(0)], [result(1)]], last=False)  # type: ignore[arg-type]
    partial = (await client.get(f"{JOBS}/bell/partial", headers=ALL)).json()
    assert [pub["name"] for pub in partial["pubs"]] == ["p0", "p1"]
    await kube.set_status(
        "team",
        "bell",
        conditions=[{"type": "Failed", "status": "True", "reason": "InvalidSpec", "message": "Use OpenQASM 3."}],
    )
    gone = await client.get(f"{JOBS}/bell/result", headers=ALL)
    assert is_problem(gone, 404, "NoResult")
    assert "Use OpenQASM 3." in gone.json()["detail"]
    assert keys.prefix(of) in next(iter(store.pending.objects))


async def test_partial_results_of_each_shard(
    client: httpx.AsyncClient, kube: FakeCallerClient, store: MemoryStore
) -> None:
    """One is complete, one partial, one empty, and one has an object that is no segment."""
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
    assert [pub["index"] for pub in partial["pubs"]] == [0, 4, 3, 7], "nothing of shards that it does not have"


async def test_a_segment_above_the_limit_is_not_read(
    client: httpx.AsyncClient, kube: FakeCallerClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's presigned URL has no limit of size."""
    made = (await client.post(JOBS, json=BODY | {"name": "bell"}, headers=ALL)).json()
    of = Owner("team", made["uid"])
    write_job(store.pending, of, [[result(0)]], last=False)  # type: ignore[arg-type]
    monkeypatch.setattr(limits, "MAX_SEGMENT_BYTES", 1000)
    store.pending.put_once(keys.segment(Shard(of, 0), keys.segment_name(1)), b" " * 1001)
    store.pending.requests.clear()
    assert len((await client.get(f"{JOBS}/bell/partial", headers=ALL)).json()["pubs"]) == 1
    assert not [each for each in store.pending.requests if each.endswith("/000001.json")]
