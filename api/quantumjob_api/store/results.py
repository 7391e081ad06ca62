"""Streams results of the completed bucket as JSON, verified by the contract's reader."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from starlette.responses import Response

from quantumjob_api.model import views
from quantumjob_api.problems import ApiProblem, ApiReason
from quantumjob_api.service import Service
from quantumjob_api.store import objects
from quantumjob_api.store.objects import ReleasingStream
from quantumjob_contract import keys, limits
from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.reader import Results
from quantumjob_contract.schema.results import PubResult, decode_segment
from quantumjob_contract.store import Bucket, Entry
from quantumjob_contract.store.aio import AsyncBucket
from quantumjob_contract.store_errors import ObjectNotFound, ObjectTooLarge, VerificationError

JSON = dict[str, Any]
BATCH_BYTES: Final = 256 * limits.KIB
"""About the size of each part of a stream."""


async def open_result(service: Service, owner: Owner, sha256: str | None = None) -> Results:
    """Opens the committed result of a job. Raises ApiProblem (NoResult, NotVerified) and StoreError."""
    bucket = service.store().completed.blocking
    try:
        async with service.manifests:
            return await asyncio.to_thread(Results, bucket, owner, sha256)
    except ObjectNotFound:
        raise ApiProblem(ApiReason.NO_RESULT, "The store has no result of this job.") from None
    except (VerificationError, msgspec.DecodeError):
        raise not_verified() from None


def not_verified() -> ApiProblem:
    return ApiProblem(ApiReason.NOT_VERIFIED, "The stored result differs from the committed one: do not use it.")


def etag(owner: Owner) -> str:
    """The ETag of a job's result, which never changes."""
    return f'"{owner.uid}"'


@dataclass(frozen=True)
class PubStream:
    """Pubs as JSON in batches, and the bytes of each segment that they come from."""

    batches: AsyncIterator[list[bytes]]
    sizes: Sequence[int]
    manifest_bytes: int = 0


async def result_response(service: Service, result: Results, where: str) -> Response:
    """The response with all pubs. A small result is verified before it is sent, a large one segment by segment."""
    manifest = result.manifest
    head = views.finished_job(manifest, where)
    headers = {"ETag": etag(Owner(manifest.namespace, manifest.uid))}
    return await pubs_response(service, manifest.namespace, head, verified_pubs(result), headers)


async def pubs_response(
    service: Service, namespace: str, head: JSON, pubs: PubStream, headers: dict[str, str]
) -> Response:
    """The response {...head, "pubs": [...]}: at once if it is small, else as a stream. Raises ApiProblem."""
    opened = msgspec.json.encode(head)[:-1] + b',"pubs":['
    async with contextlib.AsyncExitStack() as held:
        held.enter_context(service.segment_bytes.take(namespace, max(pubs.sizes, default=0) + pubs.manifest_bytes))
        first: list[bytes] = await anext(pubs.batches, [])  # an error here can still be a response
        pieces = _pieces(opened, first, pubs.batches)
        if sum(pubs.sizes) <= BATCH_BYTES:
            return Response(b"".join([piece async for piece in pieces]), 200, headers, "application/json")
        return ReleasingStream(pieces, 200, headers, "application/json", source=held.pop_all())
    raise AssertionError  # for mypy: the stack suppresses no exception


async def _pieces(opened: bytes, first: list[bytes], rest: AsyncIterator[list[bytes]]) -> AsyncIterator[bytes]:
    yield opened
    yield b",".join(first)  # join does not copy the only pub of a batch, which may be large
    del first
    async for batch in rest:
        yield b","
        yield b",".join(batch)
    yield b"]}"


def verified_pubs(result: Results) -> PubStream:
    """The pubs of a committed result."""
    return PubStream(_verified(result.pubs()), [each.bytes for each in result.manifest.segments], result.manifest_bytes)


async def _verified(pubs: Iterator[PubResult]) -> AsyncIterator[list[bytes]]:
    try:
        while batch := await asyncio.to_thread(_batch, pubs):
            yield batch
    except (VerificationError, ObjectNotFound, msgspec.DecodeError):
        raise not_verified() from None


def _batch(pubs: Iterator[PubResult]) -> list[bytes]:
    found: list[bytes] = []
    size = 0
    for pub in pubs:
        found.append(msgspec.json.encode(pub))  # keeps the order of registers
        size += len(found[-1])
        if size >= BATCH_BYTES:
            break
    return found


async def pending_pubs(pending: AsyncBucket, owner: Owner, shards: int) -> PubStream:
    """The pubs of the pending segments, shard by shard."""
    found = await asyncio.to_thread(_segments, pending.blocking, owner, shards)
    return PubStream(_of_segments(pending, found), [each.bytes for each in found])


def _segments(pending: Bucket, owner: Owner, shards: int) -> list[Entry]:
    """The segments in the order of shards and names."""
    entries = pending.list(keys.prefix(owner))
    by_key = {entry.key: entry for entry in entries if entry.bytes <= limits.MAX_SEGMENT_BYTES}
    order = sorted((*which, key) for key in by_key if (which := keys.segment_of(key)) is not None)
    return [by_key[key] for shard, _, key in order if shard < shards]


async def _of_segments(pending: AsyncBucket, segments: list[Entry]) -> AsyncIterator[list[bytes]]:
    """Skips objects that are no segments; promotion reports them."""
    seen: set[int] = set()
    for entry in segments:
        try:
            data = await pending.get(entry.key, entry.bytes)
            segment = await asyncio.to_thread(decode_segment, data)
        except (ObjectNotFound, ObjectTooLarge, msgspec.DecodeError):
            continue
        del data
        fresh = [pub for pub in segment.pubs if pub.index not in seen]
        seen |= {pub.index for pub in fresh}
        batch = [msgspec.json.encode(pub) for pub in fresh]
        del segment, fresh
        if batch:
            yield batch


async def object_response(
    service: Service, result: Results, shard: int, name: str, byte_range: str | None, *, redirect: bool
) -> Response:
    """The response with one object of a result; `name` is that of a segment or of its arrays. Raises ApiProblem."""
    manifest = result.manifest
    key = keys.named_object(Shard(Owner(manifest.namespace, manifest.uid), shard), name)
    found = next((each for each in (*manifest.segments, *manifest.arrays) if each.key == key), None)
    if found is None:
        raise ApiProblem(ApiReason.NOT_FOUND, "The result has no object of this name: see `segments` and `arrays`.")
    if (inside := manifest.inline.get(key)) is not None:
        return objects.bytes_response(bytes(inside), byte_range)
    bucket = service.store().completed
    if redirect:
        return objects.redirect_response(bucket, key)
    try:
        return await objects.stored_response(bucket, key, byte_range, found.sha256)
    except ObjectNotFound:
        raise not_verified() from None
