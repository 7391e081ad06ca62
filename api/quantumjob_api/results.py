"""Results as the completed bucket has them: verified by the contract's reader, pub by pub."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import msgspec
from starlette.responses import Response

from quantumjob_api import streams, views
from quantumjob_api.problems import Problem, Reason
from quantumjob_api.service import Service
from quantumjob_api.streams import Held
from quantumjob_contract import keys, limits
from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.objectstore import AsyncBucket
from quantumjob_contract.reader import NotVerified, Results
from quantumjob_contract.results import PubResult, decode_segment
from quantumjob_contract.transfer import NotFound

JSON = dict[str, Any]
BATCH_BYTES: Final = 256 * limits.KIB
"""An answer is sent in pieces of about this size."""


async def open_result(service: Service, owner: Owner, sha256: str | None = None) -> Results:
    """The committed result of a job. Raises Problem, and the errors of `transfer`."""
    bucket = service.store().completed.blocking
    try:
        return await asyncio.to_thread(Results, bucket, owner, sha256)
    except NotFound:
        raise Problem(Reason.NO_RESULT, "No result of this job is stored.") from None
    except (NotVerified, msgspec.DecodeError):
        raise not_verified() from None


def not_verified() -> Problem:
    return Problem(Reason.NOT_VERIFIED, "What is stored is not what was committed: do not use it.")


def etag(owner: Owner) -> str:
    """Results are written once, so whose they are says what they are."""
    return f'"{owner.uid}"'


async def whole(service: Service, result: Results, where: str) -> Response:
    """All pubs. A small result is verified before the first byte is sent; a large one, segment by segment."""
    head = views.stored(result.manifest, where)
    headers = {"ETag": etag(Owner(result.manifest.namespace, result.manifest.uid))}
    return await as_json(service, head, verified(result.pubs()), headers)


async def as_json(service: Service, head: JSON, pubs: AsyncIterator[list[bytes]], headers: dict[str, str]) -> Response:
    """{...head, "pubs": [...]}: in one piece, or as a stream where it is more than one batch."""
    opened = msgspec.json.encode(head)[:-1] + b',"pubs":['
    first: list[bytes] = await anext(pubs, [])
    second = await anext(pubs, None)
    if second is None:
        return Response(opened + b",".join(first) + b"]}", 200, headers, "application/json")
    batches = _pieces(opened, first, second, pubs)
    stack = contextlib.AsyncExitStack()
    stack.enter_context(service.reading.one())
    return Held(batches, 200, headers, "application/json", source=stack)


async def _pieces(
    opened: bytes, first: list[bytes], second: list[bytes], rest: AsyncIterator[list[bytes]]
) -> AsyncIterator[bytes]:
    yield opened + b",".join(first)
    yield b"," + b",".join(second)
    async for batch in rest:
        yield b"," + b",".join(batch)
    yield b"]}"


async def verified(pubs: Iterator[PubResult]) -> AsyncIterator[list[bytes]]:
    """Batches of pubs in JSON. Raises Problem, and the errors of `transfer`."""
    try:
        while batch := await asyncio.to_thread(_batch, pubs):
            yield batch
    except (NotVerified, NotFound, msgspec.DecodeError):
        raise not_verified() from None


def _batch(pubs: Iterator[PubResult]) -> list[bytes]:
    found: list[bytes] = []
    size = 0
    for pub in pubs:
        found.append(msgspec.json.encode(pub))  # registers in the circuit's order, as they were stored
        size += len(found[-1])
        if size >= BATCH_BYTES:
            break
    return found


async def so_far(pending: AsyncBucket, owner: Owner, shards: int) -> AsyncIterator[list[bytes]]:
    """Batches of the pubs whose segments are there, shard by shard."""
    for number in range(shards):
        async for batch in _of_shard(pending, Shard(owner, number)):
            yield batch


async def _of_shard(pending: AsyncBucket, shard: Shard) -> AsyncIterator[list[bytes]]:
    """What is no segment ends it: promotion will say why."""
    seen: set[int] = set()
    number = 0
    while True:
        data = await _segment(pending, shard, keys.segment_name(number))
        last = data is None
        if data is None:
            data = await _segment(pending, shard, keys.LAST)
        if data is None:
            return
        try:
            segment = await asyncio.to_thread(decode_segment, data)
        except msgspec.DecodeError:
            return
        fresh = [pub for pub in segment.pubs if pub.index not in seen]
        seen |= {pub.index for pub in fresh}
        if fresh:
            yield [msgspec.json.encode(pub) for pub in fresh]
        if last:
            return
        number += 1


async def _segment(pending: AsyncBucket, shard: Shard, name: str) -> bytes | None:
    try:
        return await pending.get(keys.segment(shard, name), limits.MAX_SEGMENT_BYTES)
    except NotFound:
        return None


async def segment(
    service: Service, result: Results, shard: int, name: str, byte_range: str | None, *, redirect: bool
) -> Response:
    """One object of a result as it was written, `name` that of a segment, or of its arrays. Raises Problem."""
    manifest = result.manifest
    key = keys.beside(Shard(Owner(manifest.namespace, manifest.uid), shard), name)
    found = next((each for each in (*manifest.segments, *manifest.arrays) if each.key == key), None)
    if found is None:
        raise Problem(Reason.NOT_FOUND, "The result has no such object.")
    if (inside := manifest.inline.get(key)) is not None:
        return streams.in_memory(bytes(inside), byte_range)
    bucket = service.store().completed
    if redirect:
        return streams.redirect(bucket, key)
    try:
        return await streams.stored(bucket, key, byte_range, found.sha256)
    except NotFound:
        raise not_verified() from None
