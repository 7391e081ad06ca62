"""Promotes a job's results from the pending to the completed bucket, in one idempotent function.

It may be killed between any two steps, and may run twice at once: keys are written once, copies are read back and
compared, and the manifest, written last by conditional PUT, is the commit. It deletes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from quantumjob_contract import keys, limits
from quantumjob_contract.schema.program import Program, encode
from quantumjob_contract.schema.results import Manifest, PubSummary, StoredObject, decode_manifest
from quantumjob_contract.transfer import sha256
from quantumjob_operator import clock
from quantumjob_operator.results import arrays
from quantumjob_operator.results.collect import Corrupt, FetchedObject, collect, read
from quantumjob_operator.results.manifest import Failure, build
from quantumjob_operator.results.ports import ObjectBucket, ObjectStore, to_thread_if_large


@dataclass(frozen=True)
class Promoted:
    """The verified results of a job in the completed bucket."""

    manifest: Manifest
    stored: StoredObject
    """Of the manifest itself."""
    uri: str


async def promote(
    store: ObjectStore,
    owner: keys.Owner,
    accepted: str,
    failure: Failure | None = None,
    program: tuple[Program, FetchedObject] | None = None,
) -> Promoted:
    """Promotes one job. With a `failure`, what exists is promoted, and missing pubs fail.

    `program` is the stored program, where the caller knows it.

    Raises NotEnded, Corrupt or StoreError; it can be called again after each of them.
    """
    stored = clock.rfc3339(clock.now())
    collected = await collect(store.pending, owner, partial=failure is not None, program=program)
    if failure is None and len(collected.pubs) < collected.program.total:
        raise Corrupt(f"the last segment of {owner.uid} exists, but not every pub has a result")
    times = {"created": collected.program.created, "accepted": accepted, "stored": stored}
    manifest = build(collected, failure, times)
    if manifest.inline and not _survives(manifest):
        manifest = msgspec.structs.replace(manifest, inline={})
    if not manifest.inline:
        for stored_object in (collected.program_object, *collected.segments):
            await _copy(store, stored_object)
    for stored_arrays in collected.arrays:
        await arrays.promote(store, stored_arrays)
    manifest = msgspec.structs.replace(manifest, times=manifest.times | {"promoted": clock.rfc3339(clock.now())})
    data = encode(manifest)
    if len(data) > limits.MAX_MANIFEST_BYTES:  # no reader accepts a larger one
        data = encode(msgspec.structs.replace(manifest, pubs=[_short(pub) for pub in manifest.pubs]))
    await store.completed.put_once(keys.manifest(owner), data)
    return await committed(store.completed, owner)


async def committed(completed: ObjectBucket, owner: keys.Owner) -> Promoted:
    """Returns the committed manifest. Raises ObjectNotFound or Corrupt."""
    key = keys.manifest(owner)
    data = await completed.get(key, limits.MAX_MANIFEST_BYTES)
    try:
        manifest = await to_thread_if_large(data, decode_manifest)
    except msgspec.DecodeError:
        raise Corrupt(f"{key} is not a manifest") from None
    if (manifest.namespace, manifest.uid) != owner:
        raise Corrupt(f"{key} is the manifest of another job")
    return Promoted(manifest, StoredObject(key, len(data), sha256(data)), completed.uri(key))


def _short(pub: PubSummary) -> PubSummary:
    """Returns the summary without its text, the only part without a bound."""
    return msgspec.structs.replace(pub, summary="")


def _survives(manifest: Manifest) -> bool:
    """Whether the inline objects have the same bytes after encoding and decoding."""
    inside = decode_manifest(encode(manifest)).inline
    return all(sha256(bytes(inside[each.key])) == each.sha256 for each in (manifest.program, *manifest.segments))


async def _copy(store: ObjectStore, wanted: StoredObject) -> None:
    """Copies an object and reads it back: that the store reports success is not enough."""
    found = await read(store.pending, wanted.key, wanted.bytes)
    if found.stored != wanted:
        raise Corrupt(f"{wanted.key} changed while it was promoted")
    await store.completed.put_once(wanted.key, found.data)
    there = await read(store.completed, wanted.key, wanted.bytes)
    if there.stored != wanted:
        raise Corrupt(f"{wanted.key} in the completed bucket differs from what its worker wrote")
