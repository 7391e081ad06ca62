"""What the REST service does with objects, on real S3 servers."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import urllib3

from quantumjob_contract import keys, limits
from quantumjob_contract.keys import Owner
from quantumjob_contract.reader import Results
from quantumjob_contract.schema.program import encode
from quantumjob_contract.schema.results import to_json
from quantumjob_contract.schema.saved_arrays import SavedArray
from quantumjob_contract.store import Store
from quantumjob_contract.store.aio import AsyncStore
from quantumjob_operator.results.promotion import promote
from support.api import FakeCallerClient, bearer, running
from support.jobs import TIME, only, program, put, result, segment, write_job

JSON = dict[str, Any]
BIG = 200_000


@pytest.fixture
def namespace() -> str:
    """One that no other test has written to."""
    return f"team-{secrets.token_hex(4)}"


@pytest.fixture
async def client(opened: AsyncStore, namespace: str) -> AsyncIterator[httpx.AsyncClient]:
    async with running(FakeCallerClient(), opened) as found:
        found.base_url = httpx.URL(f"http://service/v1/namespaces/{namespace}/")
        found.headers = httpx.Headers(bearer("get.list.create.watch", namespace))
        yield found


async def finished(client: httpx.AsyncClient, opened: AsyncStore, store: Store, groups: list[list[Any]]) -> Owner:
    """A job that is promoted, and whose QuantumJob is gone."""
    of = Owner(str(client.base_url.path).split("/")[3], "80dd8c36-01f0-4807-9a62-" + secrets.token_hex(6))
    write_job(store.pending, of, groups)
    await promote(opened, of, TIME)
    return of


async def test_a_circuit_is_written_once_and_read_by_range(client: httpx.AsyncClient) -> None:
    data = secrets.token_bytes(700_000)
    put = await client.put("circuits/a/b.qpy", content=data)
    assert (put.status_code, put.json()["sha256"]) == (201, hashlib.sha256(data).hexdigest())
    assert put.json()["bytes"] == len(data)
    assert (await client.put("circuits/a/b.qpy", content=data)).status_code == 200
    other = await client.put("circuits/a/b.qpy", content=data[1:])
    assert (other.status_code, other.json()["reason"]) == (409, "AlreadyExists")
    assert (await client.get(put.headers["Location"])).content == data
    part = await client.get("circuits/a/b.qpy", headers={"Range": "bytes=600000-600009"})
    assert (part.status_code, part.content) == (206, data[600000:600010])
    assert part.headers["Content-Range"] == f"bytes 600000-600009/{len(data)}"
    assert (await client.get("circuits/a/b.qpy", headers={"Range": "bytes=0-1,4-5"})).content == data
    beyond = await client.get("circuits/a/b.qpy", headers={"Range": "bytes=700000-"})
    assert (beyond.status_code, beyond.json()["reason"]) == (416, "RangeNotSatisfiable")
    assert (await client.get("circuits/a/none")).status_code == 404


async def test_a_key_that_is_a_sha256_takes_no_other_bytes(
    client: httpx.AsyncClient, store: Store, namespace: str
) -> None:
    data = secrets.token_bytes(700_000)
    digest = hashlib.sha256(data).hexdigest()
    wrong = await client.put(f"circuits/sha256/{digest}", content=data[:-1] + b"!")
    assert wrong.status_code in {422, 201}
    assert (wrong.status_code, wrong.json()["reason"]) == (422, "ChecksumMismatch")
    assert list(store.circuits.list(f"{namespace}/")) == []
    assert (await client.put(f"circuits/sha256/{digest}", content=data)).status_code == 201
    assert (await client.put(f"circuits/sha256/{digest}", content=data)).status_code == 200


@pytest.mark.parametrize("size", [6, 6_000_000])
@pytest.mark.parametrize("addressed", [False, True])
async def test_the_same_upload_twice_at_once_is_the_same_circuit(
    client: httpx.AsyncClient, opened: AsyncStore, monkeypatch: pytest.MonkeyPatch, addressed: bool, size: int
) -> None:
    """The other one is there by the time that the store is given this one: it refuses it, read or unread."""
    data = secrets.token_bytes(size)
    digest = hashlib.sha256(data).hexdigest()
    path = f"circuits/sha256/{digest}" if addressed else "circuits/a/b.qpy"

    async def put(what: bytes) -> tuple[int, str]:
        answer = await client.put(path, content=pieces(what), headers={"Content-Length": str(len(what))})
        return answer.status_code, answer.json().get("reason") or answer.json()["sha256"]

    async def nothing_yet(_: str) -> bool:
        return False

    monkeypatch.setattr(opened.circuits, "exists", nothing_yet)
    assert await put(data) == (201, digest)
    assert await put(data) == (200, digest)
    other = (422, "ChecksumMismatch") if addressed else (409, "AlreadyExists")
    assert await put(data[:-1] + bytes([data[-1] ^ 1])) == other
    assert sorted(await asyncio.gather(put(data), put(data))) == [(200, digest), (200, digest)]


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    """As they come from a network, one by one."""
    for start in range(0, len(data), 1 << 16):
        yield data[start : start + (1 << 16)]


async def test_an_upload_is_bounded_and_says_its_length(
    client: httpx.AsyncClient, store: Store, namespace: str
) -> None:
    async def chunked() -> AsyncIterator[bytes]:
        yield b"x"

    assert (await client.put("circuits/a", content=chunked())).status_code == 411
    large = await client.put("circuits/a", content=bytes(limits.MAX_UPLOAD_BYTES + 1))
    assert (large.status_code, large.headers["Connection"]) == (413, "close")
    assert (await client.put("circuits/a", content=b"")).status_code == 422
    assert list(store.circuits.list(f"{namespace}/")) == []


async def test_circuits_are_listed_page_by_page(client: httpx.AsyncClient, store: Store, namespace: str) -> None:
    names = [f"k{number:02}" for number in range(7)]
    for name in names:
        store.circuits.put_once(keys.circuit(namespace, name), name.encode())
    store.circuits.put_once(keys.circuit(namespace + "x", "other"), b"x")
    found, after = [], ""
    while True:
        page = (await client.get("circuits", params={"limit": 3} | ({"continue": after} if after else {}))).json()
        found += [(each["key"], each["bytes"]) for each in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert found == [(name, 3) for name in names]


@pytest.mark.parametrize("size", [0, BIG])
async def test_a_result_is_what_the_reader_gives(
    client: httpx.AsyncClient, opened: AsyncStore, store: Store, size: int
) -> None:
    """In one piece, and as a stream."""
    groups = [[result(0, size=size), result(1, size=size)], [result(2, failed=True)], [result(3, size=size)]]
    of = await finished(client, opened, store, groups)
    answer = await client.get(f"history/{of.uid}/result")
    assert answer.status_code == 200
    assert answer.json()["pubs"] == [to_json(pub) for pub in Results(store.completed, of).pubs()]
    assert ("Content-Length" in answer.headers) == (size == 0)
    same = await client.get(f"history/{of.uid}/result", headers={"If-None-Match": answer.headers["ETag"]})
    assert same.status_code == 304


@pytest.mark.parametrize("size", [0, BIG])
async def test_each_object_of_a_result_can_be_had(
    client: httpx.AsyncClient, opened: AsyncStore, store: Store, size: int
) -> None:
    """By range, and from the store itself where it lies there."""
    of = await finished(client, opened, store, [[result(0, size=size)], [result(1, size=size)]])
    shown = (await client.get(f"history/{of.uid}")).json()
    assert [each["name"] for each in shown["segments"]] == ["0/000000", "0/last"]
    for each in shown["segments"]:
        whole = await client.get(each["href"])
        assert hashlib.sha256(whole.content).hexdigest() == each["sha256"]
        part = await client.get(each["href"], headers={"Range": "bytes=5-9"})
        assert (part.status_code, part.content) == (206, whole.content[5:10])
        elsewhere = await client.get(each["href"], params={"redirect": True})
        assert elsewhere.status_code == (307 if size else 200)
        if size:
            assert "X-Amz-Expires=300&" in elsewhere.headers["Location"]
            assert urllib3.request("GET", elsewhere.headers["Location"]).data == whole.content
    assert (await client.get(f"history/{of.uid}/result/0/000007")).status_code == 404


async def test_what_is_not_what_was_committed_is_not_given(
    client: httpx.AsyncClient, opened: AsyncStore, store: Store
) -> None:
    of = await finished(client, opened, store, [[result(0, size=BIG)], [result(1, size=BIG)]])
    first = keys.segment(only(of), "000000")
    size = len(store.completed.get(first, limits.MAX_SEGMENT_BYTES))
    store.completed.delete([first])
    store.completed.put_once(first, b"x" * size)
    answer = await client.get(f"history/{of.uid}/result")
    assert (answer.status_code, answer.json()["reason"]) == (502, "NotVerified")


async def test_history_is_newest_first_and_pages(client: httpx.AsyncClient, opened: AsyncStore, store: Store) -> None:
    jobs = [await finished(client, opened, store, [[result(0, size=size)]]) for size in (0, BIG, 0)]
    found, after = [], ""
    for _ in jobs:
        page = (await client.get("history", params={"limit": 1} | ({"continue": after} if after else {}))).json()
        found += page["items"]
        after = page["next"]
    assert after is None
    assert {each["uid"] for each in found} == {of.uid for of in jobs}
    assert [each["stored"] for each in found] == sorted((each["stored"] for each in found), reverse=True)
    assert {each["outcome"] for each in found} == {"Succeeded"}
    absent = await client.get("history/80dd8c36-01f0-4807-9a62-000000000000/result")
    assert (absent.status_code, absent.json()["reason"]) == (404, "NoResult")


@pytest.mark.parametrize("size", [1, 5])
async def test_saved_arrays_are_given_whole_by_range_and_from_the_store(
    client: httpx.AsyncClient, opened: AsyncStore, store: Store, size: int
) -> None:
    """The objects are the worker's: what is in them is not looked at here."""
    of = Owner(str(client.base_url.path).split("/")[3], "80dd8c36-01f0-4807-9a62-" + secrets.token_hex(6))
    data = secrets.token_bytes(size * 100_000)
    beside = put(store.pending, keys.arrays(only(of), "000000"), data)
    saving = msgspec.structs.replace(result(0), arrays={"statevector": SavedArray([4], "<c16", "statevector")})
    first = msgspec.structs.replace(segment(of, "000000", [saving], []), arrays=beside)
    written = put(store.pending, keys.segment(only(of), "000000"), encode(first))
    put(store.pending, keys.program(of), encode(program(of, 2)))
    put(
        store.pending,
        keys.segment(only(of), keys.LAST),
        encode(segment(of, keys.LAST, [result(1)], [written])),
    )
    await promote(opened, of, TIME)
    shown = (await client.get(f"history/{of.uid}/result")).json()
    assert shown["pubs"][0]["arrays"] == {"statevector": {"shape": [4], "dtype": "<c16", "method": "statevector"}}
    assert "arrays" not in shown["pubs"][1]
    (found,) = shown["arrays"]
    assert (found["name"], found["pubs"], found["bytes"]) == ("0/000000.npz", [0], len(data))
    assert (await client.get(found["href"])).content == data
    part = await client.get(found["href"], headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, data[5:10])
    elsewhere = await client.get(found["href"], params={"redirect": True})
    assert urllib3.request("GET", elsewhere.headers["Location"]).data == data
    for wrong in ("000001.npz", "last.npz"):
        assert (await client.get(f"history/{of.uid}/result/0/{wrong}")).status_code in {404, 422}
    store.completed.delete([keys.arrays(only(of), "000000")])
    put(store.completed, keys.arrays(only(of), "000000"), bytes(len(data)))
    cut = await client.get(found["href"])
    assert len(cut.content) < len(data) == int(cut.headers["Content-Length"])
