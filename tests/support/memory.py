"""A store in memory for unit tests; the protocol itself is tested on real servers in tests/store."""

from __future__ import annotations

from quantumjob_contract import transfer
from quantumjob_contract.store import BucketConfig
from quantumjob_contract.transfer import NotFound, Put, StoreUnavailable, TooLarge


class MemoryBucket:
    """Write-once objects in a dict."""

    def __init__(self, name: str) -> None:
        self.config = BucketConfig("https://store", name, "access", "secret")
        self.objects: dict[str, bytes] = {}
        self.down = False

    def _up(self) -> None:
        if self.down:
            raise StoreUnavailable("refused")

    def presign(self, method: str, key: str, seconds: float) -> str:
        return f"https://store/{self.config.bucket}/{key}?method={method}&seconds={int(seconds)}"

    def get(self, key: str, limit: int) -> bytes:
        self._up()
        if key not in self.objects:
            raise NotFound(key)
        if len(self.objects[key]) > limit:
            raise TooLarge(key)
        return self.objects[key]

    def exists(self, key: str) -> bool:
        self._up()
        return key in self.objects

    def put_once(self, key: str, data: bytes) -> Put:
        self._up()
        if key in self.objects:
            return Put.EXISTED
        self.objects[key] = data
        return Put.WRITTEN

    def sha256(self, key: str) -> str:
        return transfer.sha256(self.objects[key])

    def uri(self, key: str) -> str:
        return f"s3://{self.config.bucket}/{key}"


class MemoryStore:
    """Three buckets in memory."""

    def __init__(self) -> None:
        self.circuits = MemoryBucket("circuits")
        self.pending = MemoryBucket("pending")
        self.completed = MemoryBucket("completed")
