"""Results: pubs and segments, which a worker writes, and the manifest, which promotion writes."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

import msgspec

from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.decoding import decode
from quantumjob_contract.schema.saved_arrays import SavedArray


class Register(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Samples of one classical register, in the layout of Qiskit's BitArray.

    `samples` is the base64 of a uint8 array of shape (*shape, shots, ceil(num_bits / 8)), big-endian within a shot.
    `counts` maps bit strings (highest bit first) to their number of shots, summed over all points; absent above
    limits.MAX_OUTCOMES outcomes.
    """

    num_bits: int
    samples: str
    counts: dict[str, int] | None = None
    shape: list[int] = []
    """Shape of the parameter values; empty for one point."""


class Expectations(msgspec.Struct, frozen=True):
    """Expectation values of an Estimator and their standard errors, flat in C order."""

    shape: list[int]
    """Shapes of parameter values and observables, broadcast."""
    evs: list[float]
    stds: list[float]


class PubError(msgspec.Struct, frozen=True, omit_defaults=True):
    """Error of a pub. `message` says what to do; it quotes neither the circuit nor a stack trace."""

    reason: PubReason
    message: str
    line: int | None = None
    column: int | None = None


class Why(StrEnum):
    """Why the router chose a method."""

    REQUESTED = "Requested"
    """spec.backend.method requests it."""
    SMALL = "Small"
    """The circuit is so small that no method is faster than a statevector."""
    CLIFFORD = "Clifford"
    """All gates are Clifford gates."""
    FASTEST = "Fastest"
    """The fastest by the cost model of the methods whose state fits the memory."""
    LOW_ENTANGLEMENT = "LowEntanglement"
    """A trial as a matrix product state was exact with small bonds."""
    SAVED = "Saved"
    """The pub samples nothing, and its saved arrays need this method."""
    ONLY_FIT = "OnlyFit"
    """The state of no other method fits the memory."""


class PubMetadata(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How a result was computed. Equal in each attempt."""

    seed: int
    shots: int = 0
    """For each point. Of an Estimator: averaged runs, where the circuit measures or resets midway."""
    target_precision: float | None = None
    """Of an Estimator."""
    circuit_metadata: dict[str, Any] = {}
    """Metadata of a QPY circuit."""
    engine: str = ""
    """Name and version, for example `aer 0.18.2`."""
    method: str = ""
    why: str = ""
    """One of `Why`."""
    precision: str = ""
    qubits: int = 0
    operations: int = 0
    input_sha256: str = ""
    """Of the circuit's bytes as submitted (of inline QPY: after decoding base64)."""


class PubResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of one pub, or its error. Each attempt of a pub gives the same bytes."""

    index: int
    name: str
    metadata: PubMetadata
    data: dict[str, Register] | None = None
    """Of a Sampler: by name of the classical register, in the circuit's order; empty without measurements."""
    expectations: Expectations | None = None
    """Of an Estimator."""
    arrays: dict[str, SavedArray] = {}
    """Of a Sampler: the saved arrays in the segment's `.npz`, by name."""
    error: PubError | None = None


class PubTimes(msgspec.Struct, frozen=True, rename="camel"):
    """Wall time of a pub in seconds: to load (fetch, parse, normalize) and to run."""

    load: float
    run: float


class Provenance(msgspec.Struct, frozen=True, rename="camel"):
    """Where and when a segment was computed. Times are RFC 3339 in UTC."""

    versions: dict[str, str]
    sandbox: str
    """Sandbox of the child processes: `landlock-<ABI>+seccomp`, either of them, or `none`."""
    threads: int
    memory_bytes: int
    pod: str
    started: str
    """When the worker's process started; `imported`: when Qiskit was loaded."""
    imported: str
    ordered: str
    """When the order was received."""
    simulated: str
    """When the last pub of this segment ended."""


class StoredObject(msgspec.Struct, frozen=True):
    """Full key, size in bytes and sha256 of an object."""

    key: str
    bytes: int
    sha256: str


class Segment(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Results of a shard's pubs that ended after its previous segment."""

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
    """In the last segment: all other segments of the shard."""
    arrays: StoredObject | None = None
    """The `.npz` of the pubs' saved arrays, written before the segment; the last segment has none."""


class StoredArrays(StoredObject, frozen=True):
    """A `.npz` of saved arrays, and the pubs that it is of."""

    pubs: list[int]
    """Indices of the pubs."""


class PubSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """Summary of a pub for the manifest and the status."""

    name: str
    outcome: Literal["Succeeded", "Failed"]
    summary: str
    """The most frequent outcomes, the expectation values, or the error's message."""
    reason: str | None = None


class Manifest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The commit of a job's results, written last by write-once PUT.

    `inline` holds the bytes of small objects by key. All others are objects of the same prefix.
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
    """Never inline."""
    inline: dict[str, msgspec.Raw] = {}


class Termination(msgspec.Struct, frozen=True, omit_defaults=True):
    """Termination message of a worker's container."""

    reason: str
    message: str


def decode_segment(data: bytes) -> Segment:
    """Decodes a segment. Raises msgspec.DecodeError."""
    return decode(data, Segment)


def decode_manifest(data: bytes) -> Manifest:
    """Decodes a manifest. Raises msgspec.DecodeError."""
    return decode(data, Manifest)


def to_json(value: Any) -> Any:
    """Converts a struct to dicts and lists, with its names in JSON."""
    return msgspec.to_builtins(value)
