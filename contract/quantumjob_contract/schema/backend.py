"""Backend, method and noise of a program. docs/noise.md explains each field of noise."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from quantumjob_contract.limits import MAX_NANOSECONDS, MAX_QUBITS
from quantumjob_contract.schema.decoding import decode
from quantumjob_contract.schema.object_ref import ObjectRef

Method = Literal[
    "automatic",
    "statevector",
    "density_matrix",
    "stabilizer",
    "matrix_product_state",
]
Precision = Literal["double", "single"]
Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Nanoseconds = Annotated[float, msgspec.Meta(ge=0, le=MAX_NANOSECONDS)]
Constant = Annotated[float, msgspec.Meta(gt=0, le=MAX_NANOSECONDS)]


class Depolarizing(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Probability that a gate replaces its qubits by the maximally mixed state, by the number of qubits."""

    one_qubit: Probability = 0.0
    two_qubit: Probability = 0.0


class Readout(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Readout error: probability that a measured bit is flipped."""

    prob_meas1_prep0: Probability = 0.0
    prob_meas0_prep1: Probability = 0.0


class Relaxation(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """T1 and T2 of each qubit, and the durations of operations during which it relaxes."""

    t1_nanoseconds: Constant
    t2_nanoseconds: Constant
    one_qubit_nanoseconds: Nanoseconds = 0.0
    two_qubit_nanoseconds: Nanoseconds = 0.0
    measure_nanoseconds: Nanoseconds = 0.0


class Noise(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Noise of the spec: parameters of all qubits, or an object in the circuits bucket."""

    depolarizing: Depolarizing | None = None
    readout: Readout | None = None
    relaxation: Relaxation | None = None
    object: ObjectRef | None = None


class Backend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Simulator, method, precision and noise."""

    name: Literal["aer"] = "aer"
    method: Method = "automatic"
    precision: Precision = "double"
    """With `single`, engines of single precision may run a circuit, too."""
    noise: Noise | None = None


class QubitNoise(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Parameters of one qubit that replace those of all qubits."""

    depolarizing: Probability | None = None
    """Of one-qubit gates."""
    readout: Readout | None = None
    t1_nanoseconds: Constant | None = None
    t2_nanoseconds: Constant | None = None


class NoiseModel(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The noise of a circuit; also the schema of a noise model in the circuits bucket."""

    version: Literal[1] = 1
    depolarizing: Depolarizing = Depolarizing()
    readout: Readout = Readout()
    relaxation: Relaxation | None = None
    qubits: dict[str, QubitNoise] = {}
    """By the qubit's index in the program."""
    pairs: dict[str, Probability] = {}
    """Depolarizing probability of two-qubit gates by the qubits' indices, `0-1` or `1-0`."""


def declared(noise: Noise) -> NoiseModel:
    """Returns the noise model of the spec's own fields."""
    return NoiseModel(
        depolarizing=noise.depolarizing or Depolarizing(),
        readout=noise.readout or Readout(),
        relaxation=noise.relaxation,
    )


def decode_model(data: bytes) -> NoiseModel:
    """Decodes a noise model. Raises ValueError, also msgspec's, with the defect."""
    model = decode(data, NoiseModel)
    if wrong := unphysical(model):
        raise ValueError(wrong)
    return model


def unphysical(model: NoiseModel) -> str:
    """Returns what is unphysical in the model; empty where nothing is."""
    for key in model.qubits:
        if not _is_index(key):
            return f"a key of qubits is not the index of a qubit, 0 to {MAX_QUBITS - 1}"
    for key in model.pairs:
        first, _, second = key.partition("-")
        if not (_is_index(first) and _is_index(second) and first != second):
            return "a key of pairs is not two indices of qubits like 0-1"
    base = model.relaxation
    for found in model.qubits.values():
        if base is None and (found.t1_nanoseconds or found.t2_nanoseconds):
            return "a qubit has T1 or T2, but there is no relaxation with the times of gates"
    times = [
        (found.t1_nanoseconds or base.t1_nanoseconds, found.t2_nanoseconds or base.t2_nanoseconds)
        for found in (*model.qubits.values(), QubitNoise())
        if base is not None
    ]
    return "T2 is greater than twice T1" if any(t2 > 2 * t1 for t1, t2 in times) else ""


def backend_of(spec: Any) -> Backend:
    """Decodes the backend of a spec. Raises ValueError."""
    backend = msgspec.convert(spec, Backend)
    if backend.noise is not None and (wrong := unphysical(declared(backend.noise))):
        raise ValueError(wrong)
    return backend


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdecimal() and str(int(text[:8])) == text and int(text) < MAX_QUBITS
