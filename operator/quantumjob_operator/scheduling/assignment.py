"""The state of an order in the queue of its namespace, and what the status reports of a job's orders. Pure."""

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
"""Without a heartbeat for this time a worker counts as lost, and its order is assigned again."""
OVERTIME_SECONDS: Final = 10.0
"""After the deadline a worker has this time to store what is done and end by itself."""
PATIENCE_SECONDS: Final = 60.0
PATIENCE: Final = 10.0
"""With one worker, a long order lets short ones pass for this many times its estimate, at least a minute."""

ABSENT: Final = WorkerState(
    "absent", Reason.QUEUED, "The program is valid; it waits for a shared worker of its namespace."
)
QUEUED: Final = WorkerState("waiting", ABSENT.reason, ABSENT.message)


class Pod(NamedTuple):
    """The pod of a shared worker."""

    namespace: str
    name: str
    uid: str


@dataclass
class Assignment:
    """The state of one order."""

    expected: float
    """The estimate, in seconds."""
    deadline: float
    """spec.activeDeadlineSeconds, from the first assignment."""
    retries: int
    """spec.backoffLimit, for each shard."""
    not_before: datetime
    attempts: int = 0
    """Failed attempts."""
    first_assigned: datetime | None = None
    """When the first shard of its job was assigned."""
    pod: Pod | None = None
    """The worker to which it is assigned."""
    worker: str = ""
    """Name of the pod to which it was assigned last."""
    assigned_at: datetime | None = None
    last_heartbeat: datetime | None = None
    last_failure: str = ""
    """How the last attempt failed."""
    ended: bool = False
    """Its worker has reported the end of the order."""
    failure: Failure | None = None
    """Why there will be no other attempt."""

    def left(self, now: datetime) -> float:
        """Returns the seconds until the deadline."""
        return self.deadline - ((now - self.first_assigned).total_seconds() if self.first_assigned else 0.0)

    def is_over(self, now: datetime) -> bool:
        """Whether the deadline is over, the time in which its worker ends by itself included."""
        return self.first_assigned is not None and self.left(now) < (-OVERTIME_SECONDS if self.pod else 0.0)

    def weight(self, now: datetime, max_workers: int) -> float:
        """Returns the estimate; 0 for an order that has waited long enough for the only worker."""
        waited = (now - self.not_before).total_seconds()
        return 0.0 if max_workers <= 1 and waited > max(PATIENCE_SECONDS, PATIENCE * self.expected) else self.expected

    def running_seconds(self, now: datetime) -> float:
        """Returns the seconds since the assignment."""
        return (now - self.assigned_at).total_seconds() if self.assigned_at else 0.0


def is_silent(heard: datetime | None, now: datetime) -> bool:
    """Whether a worker with this last heartbeat counts as lost."""
    return heard is not None and (now - heard).total_seconds() > SILENT_SECONDS


def observe_assignments(
    assignments: Sequence[Assignment], obstacle: WorkerState | None, shards: int = 1
) -> WorkerState:
    """Returns the state of a job's shared workers. `obstacle` keeps the workers of the namespace from starting.

    A shard that has failed permanently fails the job, once the workers of other shards have ended.
    """
    if not assignments:
        return ABSENT
    failure = failed(assignments)
    if failure is not None and not is_assigned(assignments):
        return WorkerState("failed", Reason(failure.reason), failure.message)
    if len(assignments) == shards and all(assignment.ended for assignment in assignments):  # else a shard was withdrawn
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
        # The message of several shards names no worker and no single wait: each change would cost a status write.
        message = f"Worker {assignments[0].worker} runs it." if len(assignments) == 1 else "Workers run its shards."
        return WorkerState("running", Reason.RUNNING, message, clock.rfc3339(min(given)))
    return QUEUED


def failed(assignments: Sequence[Assignment]) -> Failure | None:
    """Returns why one of the shards gets no other attempt."""
    return next((assignment.failure for assignment in assignments if assignment.failure is not None), None)


def is_assigned(assignments: Sequence[Assignment]) -> bool:
    """Whether one of the shards is assigned to a worker."""
    return any(assignment.pod is not None for assignment in assignments)
