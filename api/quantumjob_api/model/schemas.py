"""Schemas of requests and responses, for OpenAPI. `views` makes the JSON of responses without these classes."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from quantumjob_api.problems import ApiReason
from quantumjob_contract import limits
from quantumjob_contract.schema.program import Format

LABEL: Final = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
SUBDOMAIN: Final = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$"
UID: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
PATTERN_MESSAGES: Final = {
    LABEL: "must have at most 63 lower-case letters, digits and '-', and begin and end with a letter or digit",
    SUBDOMAIN: "must have lower-case letters, digits, '-' and '.' only, and begin and end with a letter or digit",
    UID: "must be the UID of a job",
}
"""The message for a text that does not match the pattern."""
SHA256: Final = r"^[0-9a-f]{64}$"
NAME_LENGTH: Final = 63

BELL: Final = (
    'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nbit[2] c;\nh q[0];\ncx q[0], q[1];\nc = measure q;\n'
)

JobName = Annotated[
    str, Field(pattern=SUBDOMAIN, max_length=NAME_LENGTH, description="Name of the QuantumJob.", examples=["bell"])
]
LabelValue = Annotated[str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")]
LabelKey = Annotated[
    str,
    Field(
        max_length=317,
        pattern=r"^([a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
    ),
]


class RequestModel(BaseModel):
    """A request. Unknown fields and numbers as text are errors."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SubmissionMetadata(RequestModel):
    """Name and labels of a QuantumJob."""

    name: JobName | None = Field(None, description="Name of the QuantumJob; generated if absent.")
    labels: dict[LabelKey, LabelValue] = Field(
        {}, description="Labels of the QuantumJob, for example kueue.x-k8s.io/queue-name.", max_length=16
    )


class CircuitSubmission(SubmissionMetadata):
    """One circuit."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "bell", "circuit": BELL, "format": "OpenQASM3", "shots": 1000}}
    )

    circuit: str = Field(description="The circuit: text for OpenQASM, base64 for QPY.", min_length=1)
    format: Format = Field("OpenQASM3", description="The language of the circuit.")
    shots: int | None = Field(None, ge=1, le=limits.MAX_SHOTS, description="Number of shots.")
    seed: int | None = Field(None, ge=0, le=limits.MAX_SEED, description="Seed; generated if absent.")


class SpecSubmission(SubmissionMetadata):
    """The spec of a QuantumJob."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "spec": {"program": {"shots": 1000, "pubs": [{"name": "bell", "circuit": {"inline": BELL}}]}},
            }
        }
    )

    spec: dict[str, Any] = Field(
        description="`spec` of a QuantumJob (`kubectl explain quantumjob.spec`). The API server checks it."
    )


class JobLinks(BaseModel):
    """Paths of the job's other resources."""

    self: str
    events: str
    result: str
    partial: str
    cancel: str


class JobView(BaseModel):
    """A QuantumJob without its spec."""

    name: str
    namespace: str
    uid: str = Field(description="Identifies the job and its results, also after it was deleted.")
    version: str = Field(description="Changes with every change of the job; the ETag.")
    created: str
    labels: dict[str, str]
    phase: str = Field(description="Pending, Running, Storing, Succeeded, PartlyFailed, Failed or Cancelled.")
    progress: str = Field(description="Pubs with a result, of all pubs; empty before the job is accepted.")
    finished: bool = Field(description="True if the job is Complete or Failed; it does not change any more.")
    reason: str = Field(description="Reason of the phase, one word of a closed list.")
    message: str = Field(description="The reason as a sentence.")
    cancel: bool = Field(description="True if cancellation was requested.")
    status: dict[str, Any] = Field(description="`status` of the QuantumJob.")
    links: JobLinks


class JobSummary(BaseModel):
    """A QuantumJob in a list."""

    name: str
    namespace: str
    uid: str
    created: str
    labels: dict[str, str]
    phase: str
    progress: str
    backend: str
    shots: int | None
    reason: str


class JobList(BaseModel):
    """A page of QuantumJobs."""

    items: list[JobSummary]
    next: str | None = Field(description="The parameter `continue` of the next page; null on the last page.")


class ObjectView(BaseModel):
    """An object of a result."""

    name: str = Field(description="Shard and segment, for example 0/last.")
    bytes: int
    sha256: str
    href: str = Field(description="Path of its bytes.")


class ArraysView(ObjectView):
    """A `.npz` file of arrays that pubs saved, each as `INDEX/NAME` with the index of its pub."""

    pubs: list[int] = Field(description="Indices of the pubs whose arrays the file has.")


class RegisterView(BaseModel):
    """The measured values of a classical register."""

    numBits: int  # noqa: N815  # as in JSON
    samples: str = Field(description="base64 of uint8 (*shape, shots, ceil(numBits / 8)), big-endian within a shot.")
    counts: dict[str, int] | None = Field(
        None,
        description="Counts by bit string, highest bit first, over all points (`samples` has them by point); "
        "absent if there are too many.",
    )
    shape: list[int] = Field([], description="Shape of the pub's parameter values; absent for one point.")


class PubResultView(BaseModel):
    """A pub's result, or its error."""

    model_config = ConfigDict(extra="allow")

    index: int
    name: str
    metadata: dict[str, Any]
    data: dict[str, RegisterView] | None = Field(None, description="Of a Sampler, by classical register.")
    expectations: dict[str, Any] | None = Field(
        None, description="Of an Estimator: `shape`, and `evs` and `stds` flat in C order."
    )
    arrays: dict[str, Any] = Field(
        {}, description="Saved arrays by name: `shape`, `dtype` and `method`. The values are in a `.npz` file."
    )
    error: dict[str, Any] | None = None


class FinishedJobView(BaseModel):
    """A finished job, from its manifest in the completed bucket."""

    name: str
    namespace: str
    uid: str
    labels: dict[str, str]
    outcome: Literal["Succeeded", "PartlyFailed", "Failed"]
    reason: str
    message: str
    total: int
    succeeded: int
    failed: int
    times: dict[str, str] = Field(
        description="As in `kubectl explain quantumjob.status.times`, and `created`. A shared worker's "
        "`started` and `imported` may be before that."
    )
    versions: dict[str, str]
    segments: list[ObjectView]
    arrays: list[ArraysView] = Field(description="Objects with the arrays that pubs saved.")


class ResultView(FinishedJobView):
    """Results of all pubs, verified against the committed sha256."""

    pubs: list[PubResultView]


class PartialResultView(BaseModel):
    """Results that are stored so far. They are verified when the job ends."""

    name: str
    namespace: str
    uid: str
    pubs: list[PubResultView]


class FinishedJobSummary(BaseModel):
    """A finished job in a list."""

    uid: str
    name: str
    outcome: str
    reason: str
    message: str
    total: int
    succeeded: int
    stored: str = Field(description="Time when the results were committed.")
    href: str


class FinishedJobList(BaseModel):
    """A page of finished jobs, newest first."""

    items: list[FinishedJobSummary]
    next: str | None = Field(description="The parameter `continue` of the next page; null on the last page.")


class CircuitView(BaseModel):
    """A circuit in the circuits bucket."""

    key: str = Field(description="The value of `circuit.object.key` in a pub.")
    bytes: int
    sha256: str | None = Field(None, description="Present in the response of an upload.")
    modified: str | None = None


class CircuitList(BaseModel):
    """A page of circuits."""

    items: list[CircuitView]
    next: str | None = Field(description="The parameter `continue` of the next page; null on the last page.")


class ProblemDetails(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    reason: ApiReason
    detail: str
