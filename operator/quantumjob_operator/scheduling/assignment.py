"""An order's way through the queue of its namespace, and what a person is told of a job's orders. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from quantumjob_contract.reasons import Reason
from quantumjob_contract.schema.orders import ALIVE_SECONDS
from quantumjob_operator import clock
from quantumjob_operator.model.worker_state import WorkerState
from quantumjob_operator.results.manifest import Failure

SILENT_SECONDS: Final = 4 * ALIVE_SECONDS
"""A worker that says nothing for so long is lost, or cut off: its order is given again."""
OVERTIME_SECONDS: Final = 10.0
"""Beyond the deadline, in which a worker ends by itself and stores what is done."""
PATIENCE_SECONDS: Final = 60.0
PATIENCE: Final = 10.0
"""With one worker, a long order waits for short ones this many times as long as it takes, at least a minute."""

ABSENT: Final = WorkerState(
    "absent", Reason.QUEUED, "The program is valid; it waits for a shared worker of its namespace."
)
QUEUED: Final = WorkerState("waiting", ABSENT.reason, ABSENT.message)


class Pod(NamedTuple):
    """A shared worker's pod."""

    namespace: str
    name: str
    uid: str


@dataclass
class Assignment:
    """One order."""

    expected: float
    """Seconds that it will take."""
    deadline: float
    """spec.activeDeadlineSeconds, from the moment when it was first given."""
    retries: int
    """spec.backoffLimit; each shard has so many."""
    not_before: datetime
    attempts: int = 0
    """How often a worker has failed at it."""
    first_assigned: datetime | None = None
    """When it, or another shard of its job, was given for the first time."""
    pod: Pod | None = None
    """The worker that has it."""
    worker: str = ""
    """Name of the pod that had it last."""
    assigned_at: datetime | None = None
    last_heartbeat: datetime | None = None
    last_failure: str = ""
    """How the last attempt ended, where it failed."""
    ended: bool = False
    """Its worker says that its last segment is stored."""
    failure: Failure | None = None
    """There will be no other attempt."""

    def left(self, now: datetime) -> float:
        """Seconds until the deadline."""
        return self.deadline - ((now - self.first_assigned).total_seconds() if self.first_assigned else 0.0)

    def is_over(self, now: datetime) -> bool:
        """Whether its worker should have ended by itself."""
        return self.first_assigned is not None and self.left(now) < (-OVERTIME_SECONDS if self.pod else 0.0)

    def weight(self, now: datetime, max_workers: int) -> float:
        """What it is expected to take; nothing where it has waited long enough for the only worker to be long."""
        waited = (now - self.not_before).total_seconds()
        return 0.0 if max_workers <= 1 and waited > max(PATIENCE_SECONDS, PATIENCE * self.expected) else self.expected

    def running_seconds(self, now: datetime) -> float:
        """Seconds since it was given."""
        return (now - self.assigned_at).total_seconds() if self.assigned_at else 0.0


def is_silent(heard: datetime | None, now: datetime) -> bool:
    """Whether a worker that was last heard then is lost."""
    return heard is not None and (now - heard).total_seconds() > SILENT_SECONDS


def observe_assignments(
    assignments: Sequence[Assignment], obstacle: WorkerState | None, shards: int = 1
) -> WorkerState:
    """The state of a job's workers. `obstacle` keeps the workers of its namespace from starting.

    A shard that has failed for good fails the job, once the workers of the others have stored what they have.
    """
    if not assignments:
        return ABSENT
    failure = failed(assignments)
    if failure is not None and not is_assigned(assignments):
        return WorkerState("failed", Reason(failure.reason), failure.message)
    if len(assignments) == shards and all(assignment.ended for assignment in assignments):  # else one was withdrawn
        return WorkerState("ended", Reason.STORING, "The worker has ended; its results are being verified.")
    trouble = next(
        (assignment.last_failure for assignment in assignments if assignment.last_failure and not assignment.ended), ""
    )
    if not is_assigned(assignments):
        if obstacle is not None:
            return obstacle
        if trouble:
            return WorkerState("waiting", Reason.RETRYING, f"{trouble} Another attempt follows.")
    if given := [assignment.assigned_at for assignment in assignments if assignment.assigned_at is not None]:
        # Of several shards none is named, nor a moment in which all wait that are not done: each change would be worth
        # a status write.
        message = f"Worker {assignments[0].worker} runs it." if len(assignments) == 1 else "Workers run its shards."
        return WorkerState("running", Reason.RUNNING, message, clock.rfc3339(min(given)))
    return QUEUED


def failed(assignments: Sequence[Assignment]) -> Failure | None:
    """Why there is no other attempt at one of a job's shards."""
    return next((assignment.failure for assignment in assignments if assignment.failure is not None), None)


def is_assigned(assignments: Sequence[Assignment]) -> bool:
    """Whether a worker has one of a job's shards."""
    return any(assignment.pod is not None for assignment in assignments)
