"""The first half of promotion: read what a job's workers have left in pending, and believe none of it unchecked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from quantumjob_contract import keys, limits
from quantumjob_contract.program import Program, decode_program, encode
from quantumjob_contract.results import Provenance, PubSummary, Segment, StoredObject, decode_segment
from quantumjob_contract.transfer import NotFound, TooLarge, sha256
from quantumjob_operator import clock
from quantumjob_operator.buckets import ObjectBucket, aside
from quantumjob_operator.summary import summarize

MAX_VERSIONS: Final = 16
MAX_VERSION_CHARS: Final = 64
SHARD: Final = 0
"""A job has one shard so far."""


class NotEnded(Exception):
    """The shard's last segment is not there: its worker has not ended, or never will."""


class Corrupt(Exception):
    """An object is not what it must be; the message names it. Nothing is deleted, and no attempt will mend it."""


class Found(NamedTuple):
    """An object and its bytes."""

    stored: StoredObject
    data: bytes


@dataclass
class Gathered:
    """What a job has in pending, checked. Bytes are kept only while all of them fit into a manifest."""

    program: Program
    program_object: StoredObject
    segments: list[StoredObject] = field(default_factory=list)
    """In order; with one shard the last segment is the last of them."""
    pubs: dict[int, PubSummary] = field(default_factory=dict)
    made: Provenance | None = None
    """Of the newest segment."""
    inline: dict[str, bytes] | None = field(default_factory=dict)

    def keep(self, found: Found) -> None:
        """Remember the bytes of a small object; of a job that is not small, none."""
        if self.inline is not None:
            self.inline[found.stored.key] = found.data
            if sum(map(len, self.inline.values())) > limits.INLINE_RESULT_BYTES:
                self.inline = None


async def read_program(pending: ObjectBucket, owner: keys.Owner) -> tuple[Program, Found]:
    """The accepted program. Raises NotFound or Corrupt."""
    found = await read(pending, keys.program(owner), limits.MAX_PROGRAM_BYTES)
    try:
        program = decode_program(found.data)
    except msgspec.DecodeError:
        raise Corrupt(f"{found.stored.key} is not a program") from None
    if (program.namespace, program.uid) != owner:
        raise Corrupt(f"{found.stored.key} is another job's program")
    return program, found


def known_program(owner: keys.Owner, program: Program) -> tuple[Program, Found]:
    """The same of a program that this process was the first to store, so that its bytes there are known."""
    data = encode(program)
    return program, Found(StoredObject(keys.program(owner), len(data), sha256(data)), data)


async def gather(
    pending: ObjectBucket, owner: keys.Owner, *, partial: bool, program: tuple[Program, Found] | None = None
) -> Gathered:
    """Everything a job has in pending; the program only where it is not known.

    With `partial` the shard will get no other worker, and what there is counts; without it a missing last segment
    is NotEnded. Segments are read by their numbers, not from a listing, whose absences prove nothing.
    """
    last_key = keys.segment(owner, SHARD, keys.LAST)
    try:
        last = await read(pending, last_key, limits.MAX_SEGMENT_BYTES)
    except NotFound:
        if not partial:
            raise NotEnded(last_key) from None
        last = None
    what, program_object = program or await read_program(pending, owner)
    gathered = Gathered(what, program_object.stored)
    gathered.keep(program_object)
    if last is None:
        async for found in numbered_segments(pending, owner):
            await _add(gathered, found)
        return gathered
    for named in (await _decode(last, owner)).segments:
        await _add(gathered, await _expect(pending, owner, named))
    await _add(gathered, last)
    return gathered


async def numbered_segments(pending: ObjectBucket, owner: keys.Owner) -> AsyncIterator[Found]:
    """The numbered segments: a worker writes them in order, so the first that is missing ends them."""
    number = 0
    while True:
        key = keys.segment(owner, SHARD, keys.segment_name(number))
        try:
            yield await read(pending, key, limits.MAX_SEGMENT_BYTES)
        except NotFound:
            return
        number += 1


async def read(bucket: ObjectBucket, key: str, limit: int) -> Found:
    """An object with its size and checksum. Raises NotFound, or Corrupt if it is too large for its kind."""
    try:
        data = await bucket.get(key, limit)
    except TooLarge as error:
        raise Corrupt(f"{key} is larger than any object of its kind: {error}") from None
    return Found(StoredObject(key, len(data), await aside(data, sha256)), data)


async def _expect(bucket: ObjectBucket, owner: keys.Owner, named: StoredObject) -> Found:
    """The object that the last segment names, if it is this job's and still the same. Raises NotFound or Corrupt."""
    if keys.owner_of(named.key) != owner or keys.segment_of(named.key) is None:
        raise Corrupt(f"the last segment of {owner.uid} names {named.key}, which is not a segment of its job")
    found = await read(bucket, named.key, limits.MAX_SEGMENT_BYTES)
    if found.stored != named:
        raise Corrupt(f"{named.key} has sha256 {found.stored.sha256}, its worker wrote {named.sha256}")
    return found


async def _decode(found: Found, owner: keys.Owner) -> Segment:
    try:
        segment = await aside(found.data, decode_segment)
    except msgspec.DecodeError:
        raise Corrupt(f"{found.stored.key} is not a segment") from None
    if keys.segment(owner, segment.shard, segment.name) != found.stored.key or segment.uid != owner.uid:
        raise Corrupt(f"{found.stored.key} says that it is another segment")
    if not _is_sound(segment.provenance):
        raise Corrupt(f"{found.stored.key} has a provenance that no worker writes")
    return segment


def _is_sound(made: Provenance) -> bool:
    """Whether the resource's schema will take what goes from here into its status."""
    texts = [*made.versions, *made.versions.values()]
    if len(made.versions) > MAX_VERSIONS or any(len(text) > MAX_VERSION_CHARS for text in texts):
        return False
    try:
        return all(clock.parse(time).tzinfo for time in (made.started, made.imported, made.simulated))
    except ValueError:
        return False


async def _add(gathered: Gathered, found: Found) -> None:
    segment = await _decode(found, keys.Owner(gathered.program.namespace, gathered.program.uid))
    pubs = gathered.program.pubs
    for result in segment.pubs:
        if not 0 <= result.index < len(pubs) or pubs[result.index].name != result.name:
            raise Corrupt(f"{found.stored.key} holds a result of a pub that the program does not have")
        if [result.data, result.expectations, result.error].count(None) != 2:
            raise Corrupt(f"{found.stored.key} holds neither a result nor an error for pub {result.name}, or both")
        gathered.pubs.setdefault(result.index, summarize(result))
    gathered.segments.append(found.stored)
    gathered.made = segment.provenance
    gathered.keep(found)
