"""Converts results to the containers of Qiskit's primitives."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives import BitArray, DataBin, PrimitiveResult, PubResult, SamplerPubResult

from quantumjob.results.saved_arrays import Values, checked, points, saved_arrays
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.results import Expectations, PubError, PubMetadata, Register
from quantumjob_contract.schema.results import PubResult as Stored

if TYPE_CHECKING:  # it imports the store's client, which users of the REST service do not need
    from quantumjob_contract.reader import Results


class PubsFailed(Exception):
    """At least one pub has an error instead of a result."""

    def __init__(self, errors: dict[str, PubError]) -> None:
        self.errors = errors
        """Errors by the pub's name."""
        shown = "; ".join(f"{name}: {error.reason}: {error.message}" for name, error in list(errors.items())[:5])
        rest = f"; and {len(errors) - 5} more" if len(errors) > 5 else ""
        super().__init__(f"{shown}{rest}. With partial=True the other pubs are returned")


def primitive_result(results: Results, *, partial: bool = False) -> PrimitiveResult[Any]:
    """Returns all pubs in the job's order.

    A Sampler's pub has a BitArray for each classical register, of shape (*shape, shots, bytes) and dtype uint8; an
    Estimator's has `evs` and `stds`, float64 arrays of the pub's shape. Saved arrays are in
    `statevector`, `density_matrix` and `probabilities`. Raises PubsFailed where a pub has an error;
    with `partial` such a pub has no data, and its error is in `metadata["error"]`. Raises StoreError.
    """
    stored = {pub.index: pub for pub in results.pubs()}
    errors = {pub.name: pub.error for pub in stored.values() if pub.error is not None}
    errors |= {
        summary.name: PubError(PubReason.NOT_RUN, summary.summary)
        for index, summary in enumerate(results.manifest.pubs)
        if index not in stored
    }
    if errors and not partial:
        raise PubsFailed(errors)
    values: Values = {}
    for about, data in results.arrays():
        values |= saved_arrays(data, about.pubs)
    return PrimitiveResult(
        [
            pub_result(stored[index], values.get(index)) if index in stored else _failed(errors[summary.name])
            for index, summary in enumerate(results.manifest.pubs)
        ],
        metadata={"version": 2},
    )


def pub_result(pub: Stored, saved: Mapping[str, NDArray[Any]] | None = None) -> PubResult:
    """Converts one pub; `saved` holds the values of its saved arrays. A pub with an error has no data."""
    if pub.error is not None:
        return _failed(pub.error)
    if pub.expectations is not None:
        return PubResult(_values(pub.expectations), metadata=_metadata(pub.metadata))
    registers = pub.data or {}
    shape = tuple(next(iter(registers.values())).shape) if registers else points(pub.arrays)
    arrays = {name: bit_array(register, pub.metadata.shots) for name, register in registers.items()}
    if saved is not None:
        arrays |= checked(pub, saved)
    return SamplerPubResult(DataBin(**arrays, shape=shape), metadata=_metadata(pub.metadata))


def bit_array(register: Register, shots: int) -> BitArray:
    """Returns the samples of a register, uint8 of shape (*shape, shots, bytes); bit 0 is the last byte's lowest."""
    size = -(-register.num_bits // 8)
    packed = np.frombuffer(base64.b64decode(register.samples), np.uint8)
    return BitArray(packed.reshape(*register.shape, shots, size), register.num_bits)


def _values(found: Expectations) -> DataBin:
    shape = tuple(found.shape)
    evs, stds = (np.array(values, dtype=float).reshape(shape) for values in (found.evs, found.stds))
    return DataBin(evs=evs, stds=stds, shape=shape)


def _metadata(made: PubMetadata) -> dict[str, Any]:
    """Returns the metadata of Qiskit's primitives, and how the result was computed."""
    wanted = {"shots": made.shots} if made.target_precision is None else {"target_precision": made.target_precision}
    kept = ("seed", "engine", "method", "why", "precision", "qubits", "operations", "input_sha256")
    about = {name: getattr(made, name) for name in kept}
    if made.target_precision is not None and made.shots:
        about["shots"] = made.shots
    return wanted | {"circuit_metadata": made.circuit_metadata, "simulator_metadata": about}


def _failed(error: PubError) -> PubResult:
    return PubResult(DataBin(), metadata={"error": error})
