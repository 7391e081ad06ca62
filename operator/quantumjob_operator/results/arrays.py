"""Promotes saved arrays from pending to completed. Streams them, since they may be large."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from quantumjob_contract.schema.program import Program
from quantumjob_contract.schema.results import StoredObject
from quantumjob_contract.store_errors import ObjectNotFound
from quantumjob_operator.results.collect import Corrupt
from quantumjob_operator.results.ports import ObjectBucket, ObjectStore


def wanted(program: Program) -> bool:
    """Whether any pub saves arrays."""
    return any(pub.save for pub in program.pubs)


async def promote(store: ObjectStore, stored: StoredObject) -> None:
    """Copies the arrays and reads them back, unless they are promoted already. Raises Corrupt or StoreError."""
    try:
        await _check(store.completed, stored)
    except ObjectNotFound:
        async with store.pending.open(stored.key) as content:
            if content.length != stored.bytes:
                raise Corrupt(f"{stored.key} has {content.length} bytes, its segment says {stored.bytes}") from None
            await store.completed.put_stream_once(stored.key, _verified(content.chunks, stored), stored.bytes)
        await _check(store.completed, stored)


async def _check(bucket: ObjectBucket, stored: StoredObject) -> None:
    async with bucket.open(stored.key) as content:
        async for _ in _verified(content.chunks, stored):
            pass


async def _verified(chunks: AsyncIterator[bytes], stored: StoredObject) -> AsyncIterator[bytes]:
    """Yields the chunks. The last one only after size and sha256 are verified. Raises Corrupt."""
    digest, size, held = hashlib.sha256(), 0, b""
    async for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        if held:
            yield held
        held = chunk
    if (size, digest.hexdigest()) != (stored.bytes, stored.sha256):
        raise Corrupt(f"{stored.key} differs from what its worker wrote")
    yield held
