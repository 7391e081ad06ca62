"""Builds an order with presigned URLs of the objects of its job only."""

from __future__ import annotations

from typing import Final

import msgspec

from quantumjob_contract import keys, limits
from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.schema.orders import Order, SegmentUrl
from quantumjob_contract.schema.program import Program
from quantumjob_operator.results import arrays
from quantumjob_operator.results.ports import ObjectBucket, ObjectStore

URL_SLACK_SECONDS: Final = 300.0
"""URLs stay valid for this time after the job's deadline."""


def order(
    store: ObjectStore,
    shard: Shard,
    what: tuple[Program, bytes],
    *,
    found: list[str],
    left: float,
    expected: float | None = None,
) -> Order:
    """Builds the order of a shard from the program and its stored bytes.

    `found` names the existing segments. `expected` is the estimate in seconds, for a shared worker only.
    """
    program, data = what
    life, owner = url_seconds(left), shard.owner
    last = keys.segment(shard, keys.LAST)
    # A short order has one segment, its last, unless it saves arrays, which are stored with numbered segments.
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
    """Returns the names of the segments that earlier attempts have stored. Raises StoreError."""
    names: list[str] = []
    while await pending.exists(keys.segment(shard, keys.segment_name(len(names)))):
        names.append(keys.segment_name(len(names)))
    return [*names, keys.LAST] if await pending.exists(keys.segment(shard, keys.LAST)) else names


def circuit_urls(circuits: ObjectBucket, owner: Owner, program: Program, life: float) -> dict[str, str]:
    """Returns a URL to GET each object that the program references."""
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
    """Returns URLs to PUT the next segments, from number `start` on, and their arrays where the program saves any."""
    names = [keys.segment_name(number) for number in range(start, start + count)]
    life = url_seconds(left)
    return [
        SegmentUrl(
            name,
            pending.presign("PUT", keys.segment(shard, name), life),
            pending.presign("PUT", keys.arrays(shard, name), life) if saves else "",
        )
        for name in names
    ]


def url_seconds(left: float) -> float:
    """Returns the seconds for which a URL is valid: as long as the job may run."""
    return min(max(left, 0.0) + URL_SLACK_SECONDS, limits.URL_SECONDS)
