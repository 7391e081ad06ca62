"""Arrays that pubs have saved, on their way from pending to completed: as streams, for they may be large."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from quantumjob_contract.schema.program import Program
from quantumjob_contract.schema.results import StoredObject
from quantumjob_contract.store_errors import ObjectNotFound
from quantumjob_operator.results.collect import Corrupt
from quantumjob_operator.results.ports import ObjectBucket, ObjectStore


def wanted(program: Program) -> bool:
    """Whether any pub saves any."""
    return any(pub.save for pub in program.pubs)


async def promote(store: ObjectStore, stored: StoredObject) -> None:
    """Copy, then read back, unless it is there already. Raises Corrupt, or an error of transfer."""
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
    """The chunks, the last of them only where all of them are what they must be. Raises Corrupt."""
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
