"""Reads and checks what a job's workers have stored in the pending bucket. All of it is untrusted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from quantumjob_contract import keys, limits, names
from quantumjob_contract.schema.program import Program, decode_program, encode
from quantumjob_contract.schema.results import (
    Provenance,
    PubResult,
    PubSummary,
    Segment,
    StoredArrays,
    StoredObject,
    decode_segment,
)
from quantumjob_contract.store_errors import ObjectNotFound, ObjectTooLarge
from quantumjob_contract.transfer import sha256
from quantumjob_operator import clock
from quantumjob_operator.results.ports import ObjectBucket, to_thread_if_large
from quantumjob_operator.results.summary import summarize

MAX_VERSIONS: Final = 16
MAX_VERSION_CHARS: Final = 64


class NotEnded(Exception):
    """The last segment of a shard does not exist: its worker has not ended, or was killed."""


class Corrupt(Exception):
    """A stored object is invalid. The message names it. Nothing is deleted, and retries do not help."""


class FetchedObject(NamedTuple):
    """An object and its bytes."""

    stored: StoredObject
    data: bytes


@dataclass
class CollectedResults:
    """The checked results of a job. Their bytes are kept while they fit into a manifest."""

    program: Program
    program_object: StoredObject
    segments: list[StoredObject] = field(default_factory=list)
    """In the order of shards; of each shard the last segment comes last."""
    arrays: list[StoredArrays] = field(default_factory=list)
    pubs: dict[int, PubSummary] = field(default_factory=dict)
    made: Provenance | None = None
    """Of the newest segment."""
    inline: dict[str, bytes] | None = field(default_factory=dict)

    def keep(self, found: FetchedObject) -> None:
        """Keeps the bytes of an object; drops all bytes once they exceed INLINE_RESULT_BYTES."""
        if self.inline is not None:
            self.inline[found.stored.key] = found.data
            if sum(map(len, self.inline.values())) > limits.INLINE_RESULT_BYTES:
                self.inline = None


async def read_program(pending: ObjectBucket, owner: keys.Owner) -> tuple[Program, FetchedObject]:
    """Returns the stored program. Raises ObjectNotFound or Corrupt."""
    found = await read(pending, keys.program(owner), limits.MAX_PROGRAM_BYTES)
    try:
        program = decode_program(found.data)
    except msgspec.DecodeError:
        raise Corrupt(f"{found.stored.key} is not a program") from None
    if (program.namespace, program.uid) != owner:
        raise Corrupt(f"{found.stored.key} is the program of another job")
    return program, found


def known_program(owner: keys.Owner, program: Program) -> tuple[Program, FetchedObject]:
    """Returns the same without a request, for a program that this process has stored."""
    data = encode(program)
    return program, FetchedObject(StoredObject(keys.program(owner), len(data), sha256(data)), data)


async def collect(
    pending: ObjectBucket, owner: keys.Owner, *, partial: bool, program: tuple[Program, FetchedObject] | None = None
) -> CollectedResults:
    """Collects the results of a job. Reads the program only where it is not given.

    With `partial`, missing segments are accepted. Otherwise a missing last segment raises NotEnded. Segments are read
    by number, since a listing may be stale.
    """
    first = await _last(pending, keys.Shard(owner, 0), partial=partial)
    what, program_object = program or await read_program(pending, owner)
    collected = CollectedResults(what, program_object.stored)
    collected.keep(program_object)
    for number in range(what.shards):
        shard = keys.Shard(owner, number)
        await _collect_shard(
            collected, pending, shard, await _last(pending, shard, partial=partial) if number else first
        )
    return collected


async def _last(pending: ObjectBucket, shard: keys.Shard, *, partial: bool) -> FetchedObject | None:
    """Returns the last segment of a shard; with `partial` None where it does not exist, otherwise raises NotEnded."""
    key = keys.segment(shard, keys.LAST)
    try:
        return await read(pending, key, limits.MAX_SEGMENT_BYTES)
    except ObjectNotFound:
        if not partial:
            raise NotEnded(key) from None
        return None


async def _collect_shard(
    collected: CollectedResults, pending: ObjectBucket, shard: keys.Shard, last: FetchedObject | None
) -> None:
    """Collects one shard: the segments that its last one names, or all numbered ones."""
    if last is None:
        async for found in numbered_segments(pending, shard):
            await _add(collected, shard, found)
        return
    for named in (await _decode(last, shard)).segments:
        await _add(collected, shard, await _expect(pending, shard, named))
    await _add(collected, shard, last)


async def numbered_segments(pending: ObjectBucket, shard: keys.Shard) -> AsyncIterator[FetchedObject]:
    """Yields the numbered segments up to the first that does not exist: a worker writes them in order."""
    number = 0
    while True:
        key = keys.segment(shard, keys.segment_name(number))
        try:
            yield await read(pending, key, limits.MAX_SEGMENT_BYTES)
        except ObjectNotFound:
            return
        number += 1


async def read(bucket: ObjectBucket, key: str, limit: int) -> FetchedObject:
    """Returns an object with its checksum. Raises ObjectNotFound, or Corrupt where it is too large."""
    try:
        data = await bucket.get(key, limit)
    except ObjectTooLarge as error:
        raise Corrupt(f"{key} is too large: {error}") from None
    return FetchedObject(StoredObject(key, len(data), await to_thread_if_large(data, sha256)), data)


async def _expect(bucket: ObjectBucket, shard: keys.Shard, named: StoredObject) -> FetchedObject:
    """Returns a segment that the last one names, if unchanged and of this shard. Raises ObjectNotFound or Corrupt."""
    where = keys.segment_of(named.key)
    if keys.owner_of(named.key) != shard.owner or where is None or where[0] != shard.number:
        raise Corrupt(f"the last segment of {shard.owner.uid} names {named.key}, which is not a segment of its shard")
    found = await read(bucket, named.key, limits.MAX_SEGMENT_BYTES)
    if found.stored != named:
        raise Corrupt(f"{named.key} has sha256 {found.stored.sha256}, its worker wrote {named.sha256}")
    return found


async def _decode(found: FetchedObject, shard: keys.Shard) -> Segment:
    try:
        segment = await to_thread_if_large(found.data, decode_segment)
    except msgspec.DecodeError:
        raise Corrupt(f"{found.stored.key} is not a segment") from None
    if (segment.uid, segment.shard) != (shard.owner.uid, shard.number) or (
        keys.segment(shard, segment.name) != found.stored.key
    ):
        raise Corrupt(f"{found.stored.key} contains another segment")
    if not _is_valid(segment.provenance):
        raise Corrupt(f"{found.stored.key} has an invalid provenance")
    return segment


def _is_valid(made: Provenance) -> bool:
    """Whether the provenance fits the schema of the status."""
    texts = [*made.versions, *made.versions.values()]
    if len(made.versions) > MAX_VERSIONS or any(len(text) > MAX_VERSION_CHARS for text in texts):
        return False
    try:
        return all(clock.parse(time).tzinfo for time in (made.started, made.imported, made.simulated))
    except ValueError:
        return False


def _is_named(program: Program, result: PubResult) -> bool:
    """Whether a result has the name of its pub. Names of `pubsFrom` are known to the worker only."""
    if program.listed is None:
        return program.pubs[result.index].name == result.name
    return names.PUB_NAME.fullmatch(result.name) is not None


async def _add(collected: CollectedResults, shard: keys.Shard, found: FetchedObject) -> None:
    segment = await _decode(found, shard)
    program = collected.program
    _note_arrays(collected, shard, segment)
    for result in segment.pubs:
        if result.index not in program.indices(shard.number) or not _is_named(program, result):
            raise Corrupt(f"{found.stored.key} contains a result of a pub that is not in its shard")
        if [result.data, result.expectations, result.error].count(None) != 2:
            raise Corrupt(f"{found.stored.key} contains neither a result nor an error for pub {result.name}, or both")
        collected.pubs.setdefault(result.index, summarize(result))
    collected.segments.append(found.stored)
    if collected.made is None or clock.parse(collected.made.simulated) <= clock.parse(segment.provenance.simulated):
        collected.made = segment.provenance
    collected.keep(found)


def _note_arrays(collected: CollectedResults, shard: keys.Shard, segment: Segment) -> None:
    """Records the arrays of pubs that no earlier segment has. Their bytes are verified when they are copied."""
    pubs = [result.index for result in segment.pubs if result.arrays and result.index not in collected.pubs]
    if not pubs:
        return
    key = keys.arrays(shard, segment.name)
    found = segment.arrays
    if found is None or found.key != key or found.bytes > limits.MAX_ARRAYS_BYTES:
        raise Corrupt(
            f"the segment of {key} has saved arrays, but its reference to them is missing, wrong or too large"
        )
    collected.arrays.append(StoredArrays(found.key, found.bytes, found.sha256, pubs))
