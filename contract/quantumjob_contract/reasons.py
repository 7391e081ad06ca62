"""The closed list of reasons of conditions, of pubs' errors and of Events."""

from __future__ import annotations

from enum import StrEnum


class PubReason(StrEnum):
    """Why one pub has an error instead of a result."""

    SYNTAX_ERROR = "SyntaxError"
    """The circuit's text cannot be parsed; line and column are given."""
    UNSUPPORTED_FORMAT = "UnsupportedFormat"
    """The version or a feature of the format is not taken: QPY below 13, an include, an unknown OpenQASM version."""
    INVALID_CIRCUIT = "InvalidCircuit"
    """Parsed, but it cannot run: an index out of range, an angle that is not finite, an unknown instruction."""
    INVALID_PUB = "InvalidPub"
    """A line of the object of pubsFrom is not a pub; the message says why."""
    UNBOUND_PARAMETERS = "UnboundParameters"
    """A parameter of the circuit has no value; the message names it."""
    UNKNOWN_PARAMETERS = "UnknownParameters"
    """parameterValues names a parameter that the circuit does not have; the message names it."""
    INVALID_OBSERVABLES = "InvalidObservables"
    """The observables do not fit the circuit."""
    NO_MEASUREMENT = "NoMeasurement"
    """The circuit of a Sampler's pub measures nothing, so that there is nothing to return."""
    CIRCUIT_NOT_FOUND = "CircuitNotFound"
    CIRCUIT_EMPTY = "CircuitEmpty"
    CIRCUIT_TOO_LARGE = "CircuitTooLarge"
    """Above a limit of bytes, qubits or operations; the message names the limit and the circuit's value."""
    CHECKSUM_MISMATCH = "ChecksumMismatch"
    """The object's sha256 differs from that of the spec."""
    RESULT_TOO_LARGE = "ResultTooLarge"
    NOT_PURE = "NotPure"
    """A statevector is requested of a circuit with a mixed final state: it measures or resets midway, or has noise."""
    MEMORY_LIMIT = "MemoryLimit"
    """The simulation needs more memory than the pod's limit allows."""
    METHOD_UNSUITABLE = "MethodUnsuitable"
    """The method that the spec names cannot run this circuit or its noise; the message says why."""
    INVALID_NOISE = "InvalidNoise"
    """The noise model's object is missing, not of the sha256 in the spec, or not of the documented schema."""
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    CRASHED = "Crashed"
    """The process that ran this pub was ended by a signal; the message names it."""
    SIMULATION_FAILED = "SimulationFailed"
    NOT_RUN = "NotRun"
    """The job ended before this pub ran."""


class Reason(StrEnum):
    """Reason of a job's condition."""

    ACCEPTED = "Accepted"
    INVALID_SPEC = "InvalidSpec"

    WAITING_FOR_STORE = "WaitingForStore"
    WAITING_FOR_WORKER = "WaitingForWorker"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_UNAVAILABLE = "ImageUnavailable"
    POD_REFUSED = "PodRefused"
    """The cluster refuses to create the worker's Job or pod: a quota, a policy."""
    QUEUED = "Queued"
    """Waits in the queue for a shared worker of its namespace, or in Kueue's."""
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
