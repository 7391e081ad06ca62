"""A store in memory for unit tests; the protocol itself is tested on real servers in tests/store."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

from quantumjob_contract import transfer
from quantumjob_contract.store import BucketConfig, Entry
from quantumjob_contract.store.aio import ObjectResponse
from quantumjob_contract.store_errors import ObjectNotFound, ObjectTooLarge, StoreUnavailable
from quantumjob_contract.transfer import Put

MODIFIED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CHUNK = 1 << 16


class MemoryBucket:
    """Write-once objects in a dict. `requests` is what a server would have been asked, over all buckets of a store."""

    def __init__(self, name: str, requests: list[str] | None = None) -> None:
        self.config = BucketConfig("https://store", name, "access", "secret")
        self.objects: dict[str, bytes] = {}
        self.requests = [] if requests is None else requests
        self.down = False

    def _asked(self, what: str, key: str) -> None:
        if self.down:
            raise StoreUnavailable("refused")
        self.requests.append(f"{what} {self.config.bucket}/{key}")

    def presign(self, method: str, key: str, seconds: float) -> str:
        return f"https://store/{self.config.bucket}/{key}?method={method}&seconds={int(seconds)}"

    def get(self, key: str, limit: int) -> bytes:
        self._asked("GET", key)
        if key not in self.objects:
            raise ObjectNotFound(key)
        if len(self.objects[key]) > limit:
            raise ObjectTooLarge(key)
        return self.objects[key]

    def exists(self, key: str) -> bool:
        self._asked("HEAD", key)
        return key in self.objects

    def put_once(self, key: str, data: bytes) -> Put:
        self._asked("PUT", key)
        if key in self.objects:
            return Put.EXISTED
        self.objects[key] = data
        return Put.WRITTEN

    def list(self, prefix: str, after: str = "") -> Iterator[Entry]:
        self._asked("LIST", prefix)
        for key in sorted(self.objects):
            if key.startswith(prefix) and key > after:
                yield Entry(key, MODIFIED, len(self.objects[key]))

    def sha256(self, key: str) -> str:
        return transfer.sha256(self.objects[key])

    def uri(self, key: str) -> str:
        return f"s3://{self.config.bucket}/{key}"


class OpenedBucket:
    """The same bucket as the operator uses it."""

    def __init__(self, bucket: MemoryBucket) -> None:
        self._bucket = bucket
        self.blocking = bucket
        self.config = bucket.config
        self.presign = bucket.presign
        self.uri = bucket.uri

    async def get(self, key: str, limit: int) -> bytes:
        return self._bucket.get(key, limit)

    async def exists(self, key: str) -> bool:
        return self._bucket.exists(key)

    async def put_once(self, key: str, data: bytes) -> Put:
        return self._bucket.put_once(key, data)

    async def put_stream_once(self, key: str, chunks: AsyncIterator[bytes], length: int) -> Put:
        """One that is there is refused at once, its bytes unread, as MinIO does."""
        if key in self._bucket.objects:
            return self._bucket.put_once(key, b"")
        data = b"".join([chunk async for chunk in chunks])
        assert len(data) == length
        return self._bucket.put_once(key, data)

    @contextlib.asynccontextmanager
    async def open(self, key: str, byte_range: str | None = None) -> AsyncIterator[ObjectResponse]:
        """In chunks; of ranges, those that go to the end."""

        async def chunks() -> AsyncIterator[bytes]:
            for at in range(start, len(data), CHUNK):
                yield data[at : at + CHUNK]

        data = self._bucket.get(key, sys.maxsize)
        start = int(byte_range.removeprefix("bytes=").removesuffix("-")) if byte_range else 0
        if start and start >= len(data):
            yield ObjectResponse(416, 0, f"bytes */{len(data)}", chunks())
        elif byte_range:
            yield ObjectResponse(206, len(data) - start, f"bytes {start}-{len(data) - 1}/{len(data)}", chunks())
        else:
            yield ObjectResponse(200, len(data), None, chunks())


class OpenedStore:
    """Three buckets as the operator uses them."""

    def __init__(self, store: MemoryStore) -> None:
        self.circuits = OpenedBucket(store.circuits)
        self.pending = OpenedBucket(store.pending)
        self.completed = OpenedBucket(store.completed)


class MemoryStore:
    """Three buckets in memory, as a worker and a test use them; `opened` is what the operator is given."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.circuits = MemoryBucket("circuits", self.requests)
        self.pending = MemoryBucket("pending", self.requests)
        self.completed = MemoryBucket("completed", self.requests)
        self.opened = OpenedStore(self)
