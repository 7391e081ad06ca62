"""Makes an order: presigned URLs of just the objects of its job."""

from __future__ import annotations

from typing import Final

import msgspec

from quantumjob_contract import keys, limits
from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.schema.orders import Order, SegmentUrl
from quantumjob_contract.schema.program import Program
from quantumjob_operator.results import arrays
from quantumjob_operator.results.ports import ObjectBucket, ObjectStore

SPARE_SECONDS: Final = 300.0
"""Life of URLs beyond the job's deadline."""


def order(
    store: ObjectStore,
    shard: Shard,
    what: tuple[Program, bytes],
    *,
    found: list[str],
    left: float,
    expected: float | None = None,
) -> Order:
    """The order of a shard, given the program and its bytes in the store.

    `found` names segments that exist. `expected` are the seconds that a shared worker will need; None for a dedicated.
    """
    program, data = what
    life, owner = url_life(left), shard.owner
    last = keys.segment(shard, keys.LAST)
    # A short order has one segment, its last, unless there are arrays, which are beside the numbered ones.
    saves = arrays.wanted(program)
    short = expected is not None and expected < limits.SEGMENT_SECONDS / 2 and not saves
    ahead = 0 if short else limits.SEGMENT_URLS
    made = Order(
        uid=owner.uid,
        shard=shard.number,
        program_url=store.pending.presign("GET", keys.program(owner), life),
        circuits=circuit_urls(store.circuits, owner, program, life),
        found=[SegmentUrl(n, store.pending.presign("GET", keys.segment(shard, n), life)) for n in found],
        next=segment_urls(store.pending, shard, sum(name != keys.LAST for name in found), left, ahead, saves=saves),
        last=store.pending.presign("PUT", last, life),
        last_key=last,
        seconds_left=left,
        only=expected is None,
        store_ca="\n".join(sorted({store.pending.config.ca_pem, store.circuits.config.ca_pem} - {""})),
    )
    return msgspec.structs.replace(made, program=msgspec.Raw(data)) if len(data) <= limits.INLINE_RESULT_BYTES else made


async def written(pending: ObjectBucket, shard: Shard) -> list[str]:
    """Names of the segments that earlier attempts have written. Raises the errors of `transfer`."""
    names: list[str] = []
    while await pending.exists(keys.segment(shard, keys.segment_name(len(names)))):
        names.append(keys.segment_name(len(names)))
    return [*names, keys.LAST] if await pending.exists(keys.segment(shard, keys.LAST)) else names


def circuit_urls(circuits: ObjectBucket, owner: Owner, program: Program, life: float) -> dict[str, str]:
    """A GET for each object that the program references."""
    wanted = {pub.circuit.object.key for pub in program.pubs if pub.circuit.object is not None}
    if program.listed is not None:
        wanted.add(program.listed.key)
        if program.listed.parameters is not None:
            wanted.add(program.listed.parameters.key)
    if program.backend.noise is not None and program.backend.noise.object is not None:
        wanted.add(program.backend.noise.object.key)
    return {key: circuits.presign("GET", keys.circuit(owner.namespace, key), life) for key in sorted(wanted)}


def segment_urls(
    pending: ObjectBucket,
    shard: Shard,
    start: int,
    left: float,
    count: int = limits.SEGMENT_URLS,
    *,
    saves: bool = False,
) -> list[SegmentUrl]:
    """A PUT for each of the next segments from number `start` on, and where the program saves any, for its arrays."""
    names = [keys.segment_name(number) for number in range(start, start + count)]
    life = url_life(left)
    return [
        SegmentUrl(
            name,
            pending.presign("PUT", keys.segment(shard, name), life),
            pending.presign("PUT", keys.arrays(shard, name), life) if saves else "",
        )
        for name in names
    ]


def url_life(left: float) -> float:
    """Seconds that a URL lives: as long as the job may."""
    return min(max(left, 0.0) + SPARE_SECONDS, limits.URL_SECONDS)
