"""What the project requires of an S3 server, and its two clients."""

from __future__ import annotations

import dataclasses

import pytest
import urllib3

from quantumjob_contract import transfer
from quantumjob_contract.store import Bucket, Store, aio
from quantumjob_contract.store.aio import AsyncBucket, AsyncStore
from quantumjob_contract.store_errors import AccessDenied, ObjectNotFound, ObjectTooLarge, StoreUnavailable
from quantumjob_contract.transfer import Put
from quantumjob_operator.results import store_probe
from support.jobs import owner

HTTP = transfer.pool()
NOWHERE = "http://127.0.0.1:9"


def test_a_second_put_changes_nothing(store: Store) -> None:
    key = f"{owner().uid}/once"
    assert store.pending.put_once(key, b"first") is Put.WRITTEN
    assert store.pending.put_once(key, b"second") is Put.EXISTED
    assert store.pending.get(key, 100) == b"first"


async def test_the_probe_knows_a_store_that_can_be_trusted(opened: AsyncStore) -> None:
    await store_probe.probe(opened.pending)
    await store_probe.probe(opened.pending)


async def test_the_probe_knows_a_store_that_overwrites(store: Store) -> None:
    class Overwriting(AsyncBucket):
        async def put_once(self, key: str, data: bytes) -> Put:
            await super().put_once(key, data)
            return Put.WRITTEN

    bucket = Overwriting(store.pending)
    with pytest.raises(store_probe.NotConditional, match="If-None-Match"):
        await store_probe.probe(bucket)
    await bucket.close()


async def test_the_operators_client_says_the_same(store: Store, opened: AsyncStore) -> None:
    """By aiohttp as by urllib3: the same objects, and the same errors."""
    key = f"{owner().uid}/async"
    assert await opened.pending.put_once(key, b"x" * 1000) is Put.WRITTEN
    assert await opened.pending.put_once(key, b"second") is Put.EXISTED
    assert await opened.pending.get(key, 1000) == store.pending.get(key, 1000) == b"x" * 1000
    assert await opened.pending.exists(key)
    assert not await opened.pending.exists(key + "-missing")
    with pytest.raises(ObjectTooLarge):
        await opened.pending.get(key, 999)
    with pytest.raises(ObjectNotFound):
        await opened.pending.get(key + "-missing", 10)


@pytest.mark.parametrize(
    ("change", "error"), [({"secret_key": "wrong"}, AccessDenied), ({"endpoint": NOWHERE}, StoreUnavailable)]
)
async def test_the_operators_client_tells_a_refusal_from_an_absence(
    store: Store, change: dict[str, str], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio, "RETRIES", aio.ONCE)
    bucket = AsyncBucket(Bucket(dataclasses.replace(store.pending.config, **change)))
    with pytest.raises(error):
        await bucket.get("any", 10)
    with pytest.raises(error):
        await bucket.put_once("any", b"data")
    await bucket.close()


def test_a_presigned_url_serves_its_own_object_and_method_only(store: Store) -> None:
    key = f"{owner().uid}/a"
    url = store.pending.presign("PUT", key, 60)
    assert transfer.put_once(HTTP, url, b"data") is Put.WRITTEN
    assert transfer.put_once(HTTP, url, b"more") is Put.EXISTED
    for wrong in (url.replace("/a?", "/b?"), url.replace("quantumjob-pending", "quantumjob-completed")):
        with pytest.raises(AccessDenied):
            transfer.put_once(HTTP, wrong, b"data")
    with pytest.raises(AccessDenied):
        transfer.get(HTTP, url, 100)


def test_an_expired_url_is_refused(store: Store) -> None:
    from datetime import UTC, datetime, timedelta

    key = f"{owner().uid}/a"
    store.pending.put_once(key, b"data")
    old = store.pending._client.get_presigned_url(
        "GET",
        store.pending.config.bucket,
        key,
        expires=timedelta(seconds=10),
        request_date=datetime.now(UTC) - timedelta(minutes=1),
    )
    with pytest.raises(AccessDenied):
        transfer.get(HTTP, old, 100)


def test_get_has_a_limit_and_tells_what_is_missing(store: Store) -> None:
    key = f"{owner().uid}/big"
    store.pending.put_once(key, b"x" * 1000)
    assert len(store.pending.get(key, 1000)) == 1000
    with pytest.raises(ObjectTooLarge):
        store.pending.get(key, 999)
    with pytest.raises(ObjectNotFound):
        store.pending.get(key + "-missing", 10)


def test_listing_pages_and_deleting_is_idempotent(store: Store) -> None:
    prefix = f"{owner().uid}/"
    keys = [f"{prefix}{number:04d}" for number in range(1010)]
    for key in keys:
        store.pending.put_once(key, b"x")
    assert [entry.key for entry in store.pending.list(prefix)] == keys
    store.pending.delete(keys)
    store.pending.delete(keys[:3])
    assert list(store.pending.list(prefix)) == []


def test_nothing_is_readable_without_a_signature(store: Store) -> None:
    key = f"{owner().uid}/private"
    store.completed.put_once(key, b"secret")
    config = store.completed.config
    answer = urllib3.request("GET", f"{config.endpoint}/{config.bucket}/{key}")
    assert answer.status == 403
    assert b"secret" not in answer.data
