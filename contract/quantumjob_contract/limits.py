"""Every limit in one place. The schema repeats those it can state; a unit test holds the two together."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

MAX_PUBS: Final = 500
"""Pubs in spec.program.pubs, and pubs that the status tells of."""
MAX_LISTED_PUBS: Final = 20_000
"""Pubs in the object of pubsFrom."""
MAX_LISTED_BYTES: Final = 32 * MIB
"""Bytes of that object."""
MAX_LISTED_VALUES: Final = 1_000_000
"""Numbers in the parameterValues of a pub that is listed there."""
MAX_LINE_BYTES: Final = 16 * MIB
"""Bytes of one of its lines."""
MAX_NAME_CHARS: Final = 63
"""Of a pub's name."""
MAX_PARALLELISM: Final = 64
"""Shards of one job."""
MAX_SHOTS: Final = 1_000_000
DEFAULT_SHOTS: Final = 1024
MAX_SEED: Final = 2**31 - 1
DEFAULT_PRECISION: Final = 0.0
"""Of an Estimator's pub that gives neither precision nor shots: exact, as Aer's EstimatorV2 has it."""
MAX_PRECISION: Final = 1_000_000
TRAJECTORIES: Final = 1024
"""Runs over which an Estimator averages where a circuit measures or resets; Aer's default number of shots."""

MAX_PARAMETER_VALUES: Final = 200_000
"""Numbers in the parameterValues of all pubs of a job."""
MAX_POINTS: Final = 100_000
"""Points of one pub: parameter sets, or parameter sets and observables broadcast against each other."""
MAX_TERMS: Final = 20_000
"""Pauli strings in the observables of all pubs of a job."""
MAX_DIMENSIONS: Final = 6
"""Nesting of lists in parameterValues and observables. The schema bounds it too: deeper JSON than Python's recursion
limit would end the operator's watch."""

MAX_INLINE_CHARS: Final = 256 * KIB
"""Characters of one inline circuit (etcd takes 1.5 MiB for the whole object)."""
MAX_CIRCUIT_BYTES: Final = 16 * MIB
"""Bytes of one circuit in the circuits bucket."""
MAX_UPLOAD_BYTES: Final = max(MAX_CIRCUIT_BYTES, MAX_LISTED_BYTES)
"""Bytes of one object that the REST service puts into the circuits bucket."""
MAX_PROGRAM_BYTES: Final = 4 * MIB

MAX_QUBITS: Final = 1024
"""Width of a circuit: qubits and classical bits, each. What fits memory depends on the method and on the pod."""
MAX_OPERATIONS: Final = 2_000_000
"""Operations of a circuit after all gate definitions are expanded."""

MAX_NOISE_BYTES: Final = MIB
"""Bytes of a noise model in the circuits bucket."""
MAX_NANOSECONDS: Final = 1e15
"""Of a time in a noise model: above this nothing decays."""
DEADLINE_SLACK: Final = 4.0
"""A pub is refused for time only where its estimate is this many times what its job has left: the estimate is of one
machine, and another may be faster."""

MAX_RESULT_BYTES: Final = 16 * MIB
"""Bytes of one pub's samples (points times shots times bytes per shot, over all registers)."""
MAX_SAVED_BYTES: Final = 64 * MIB
"""Bytes of the arrays that one pub saves: a statevector of 22 qubits, a density matrix of 11."""
MAX_METADATA_BYTES: Final = 16 * KIB
"""Of the metadata that a QPY circuit carries, as JSON; the result repeats it."""
MAX_METADATA_DEPTH: Final = 32
"""Of lists and maps in it: the child has a larger stack than the readers of its result."""
MAX_OUTCOMES: Final = 4096
"""Distinct outcomes up to which counts are stored with the samples; above it a reader derives them."""

PARSE_SECONDS: Final = 60.0
"""CPU time in which a circuit must be parsed and made ready to run."""

SEGMENT_SECONDS: Final = 1.0
SEGMENT_BYTES: Final = MIB
"""A shard flushes a segment when this much time or data has gathered."""
INLINE_RESULT_BYTES: Final = 64 * KIB
"""Program and segments up to this size together ride inside the manifest."""
MAX_MANIFEST_BYTES: Final = INLINE_RESULT_BYTES + 16 * MIB
MAX_SEGMENT_BYTES: Final = 48 * MIB
"""Above this a segment is not read: one pub's samples in text, with room."""

MAX_ARRAYS_BYTES: Final = 96 * MIB
"""Above this the arrays of a segment are not read: those of a pub, and what had gathered before it, with room."""

URL_SECONDS: Final = 7 * 24 * 3600
"""Longest life of a presigned URL that S3 allows; an order's URLs live as long as its deadline, at most this."""
SEGMENT_URLS: Final = 16
"""Segment URLs in an order; a worker that needs more asks."""
