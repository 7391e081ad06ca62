"""The closed list of reasons: what a condition, a pub's error or an Event may give as its cause."""

from __future__ import annotations

from enum import StrEnum


class PubReason(StrEnum):
    """Why one pub has an error instead of a result."""

    SYNTAX_ERROR = "SyntaxError"
    """The circuit's text cannot be parsed; line and column are given."""
    UNSUPPORTED_FORMAT = "UnsupportedFormat"
    """The version or a feature of the format is not taken: QPY below 13, an include, an unknown OpenQASM version."""
    INVALID_CIRCUIT = "InvalidCircuit"
    """Parsed, but it cannot run: an index out of range, an angle that is not finite, an instruction with no meaning."""
    INVALID_PUB = "InvalidPub"
    """A line of the object of pubsFrom is not a pub; the message says why."""
    UNBOUND_PARAMETERS = "UnboundParameters"
    """A parameter of the circuit has no value; the message names it."""
    UNKNOWN_PARAMETERS = "UnknownParameters"
    """parameterValues names a parameter that the circuit does not have; the message names it."""
    INVALID_OBSERVABLES = "InvalidObservables"
    """The observables do not fit the circuit."""
    NO_MEASUREMENT = "NoMeasurement"
    """A Sampler has nothing to return for a circuit that measures nothing."""
    CIRCUIT_NOT_FOUND = "CircuitNotFound"
    CIRCUIT_EMPTY = "CircuitEmpty"
    CIRCUIT_TOO_LARGE = "CircuitTooLarge"
    """Above a limit: bytes, qubits, operations. The message names the limit and the figure."""
    CHECKSUM_MISMATCH = "ChecksumMismatch"
    """The object's bytes are not those of the sha256 in the spec."""
    RESULT_TOO_LARGE = "ResultTooLarge"
    NOT_PURE = "NotPure"
    """A statevector is asked of a circuit that does not end in one: it measures or resets on its way, or has noise."""
    MEMORY_LIMIT = "MemoryLimit"
    """The simulation needs more memory than the pod's limit leaves it."""
    METHOD_UNSUITABLE = "MethodUnsuitable"
    """The method that the spec names cannot run this circuit or its noise; the message says why."""
    INVALID_NOISE = "InvalidNoise"
    """The noise model's object is missing, not of the sha256 in the spec, or not of the documented schema."""
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    CRASHED = "Crashed"
    """The process that ran this pub was ended by a signal; the message names it."""
    SIMULATION_FAILED = "SimulationFailed"
    NOT_RUN = "NotRun"
    """The job ended before this pub had its turn."""


class Reason(StrEnum):
    """Why a job's condition is as it is."""

    ACCEPTED = "Accepted"
    INVALID_SPEC = "InvalidSpec"

    WAITING_FOR_STORE = "WaitingForStore"
    WAITING_FOR_WORKER = "WaitingForWorker"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_UNAVAILABLE = "ImageUnavailable"
    POD_REFUSED = "PodRefused"
    """The cluster refuses to create the worker's Job or pod: a quota, a policy."""
    QUEUED = "Queued"
    """Waits for its turn at a worker that its namespace shares, or for Kueue."""
    RUNNING = "Running"
    RETRYING = "Retrying"
    STORING = "Storing"

    ALL_PUBS_SUCCEEDED = "AllPubsSucceeded"
    SOME_PUBS_FAILED = "SomePubsFailed"
    ALL_PUBS_FAILED = "AllPubsFailed"

    CANCELLED = "Cancelled"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded"
    OUT_OF_MEMORY = "OutOfMemory"
    WORKER_FAILED = "WorkerFailed"
    RESULTS_VERIFIED = "ResultsVerified"
    RESULTS_INCOMPLETE = "ResultsIncomplete"
    RESULTS_CORRUPT = "ResultsCorrupt"
