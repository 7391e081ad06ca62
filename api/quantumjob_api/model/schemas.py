"""What goes over the wire, as OpenAPI describes it. Answers are written as plain JSON of the same shape."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from quantumjob_api.problems import ProblemReason
from quantumjob_contract import limits
from quantumjob_contract.schema.program import Format

LABEL: Final = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
SUBDOMAIN: Final = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$"
UID: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
IN_WORDS: Final = {
    LABEL: "must be of lower-case letters, digits and '-', at most 63, and begin and end with a letter or digit",
    SUBDOMAIN: "must be of lower-case letters, digits, '-' and '.', and begin and end with a letter or digit",
    UID: "must be a UID, as jobs and the history have them",
}
"""What is said of a text that does not match."""
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
    """Names as in Kubernetes; a field that nobody knows is refused, and so is a number that is text."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SubmissionMetadata(RequestModel):
    name: JobName | None = Field(None, description="Name of the QuantumJob; left out, one is made up.")
    labels: dict[LabelKey, LabelValue] = Field(
        {}, description="Labels of the QuantumJob, for example kueue.x-k8s.io/queue-name.", max_length=16
    )


class CircuitSubmission(SubmissionMetadata):
    """One circuit."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "bell", "circuit": BELL, "format": "OpenQASM3", "shots": 1000}}
    )

    circuit: str = Field(description="The circuit: text for OpenQASM, base64 for QPY.", min_length=1)
    format: Format = Field("OpenQASM3", description="The language that the circuit is written in.")
    shots: int | None = Field(None, ge=1, le=limits.MAX_SHOTS, description="How often it is run and measured.")
    seed: int | None = Field(None, ge=0, le=limits.MAX_SEED, description="Seed of all random numbers.")


class SpecSubmission(SubmissionMetadata):
    """The spec of a QuantumJob, with all that it can say."""

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
    """Paths of what belongs to a job."""

    self: str
    events: str
    result: str
    partial: str
    cancel: str


class JobView(BaseModel):
    """A QuantumJob: the same that `kubectl get quantumjob` shows."""

    name: str
    namespace: str
    uid: str = Field(description="Identifies it for ever; its results lie under it.")
    version: str = Field(description="Changes whenever the job does; the ETag.")
    created: str
    labels: dict[str, str]
    phase: str = Field(description="Pending, Running, Storing, Succeeded, PartlyFailed, Failed or Cancelled.")
    progress: str = Field(description="Pubs that have a result, of all pubs; empty before it is accepted.")
    finished: bool = Field(description="Complete or Failed: it will not change any more.")
    reason: str = Field(description="Why it is where it is, as one word of a closed list.")
    message: str = Field(description="The same as a sentence.")
    cancel: bool = Field(description="It has been asked to stop.")
    status: dict[str, Any] = Field(description="`status` of the QuantumJob as it is.")
    links: JobLinks


class JobSummary(BaseModel):
    """A QuantumJob in one line."""

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
    next: str | None = Field(description="Give it as `continue` to get the next page; null at the end.")


class ObjectView(BaseModel):
    """An object of a result."""

    name: str = Field(description="Shard and segment, for example 0/last.")
    bytes: int
    sha256: str
    href: str = Field(description="Its bytes, by range too.")


class ArraysView(ObjectView):
    """A `.npz` of arrays that pubs have saved; in it `INDEX/NAME` for each, INDEX the pub's."""

    pubs: list[int] = Field(description="Indices of the pubs whose arrays it has.")


class RegisterView(BaseModel):
    """What was measured into one classical register."""

    numBits: int  # noqa: N815  # as in JSON
    samples: str = Field(description="base64 of uint8 (*shape, shots, ceil(numBits / 8)), big-endian within a shot.")
    counts: dict[str, int] | None = Field(
        None,
        description="By bit string, highest bit first, over all points together (those of one are in `samples`); "
        "absent if too many.",
    )
    shape: list[int] = Field([], description="Of the pub's parameter values; absent where there is one point.")


class PubResultView(BaseModel):
    """A pub's result, or its error."""

    model_config = ConfigDict(extra="allow")

    index: int
    name: str
    metadata: dict[str, Any]
    data: dict[str, RegisterView] | None = Field(None, description="A Sampler's, by classical register.")
    expectations: dict[str, Any] | None = Field(
        None, description="An Estimator's: `shape`, and `evs` and `stds` flat in C order."
    )
    arrays: dict[str, Any] = Field(
        {}, description="Of a pub that saves any, by name: `shape`, `dtype` and `method`. Values are in a `.npz`."
    )
    error: dict[str, Any] | None = None


class FinishedJobView(BaseModel):
    """A finished job as the completed bucket knows it."""

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
        description="As `kubectl explain quantumjob.status.times` has them, and `created`. A shared worker may have "
        "`started` and `imported` before that."
    )
    versions: dict[str, str]
    segments: list[ObjectView]
    arrays: list[ArraysView] = Field(description="Objects with the arrays that pubs have saved.")


class ResultView(FinishedJobView):
    """Every pub's result, each byte checked against the sha256 that was committed with it."""

    pubs: list[PubResultView]


class PartialResultView(BaseModel):
    """What a job's worker has stored so far. It is checked when the job ends, not before."""

    name: str
    namespace: str
    uid: str
    pubs: list[PubResultView]


class FinishedJobSummary(BaseModel):
    """A finished job in one line."""

    uid: str
    name: str
    outcome: str
    reason: str
    message: str
    total: int
    succeeded: int
    stored: str = Field(description="When its results were committed.")
    href: str


class FinishedJobList(BaseModel):
    """A page of finished jobs, newest first."""

    items: list[FinishedJobSummary]
    next: str | None = Field(description="Give it as `continue` to get the next page; null at the end.")


class CircuitView(BaseModel):
    """A circuit in the bucket."""

    key: str = Field(description="As `circuit.object.key` of a pub names it.")
    bytes: int
    sha256: str | None = Field(None, description="Given where it was uploaded by this request.")
    modified: str | None = None


class CircuitList(BaseModel):
    """A page of circuits."""

    items: list[CircuitView]
    next: str | None = Field(description="Give it as `continue` to get the next page; null at the end.")


class ProblemDetails(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    reason: ProblemReason
    detail: str
