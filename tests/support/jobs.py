"""Objects of the pending bucket as a worker writes them."""

from __future__ import annotations

import uuid

from quantumjob_contract import keys, names
from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.program import Circuit, Program, Pub, encode
from quantumjob_contract.schema.results import (
    Provenance,
    PubError,
    PubMetadata,
    PubResult,
    PubTimes,
    Register,
    Segment,
    StoredObject,
)
from quantumjob_contract.store import Bucket
from quantumjob_contract.transfer import sha256

TIME = "2026-01-02T03:04:05.000006Z"


def owner() -> Owner:
    """Returns a new job's part of the keys."""
    return Owner("team", str(uuid.uuid4()))


def only(of: Owner) -> Shard:
    """Returns the only shard of a job that is not split."""
    return Shard(of, 0)


def program(of: Owner, pubs: int, parallelism: int = 1) -> Program:
    """Returns a program of so many pubs."""
    circuit = Circuit("OpenQASM3", inline="OPENQASM 3.0;")
    return Program(
        api_version=names.API_VERSION,
        uid=of.uid,
        namespace=of.namespace,
        name="job",
        primitive="Sampler",
        seed=7,
        pubs=[Pub(f"p{index}", circuit, 10) for index in range(pubs)],
        parallelism=parallelism,
        labels={"team": "blue"},
        created=TIME,
    )


def result(index: int, *, failed: bool = False, size: int = 0) -> PubResult:
    """Returns a result of a pub, or an error; `size` adds bytes of samples."""
    metadata = PubMetadata(seed=7, shots=10)
    if failed:
        return PubResult(index, f"p{index}", metadata, error=PubError(PubReason.SYNTAX_ERROR, "Fix it.", 3, 4))
    register = Register(2, "AAAA" + "A" * size, {"00": 4, "11": 6})
    return PubResult(index, f"p{index}", metadata, data={"c": register})


def segment(
    of: Owner | Shard, name: str, pubs: list[PubResult], others: list[StoredObject], *, simulated: str = TIME
) -> Segment:
    """Returns a segment of a shard; for a job, of its only shard."""
    shard = of if isinstance(of, Shard) else only(of)
    made = Provenance({"worker": "0"}, "none", 1, 2**30, "pod", TIME, TIME, TIME, simulated)
    return Segment(
        api_version=names.API_VERSION,
        uid=shard.owner.uid,
        shard=shard.number,
        name=name,
        pubs=pubs,
        times={str(pub.index): PubTimes(0.1, 0.2) for pub in pubs},
        provenance=made,
        segments=others,
    )


def put(bucket: Bucket, key: str, data: bytes) -> StoredObject:
    """Stores an object; returns its key, size and checksum."""
    bucket.put_once(key, data)
    return StoredObject(key, len(data), sha256(data))


def write_job(pending: Bucket, of: Owner, groups: list[list[PubResult]], *, last: bool = True) -> None:
    """Stores the program and the segments of a job that is not split."""
    put(pending, keys.program(of), encode(program(of, sum(map(len, groups)))))
    write_shard(pending, only(of), groups, last=last)


def write_shard(
    pending: Bucket, shard: Shard, groups: list[list[PubResult]], *, last: bool = True, simulated: str = TIME
) -> None:
    """Stores a segment for each group of results; the final one is the last segment."""
    written: list[StoredObject] = []
    for number, group in enumerate(groups):
        final = last and number == len(groups) - 1
        name = keys.LAST if final else keys.segment_name(number)
        made = segment(shard, name, group, written if final else [], simulated=simulated)
        written.append(put(pending, keys.segment(shard, name), encode(made)))
