"""The S3 client for an event loop, over aiohttp: of operator, reconciler and REST service.

A thread for each transfer of the blocking client would limit how many run at once. Signing, headers, statuses and retry
policy are those of `bucket` and `transfer`.
"""

from __future__ import annotations

import contextlib
import functools
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp_retry import ExponentialRetry, RetryClient
from yarl import URL

from quantumjob_contract import transfer
from quantumjob_contract.store.bucket import OWN_USE_SECONDS, Bucket, Store, StoreDirectory
from quantumjob_contract.store_errors import ObjectNotFound, ObjectTooLarge, StoreUnavailable
from quantumjob_contract.transfer import Put

TIMEOUT: Final = aiohttp.ClientTimeout(total=120.0, sock_connect=5.0, sock_read=30.0)
RETRIES: Final = ExponentialRetry(
    attempts=transfer.ATTEMPTS,
    start_timeout=transfer.BACKOFF_SECONDS,
    statuses=set(transfer.RETRIED),
    retry_all_server_errors=False,
    methods={"GET", "PUT"},
    exceptions={aiohttp.ClientError, TimeoutError},
)
STREAM_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=30.0)
"""For an object that is streamed to a client, at the speed of that client."""
ONCE: Final = ExponentialRetry(attempts=1)
"""For a stream, which cannot be sent twice."""
CHUNK: Final = 1 << 18


@dataclass(frozen=True)
class ObjectResponse:
    """The response to a GET: an object, or a range of it, as a stream."""

    status: int
    """200, 206 for a range, or 416 for a range outside the object."""
    length: int
    content_range: str | None
    chunks: AsyncIterator[bytes]


class AsyncBucket:
    """One bucket. Methods raise StoreError. `blocking` is the client that lists and deletes."""

    def __init__(self, bucket: Bucket) -> None:
        self.blocking = bucket
        self.config = bucket.config
        self.presign = bucket.presign
        self.uri = bucket.uri
        connector = aiohttp.TCPConnector(ssl=_trust(self.config.ca_pem))
        session = aiohttp.ClientSession(connector=connector, timeout=TIMEOUT)
        self._http = RetryClient(session, retry_options=RETRIES)

    async def close(self) -> None:
        await self._http.close()

    async def get(self, key: str, limit: int) -> bytes:
        url = self.presign("GET", key, OWN_USE_SECONDS)
        try:
            async with self._http.get(URL(url, encoded=True)) as response:
                if response.status >= 300:
                    await response.read()
                    transfer.check(response.status, url)
                declared = response.content_length or 0
                if declared > limit:
                    raise ObjectTooLarge(f"{declared} bytes")
                data = bytearray()
                async for chunk in response.content.iter_chunked(CHUNK):
                    data += chunk
                    if len(data) > limit:
                        raise ObjectTooLarge(f"{len(data)} bytes")
                return bytes(data)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise StoreUnavailable(type(error).__name__) from None

    async def exists(self, key: str) -> bool:
        """Whether the key exists. Reads no bytes."""
        try:
            await self.get(key, 0)
        except ObjectNotFound:
            return False
        except ObjectTooLarge:
            pass
        return True

    async def put_once(self, key: str, data: bytes) -> Put:
        url = self.presign("PUT", key, OWN_USE_SECONDS)
        try:
            async with self._http.put(URL(url, encoded=True), data=data, headers=transfer.WRITE_ONCE) as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise StoreUnavailable(type(error).__name__) from None
        return transfer.outcome(response.status, url)

    async def put_stream_once(self, key: str, chunks: AsyncIterator[bytes], length: int) -> Put:
        """Writes an object of `length` bytes from a stream. Raises what `chunks` raises, and then stores nothing."""
        url = self.presign("PUT", key, OWN_USE_SECONDS)
        failed: list[Exception] = []

        async def watched() -> AsyncIterator[bytes]:
            try:
                async for chunk in chunks:
                    yield chunk
            except Exception as error:
                failed.append(error)
                raise

        headers = transfer.WRITE_ONCE | {"Content-Type": "application/octet-stream", "Content-Length": str(length)}
        request = self._http.put(URL(url, encoded=True), data=watched(), headers=headers, retry_options=ONCE)
        try:
            async with request as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            if failed:
                raise failed[0] from None
            raise StoreUnavailable(type(error).__name__) from None
        return transfer.outcome(response.status, url)

    @contextlib.asynccontextmanager
    async def open(self, key: str, byte_range: str | None = None) -> AsyncIterator[ObjectResponse]:
        """Opens an object as a stream. `byte_range` is the value of a Range header. Raises StoreError."""
        url = self.presign("GET", key, OWN_USE_SECONDS)
        headers = {"Accept-Encoding": "identity"} | ({"Range": byte_range} if byte_range else {})
        try:
            async with self._http.get(URL(url, encoded=True), headers=headers, timeout=STREAM_TIMEOUT) as response:
                if response.status != 416:
                    transfer.check(response.status, url)
                yield ObjectResponse(
                    response.status,
                    response.content_length or 0,
                    response.headers.get("Content-Range"),
                    response.content.iter_chunked(CHUNK),
                )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise StoreUnavailable(type(error).__name__) from None


class AsyncStore:
    """The three buckets of a store."""

    def __init__(self, store: Store) -> None:
        self.circuits = AsyncBucket(store.circuits)
        self.pending = AsyncBucket(store.pending)
        self.completed = AsyncBucket(store.completed)

    async def close(self) -> None:
        for bucket in (self.circuits, self.pending, self.completed):
            await bucket.close()


class Stores:
    """Opens the store that the mounted files describe. A store opened by older files stays open for its users."""

    def __init__(self, directory: StoreDirectory) -> None:
        self._directory = directory
        self._of: Store | None = None
        self._opened: list[AsyncStore] = []

    def open(self) -> AsyncStore:
        """Raises StoreMisconfigured."""
        store = self._directory.open()
        if store is not self._of:
            self._opened.append(AsyncStore(store))
            self._of = store
        return self._opened[-1]

    async def close(self) -> None:
        for store in self._opened:
            await store.close()


@functools.lru_cache(maxsize=4)
def _trust(ca_pem: str) -> ssl.SSLContext:
    """Returns the system's authorities and those of `ca_pem`. Loading the system's takes longer than a request."""
    context = ssl.create_default_context()
    if ca_pem:
        context.load_verify_locations(cadata=ca_pem)
    return context
