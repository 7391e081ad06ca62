"""The results of a job as Qiskit's own type, from the bytes that a worker and promotion leave."""

from __future__ import annotations

import base64
import io
import pickle
from typing import Any

import msgspec
import numpy as np
import pytest
from qiskit.primitives import PrimitiveResult

from quantumjob.results import PubsFailed, primitive_result, pub_result
from quantumjob.results.saved_arrays import saved_arrays
from quantumjob_contract import keys, names
from quantumjob_contract.reader import Results
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.program import encode
from quantumjob_contract.schema.results import (
    Expectations,
    Manifest,
    PubMetadata,
    PubResult,
    PubSummary,
    Register,
    StoredObject,
)
from quantumjob_contract.schema.saved_arrays import SavedArray
from quantumjob_contract.store_errors import VerificationError
from quantumjob_contract.transfer import sha256
from support.jobs import only, owner, result, segment
from support.memory import MemoryBucket


def stored(*pubs: PubResult, total: int | None = None) -> Results:
    """A job with these pubs in a completed bucket, as promotion leaves it."""
    of, bucket = owner(), MemoryBucket("completed")
    key = keys.segment(only(of), keys.LAST)
    bucket.put_once(key, encode(segment(of, keys.LAST, list(pubs), [])))
    said = [PubSummary(f"p{index}", "Succeeded", "said") for index in range(total or len(pubs))]
    manifest = Manifest(
        api_version=names.API_VERSION,
        uid=of.uid,
        namespace=of.namespace,
        name="job",
        labels={},
        outcome="Succeeded",
        reason="",
        message="",
        total=len(said),
        succeeded=len(pubs),
        failed=0,
        pubs=said,
        times={},
        versions={},
        program=StoredObject(keys.program(of), 0, ""),
        segments=[StoredObject(key, len(bucket.objects[key]), bucket.sha256(key))],
    )
    bucket.put_once(keys.manifest(of), encode(manifest))
    found: Any = bucket
    return Results(found, of, sha256(bucket.objects[keys.manifest(of)]))


def sampled(index: int, array: np.ndarray[Any, Any], num_bits: int) -> PubResult:
    shots = array.shape[-2]
    register = Register(num_bits, base64.b64encode(array.tobytes()).decode(), shape=list(array.shape[:-2]))
    return PubResult(index, f"p{index}", PubMetadata(7, shots, circuit_metadata={"mine": 1}), data={"c": register})


def test_a_sampler_s() -> None:
    arrays = [np.arange(2 * 3 * 5 * 2, dtype=np.uint8).reshape(2, 3, 5, 2), np.ones((4, 1), np.uint8)]
    found = primitive_result(stored(sampled(0, arrays[0], 9), sampled(1, arrays[1], 3)))
    assert isinstance(found, PrimitiveResult)
    assert [pub.data.shape for pub in found] == [(2, 3), ()]
    for pub, array in zip(found, arrays, strict=True):
        assert pub.data.c.array.dtype == np.uint8
        assert np.array_equal(pub.data.c.array, array)
        assert pub.metadata["circuit_metadata"] == {"mine": 1}
        assert pub.metadata["shots"] == array.shape[-2]
    assert found[1].data.c.get_counts() == {"001": 4}
    assert found.metadata == {"version": 2}


def test_an_estimator_s() -> None:
    values = Expectations([2, 1], [0.1, -1 / 3], [0.0, 0.0])
    made = PubMetadata(7, target_precision=0.0)
    (pub,) = primitive_result(stored(PubResult(0, "p0", made, expectations=values)))
    assert np.array_equal(pub.data.evs, [[0.1], [-1 / 3]])
    assert np.array_equal(pub.data.stds, np.zeros((2, 1)))
    assert pub.metadata["target_precision"] == 0.0
    assert "shots" not in pub.metadata


def test_a_result_from_before_there_were_shapes() -> None:
    old = b'{"numBits":2,"samples":"AAEC","counts":{"00":1}}'
    register = msgspec.json.decode(old, type=Register)
    (pub,) = primitive_result(stored(PubResult(0, "p0", PubMetadata(7, 3), data={"c": register})))
    assert pub.data.c.get_bitstrings() == ["00", "01", "10"]


def test_pubs_that_failed_are_told_or_left_out() -> None:
    results = stored(sampled(0, np.ones((4, 1), np.uint8), 2), result(1, failed=True), total=3)
    with pytest.raises(PubsFailed, match=r"p1: SyntaxError: Fix it\.") as failed:
        primitive_result(results)
    assert {name: error.reason for name, error in failed.value.errors.items()} == {
        "p1": PubReason.SYNTAX_ERROR,
        "p2": PubReason.NOT_RUN,
    }
    found = primitive_result(results, partial=True)
    assert len(found) == 3
    assert found[0].data.c.num_shots == 4
    assert list(found[1].data) == list(found[2].data) == []
    assert found[1].metadata["error"].line == 3


def test_bytes_that_are_not_what_was_written() -> None:
    results = stored(sampled(0, np.ones((4, 1), np.uint8), 2))
    bucket: Any = results._completed
    (key,) = (key for key in bucket.objects if key.endswith("last.json"))
    bucket.objects[key] = bucket.objects[key].replace(b'"numBits":2', b'"numBits":3')
    with pytest.raises(VerificationError):
        primitive_result(results)


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{f"0/{name}": array for name, array in arrays.items()})
    return buffer.getvalue()


STATE = np.array([1, 0], complex)
SAVED = PubResult(0, "p0", PubMetadata(7), data={}, arrays={"statevector": SavedArray([2], "<c16", "statevector")})


def test_saved_arrays_are_what_the_result_says() -> None:
    read = saved_arrays(npz(statevector=STATE, other=STATE), [0, 1])
    assert read[1] == {}
    assert list(read[0]) == ["statevector"]
    found = pub_result(SAVED, read[0])
    assert np.array_equal(found.data.statevector, STATE)
    assert list(pub_result(SAVED).data) == []


@pytest.mark.parametrize(
    "arrays",
    [{}, {"statevector": STATE.real}, {"statevector": np.zeros(4, complex)}, {"density_matrix": STATE}],
)
def test_arrays_of_another_kind_are_refused(arrays: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="statevector of pub 0 \\(p0\\) is missing, or differs from its description"):
        pub_result(SAVED, saved_arrays(npz(**arrays), [0])[0])


def test_nothing_is_unpickled() -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return exec, ("raise SystemExit",)

    with pytest.raises(ValueError, match="allow_pickle=False"):
        saved_arrays(npz(statevector=np.array([Trap()], object)), [0])
    with pytest.raises(ValueError, match="contains pickled"):
        saved_arrays(pickle.dumps(Trap()), [0])
