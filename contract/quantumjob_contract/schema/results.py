"""What a worker writes and promotion commits: pub results, segments, the manifest."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

import msgspec

from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.decoding import decode
from quantumjob_contract.schema.saved_arrays import SavedArray


class Register(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What was measured into one classical register, as Qiskit's BitArray holds it.

    `samples` is the base64 of a uint8 array of shape (*shape, shots, ceil(num_bits / 8)), big-endian within a shot.
    `counts` maps bit strings (highest bit first) to how often they came, at all points together; absent above
    limits.MAX_OUTCOMES outcomes.
    """

    num_bits: int
    samples: str
    counts: dict[str, int] | None = None
    shape: list[int] = []
    """Of the pub's parameter values; empty where there is one point."""


class Expectations(msgspec.Struct, frozen=True):
    """What an Estimator gives: expectation values and their standard errors, flat in C order."""

    shape: list[int]
    """Of parameter values and observables, broadcast against each other."""
    evs: list[float]
    stds: list[float]


class PubError(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a pub has no result. `message` says what to do and quotes neither the circuit nor a stack trace."""

    reason: PubReason
    message: str
    line: int | None = None
    column: int | None = None


class Why(StrEnum):
    """Why a method was taken."""

    REQUESTED = "Requested"
    """spec.backend.method names it."""
    SMALL = "Small"
    """So small that nothing is faster than a statevector."""
    CLIFFORD = "Clifford"
    """All gates are Clifford gates."""
    FASTEST = "Fastest"
    """The fastest, by the cost model, of the methods that hold the state."""
    LOW_ENTANGLEMENT = "LowEntanglement"
    """Tried as a matrix product state, and exact with small bonds."""
    SAVED = "Saved"
    """Nothing is sampled, and the arrays that the pub saves are of this method's state."""
    ONLY_FIT = "OnlyFit"
    """No other method holds the state in this memory."""


class PubMetadata(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How a result was made. Holds nothing that differs between two attempts."""

    seed: int
    shots: int = 0
    """For each point. Of an Estimator: runs that were averaged, where the circuit measures or resets on its way."""
    target_precision: float | None = None
    """Of an Estimator."""
    circuit_metadata: dict[str, Any] = {}
    """What a QPY circuit carries as its metadata."""
    engine: str = ""
    """Name and version, for example `aer 0.18.2`."""
    method: str = ""
    why: str = ""
    """Why this method, in a word, one of `Why`."""
    precision: str = ""
    qubits: int = 0
    operations: int = 0
    input_sha256: str = ""
    """Of the circuit's bytes as the user gave them (for QPY inline: after base64)."""


class PubResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of one pub or its error. Two attempts of the same pub give the same bytes."""

    index: int
    name: str
    metadata: PubMetadata
    data: dict[str, Register] | None = None
    """Of a Sampler: by the classical register's name, in the circuit's order; empty where nothing is measured."""
    expectations: Expectations | None = None
    """Of an Estimator."""
    arrays: dict[str, SavedArray] = {}
    """Of a Sampler that saves any: what lies in the segment's `.npz`, by name."""
    error: PubError | None = None


class PubTimes(msgspec.Struct, frozen=True, rename="camel"):
    """Seconds of wall time that a pub took: to load (fetch, parse, make ready) and to run."""

    load: float
    run: float


class Provenance(msgspec.Struct, frozen=True, rename="camel"):
    """Where and when a segment was made. Times are RFC 3339 in UTC."""

    versions: dict[str, str]
    sandbox: str
    """What parts a pub from its worker: `landlock-<ABI>+seccomp`, either of them alone, or `none`."""
    threads: int
    memory_bytes: int
    pod: str
    started: str
    """Start of the worker's process."""
    imported: str
    ordered: str
    """When the order was received."""
    simulated: str
    """End of the newest pub in this segment."""


class StoredObject(msgspec.Struct, frozen=True):
    """An object as it was written: its full key, size in bytes, and sha256."""

    key: str
    bytes: int
    sha256: str


class Segment(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Results of the pubs that a shard finished since its previous segment."""

    api_version: str
    uid: str
    shard: int
    name: str
    """`keys.segment_name(n)` or `keys.LAST`."""
    pubs: list[PubResult]
    times: dict[str, PubTimes]
    """By the pub's index as text."""
    provenance: Provenance
    segments: list[StoredObject] = []
    """In the last segment only: every other segment of the shard."""
    arrays: StoredObject | None = None
    """In a numbered segment with pubs that save any: the `.npz` of their arrays, written before the segment."""


class StoredArrays(StoredObject, frozen=True):
    """A `.npz` with arrays, and whose they are."""

    pubs: list[int]
    """Indices of the pubs."""


class PubSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """A pub in one line: for the manifest and the resource's status."""

    name: str
    outcome: Literal["Succeeded", "Failed"]
    summary: str
    """The most frequent outcomes, the expectation values, or the error's message."""
    reason: str | None = None


class Manifest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The commit of a job's results, written last by conditional PUT.

    `inline` holds by key the very bytes of the objects that ride inside; the others lie beside the manifest.
    """

    api_version: str
    uid: str
    namespace: str
    name: str
    labels: dict[str, str]
    outcome: Literal["Succeeded", "PartlyFailed", "Failed"]
    reason: str
    message: str
    total: int
    succeeded: int
    failed: int
    pubs: list[PubSummary]
    times: dict[str, str]
    versions: dict[str, str]
    program: StoredObject
    segments: list[StoredObject]
    arrays: list[StoredArrays] = []
    """Always beside the manifest."""
    inline: dict[str, msgspec.Raw] = {}


class Termination(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a worker leaves in its termination message."""

    reason: str
    message: str


def decode_segment(data: bytes) -> Segment:
    """Read a segment. Raises msgspec.DecodeError for anything else."""
    return decode(data, Segment)


def decode_manifest(data: bytes) -> Manifest:
    """Read a manifest. Raises msgspec.DecodeError for anything else."""
    return decode(data, Manifest)


def to_json(value: Any) -> Any:
    """A struct as plain dicts and lists, with the names it has in JSON."""
    return msgspec.to_builtins(value)
