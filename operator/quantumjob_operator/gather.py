"""The first half of promotion: read what a job's workers have left in pending, and believe none of it unchecked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from quantumjob_contract import keys, limits
from quantumjob_contract.program import Program, decode_program
from quantumjob_contract.results import Provenance, PubSummary, Segment, StoredObject, decode_segment
from quantumjob_contract.store import Bucket
from quantumjob_contract.transfer import NotFound, TooLarge, sha256
from quantumjob_operator import clock
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


def read_program(pending: Bucket, owner: keys.Owner) -> tuple[Program, Found]:
    """The accepted program. Raises NotFound or Corrupt."""
    found = read(pending, keys.program(owner), limits.MAX_PROGRAM_BYTES)
    try:
        program = decode_program(found.data)
    except msgspec.DecodeError:
        raise Corrupt(f"{found.stored.key} is not a program") from None
    if (program.namespace, program.uid) != owner:
        raise Corrupt(f"{found.stored.key} is another job's program")
    return program, found


def gather(pending: Bucket, owner: keys.Owner, *, partial: bool) -> Gathered:
    """Everything a job has in pending.

    With `partial` the shard will get no other worker, and what there is counts; without it a missing last segment
    is NotEnded. Segments are read by their numbers, not from a listing, whose absences prove nothing.
    """
    last_key = keys.segment(owner, SHARD, keys.LAST)
    try:
        last = read(pending, last_key, limits.MAX_SEGMENT_BYTES)
    except NotFound:
        if not partial:
            raise NotEnded(last_key) from None
        last = None
    program, program_object = read_program(pending, owner)
    gathered = Gathered(program, program_object.stored)
    gathered.keep(program_object)
    if last is None:
        for found in numbered_segments(pending, owner):
            _add(gathered, found)
        return gathered
    for named in _decode(last, owner).segments:
        _add(gathered, _expect(pending, owner, named))
    _add(gathered, last)
    return gathered


def numbered_segments(pending: Bucket, owner: keys.Owner) -> Iterator[Found]:
    """The numbered segments: a worker writes them in order, so the first that is missing ends them."""
    number = 0
    while True:
        key = keys.segment(owner, SHARD, keys.segment_name(number))
        try:
            yield read(pending, key, limits.MAX_SEGMENT_BYTES)
        except NotFound:
            return
        number += 1


def read(bucket: Bucket, key: str, limit: int) -> Found:
    """An object with its size and checksum. Raises NotFound, or Corrupt if it is too large for its kind."""
    try:
        data = bucket.get(key, limit)
    except TooLarge as error:
        raise Corrupt(f"{key} is larger than any object of its kind: {error}") from None
    return Found(StoredObject(key, len(data), sha256(data)), data)


def _expect(bucket: Bucket, owner: keys.Owner, named: StoredObject) -> Found:
    """The object that the last segment names, if it is this job's and still the same. Raises NotFound or Corrupt."""
    if keys.owner_of(named.key) != owner or keys.segment_of(named.key) is None:
        raise Corrupt(f"the last segment of {owner.uid} names {named.key}, which is not a segment of its job")
    found = read(bucket, named.key, limits.MAX_SEGMENT_BYTES)
    if found.stored != named:
        raise Corrupt(f"{named.key} has sha256 {found.stored.sha256}, its worker wrote {named.sha256}")
    return found


def _decode(found: Found, owner: keys.Owner) -> Segment:
    try:
        segment = decode_segment(found.data)
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


def _add(gathered: Gathered, found: Found) -> None:
    segment = _decode(found, keys.Owner(gathered.program.namespace, gathered.program.uid))
    pubs = gathered.program.pubs
    for result in segment.pubs:
        if not 0 <= result.index < len(pubs) or pubs[result.index].name != result.name:
            raise Corrupt(f"{found.stored.key} holds a result of a pub that the program does not have")
        if (result.data is None) == (result.error is None):
            raise Corrupt(f"{found.stored.key} holds neither a result nor an error for pub {result.name}, or both")
        gathered.pubs.setdefault(result.index, summarize(result))
    gathered.segments.append(found.stored)
    gathered.made = segment.provenance
    gathered.keep(found)
