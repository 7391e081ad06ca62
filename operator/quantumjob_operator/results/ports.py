"""The interface of the object store that promotion and orders need. `store.aio` implements it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, Literal, Protocol, TypeVar

from quantumjob_contract.store import BucketConfig
from quantumjob_contract.transfer import Put

T = TypeVar("T")

LARGE_BYTES: Final = 1 << 18
"""Larger objects are parsed and hashed in a thread, since they would block the event loop."""


class ObjectStream(Protocol):
    """An object that is being downloaded."""

    @property
    def length(self) -> int: ...
    @property
    def chunks(self) -> AsyncIterator[bytes]: ...


class ObjectBucket(Protocol):
    """One bucket. Methods raise StoreError."""

    config: BucketConfig

    def presign(self, method: Literal["GET", "PUT"], key: str, seconds: float) -> str: ...
    def uri(self, key: str) -> str: ...
    async def get(self, key: str, limit: int) -> bytes: ...
    async def exists(self, key: str) -> bool: ...
    async def put_once(self, key: str, data: bytes) -> Put: ...
    async def put_stream_once(self, key: str, chunks: AsyncIterator[bytes], length: int) -> Put: ...
    def open(self, key: str, byte_range: str | None = None) -> AbstractAsyncContextManager[ObjectStream]: ...


class ObjectStore(Protocol):
    """The three buckets."""

    @property
    def circuits(self) -> ObjectBucket: ...
    @property
    def pending(self) -> ObjectBucket: ...
    @property
    def completed(self) -> ObjectBucket: ...


async def to_thread_if_large(data: bytes, function: Callable[[bytes], T]) -> T:
    """Returns `function(data)`, computed in a thread where the data is large."""
    return function(data) if len(data) <= LARGE_BYTES else await asyncio.to_thread(function, data)
