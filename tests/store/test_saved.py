"""Saved arrays on real S3 servers: from the worker's code through promotion to Qiskit's own types."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector
from test_promotion import Dying, Half, Killed, everything

from quantumjob.results import primitive_result
from quantumjob_contract import keys, limits, transfer
from quantumjob_contract.keys import Owner
from quantumjob_contract.reader import Results
from quantumjob_contract.schema.program import Circuit, Program, Pub, encode
from quantumjob_contract.schema.results import Provenance, PubTimes, StoredObject, decode_segment
from quantumjob_contract.store import Store
from quantumjob_contract.store.aio import AsyncStore
from quantumjob_contract.store_errors import ObjectNotFound, VerificationError
from quantumjob_contract.transfer import sha256
from quantumjob_operator.orders import builder
from quantumjob_operator.results.collect import Corrupt
from quantumjob_operator.results.promotion import promote
from quantumjob_worker import child, ipc
from quantumjob_worker.agent.segments import SegmentWriter
from support.jobs import TIME, only, owner, program, put

WIDTH = 15
"""Of the second pub: half a mebibyte, in more than one piece."""
CIRCUITS = (
    "qubit[2] q; bit[2] c; h q[0]; cx q[0], q[1]; c = measure q;",
    f"qubit[{WIDTH}] q; h q; rz(0.3) q[0];",
)


def saving(of: Owner) -> Program:
    head = 'OPENQASM 3.0; include "stdgates.inc"; '
    pubs = [
        Pub(f"p{index}", Circuit("OpenQASM3", head + text), 10, save=["Statevector"])
        for index, text in enumerate(CIRCUITS)
    ]
    return msgspec.structs.replace(program(of, 0), pubs=pubs)


def carried_out(store: Store, opened: AsyncStore, of: Owner) -> None:
    """What the worker leaves of this job."""
    job = saving(of)
    put(store.pending, keys.program(of), encode(job))
    order = builder.order(opened, only(of), (job, encode(job)), found=[], left=600.0)
    made = Provenance({"worker": "0"}, "none", 1, 2**30, "pod", TIME, TIME, TIME, TIME)
    nobody: Any = None
    segments = SegmentWriter(order, nobody, transfer.pool(), lambda _simulated: made)
    for index, pub in enumerate(job.pubs):
        task = ipc.Task(
            index=index, name=pub.name, format=pub.circuit.format, shots=pub.shots, seed=7, threads=1,
            memory=1 << 30, parse_seconds=60.0, save=pub.save,
        )  # fmt: skip
        report = child.run(task, (pub.circuit.inline or "").encode())
        segments.add(report.result, PubTimes(0.1, 0.1), report.arrays)
    segments.finish(until=time.monotonic() + 60, wait=time.sleep)


def states() -> list[Statevector]:
    bell, wide = QuantumCircuit(2), QuantumCircuit(WIDTH)
    bell.h(0)
    bell.cx(0, 1)
    wide.h(range(WIDTH))
    wide.rz(0.3, 0)
    return [Statevector(bell), Statevector(wide)]


async def test_from_the_worker_to_a_data_bin(store: Store, opened: AsyncStore) -> None:
    of = owner()
    carried_out(store, opened, of)
    done = await promote(opened, of, TIME)
    (stored,) = done.manifest.arrays
    assert (stored.key, stored.pubs) == (keys.arrays(only(of), "000000"), [0, 1])
    assert everything(store.completed, of) == {
        keys.manifest(of): done.stored.sha256,
        stored.key: stored.sha256,
    }, "a small job's segments ride in the manifest, and arrays never do"
    found = primitive_result(Results(store.completed, of, done.stored.sha256))
    assert found[0].data.c.num_shots == 10
    for pub, wanted in zip(found, states(), strict=True):
        assert np.allclose(pub.data.statevector, wanted.data, rtol=0, atol=1e-10)


async def test_killed_after_every_write(store: Store, opened: AsyncStore) -> None:
    of = owner()
    carried_out(store, opened, of)
    for writes in (1, 2):
        dying = Dying(store.completed, writes)
        with pytest.raises(Killed):
            await promote(Half(opened, dying), of, TIME)
        await dying.close()
        assert (keys.manifest(of) in everything(store.completed, of)) == (writes == 2)
        store.completed.delete([keys.arrays(only(of), "000000")] if writes == 1 else [])
    assert (await promote(opened, of, TIME)).manifest.succeeded == 2


async def test_what_is_there_is_not_written_again(store: Store, opened: AsyncStore) -> None:
    of = owner()
    carried_out(store, opened, of)
    data = store.pending.get(keys.arrays(only(of), "000000"), limits.MAX_ARRAYS_BYTES)
    put(store.completed, keys.arrays(only(of), "000000"), data)
    only_the_manifest = Dying(store.completed, 1)
    with pytest.raises(Killed):
        await promote(Half(opened, only_the_manifest), of, TIME)
    await only_the_manifest.close()
    assert keys.manifest(of) in everything(store.completed, of)


@pytest.mark.parametrize("where", ["pending", "completed"])
async def test_arrays_that_are_not_the_worker_s_are_never_committed(
    store: Store, opened: AsyncStore, where: str
) -> None:
    of, key = owner(), ""
    carried_out(store, opened, of)
    key = keys.arrays(only(of), "000000")
    data = bytearray(store.pending.get(key, limits.MAX_ARRAYS_BYTES))
    data[len(data) // 2] ^= 1
    bucket = store.pending if where == "pending" else store.completed
    bucket.delete([key])
    put(bucket, key, bytes(data))
    with pytest.raises(Corrupt, match="differs from what its worker wrote"):
        await promote(opened, of, TIME)
    assert keys.manifest(of) not in everything(store.completed, of)


async def test_arrays_of_another_size_and_arrays_that_are_not_there(store: Store, opened: AsyncStore) -> None:
    of = owner()
    carried_out(store, opened, of)
    key = keys.arrays(only(of), "000000")
    store.pending.delete([key])
    with pytest.raises(ObjectNotFound):
        await promote(opened, of, TIME)
    put(store.pending, key, b"short")
    with pytest.raises(Corrupt, match="has 5 bytes"):
        await promote(opened, of, TIME)
    assert everything(store.completed, of) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"arrays": None},
        {"arrays": StoredObject("team/another/0/000000.npz", 1, "0")},
        {"arrays": "too large"},
    ],
)
async def test_a_segment_that_does_not_name_its_arrays(
    store: Store, opened: AsyncStore, change: dict[str, Any]
) -> None:
    of = owner()
    carried_out(store, opened, of)
    key, last = keys.segment(only(of), "000000"), keys.segment(only(of), keys.LAST)
    segment, end = (decode_segment(store.pending.get(each, limits.MAX_SEGMENT_BYTES)) for each in (key, last))
    if change["arrays"] == "too large":
        change = {"arrays": StoredObject(keys.arrays(only(of), "000000"), limits.MAX_ARRAYS_BYTES + 1, "0")}
    store.pending.delete([key, last])
    named = put(store.pending, key, encode(msgspec.structs.replace(segment, **change)))
    put(store.pending, last, encode(msgspec.structs.replace(end, segments=[named])))
    with pytest.raises(Corrupt, match="reference to them is missing, wrong or too large"):
        await promote(opened, of, TIME)


async def test_a_pub_that_two_segments_have_has_the_arrays_of_the_first(store: Store, opened: AsyncStore) -> None:
    of = owner()
    carried_out(store, opened, of)
    key, last = keys.segment(only(of), "000000"), keys.segment(only(of), keys.LAST)
    first, end = (decode_segment(store.pending.get(each, limits.MAX_SEGMENT_BYTES)) for each in (key, last))
    again = msgspec.structs.replace(
        first, name="000001", arrays=put(store.pending, keys.arrays(only(of), "000001"), b"never read")
    )
    named = put(store.pending, keys.segment(only(of), "000001"), encode(again))
    store.pending.delete([last])
    put(store.pending, last, encode(msgspec.structs.replace(end, segments=[*end.segments, named])))
    done = await promote(opened, of, TIME)
    assert [stored.key for stored in done.manifest.arrays] == [keys.arrays(only(of), "000000")]
    assert len(done.manifest.segments) == 3


async def test_the_reader_believes_no_array_unchecked(store: Store, opened: AsyncStore) -> None:
    of = owner()
    carried_out(store, opened, of)
    done = await promote(opened, of, TIME)
    key = done.manifest.arrays[0].key
    store.completed.delete([key])
    put(store.completed, key, b"x" * done.manifest.arrays[0].bytes)
    with pytest.raises(VerificationError):
        list(Results(store.completed, of).arrays())
    assert sha256(b"x" * done.manifest.arrays[0].bytes) != done.manifest.arrays[0].sha256
