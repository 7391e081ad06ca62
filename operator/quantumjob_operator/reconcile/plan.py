"""Decides the next step for a QuantumJob, from what is known of it. Pure.

The controller performs the step and asks again, until there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from quantumjob_contract.reasons import Reason
from quantumjob_contract.resource import shards, total
from quantumjob_contract.schema.program import Program
from quantumjob_operator import clock
from quantumjob_operator.model import cost_estimate, status
from quantumjob_operator.model.placement import DEDICATED, SHARED
from quantumjob_operator.model.validation import Rejection, accept, is_unseen
from quantumjob_operator.model.worker_state import ABSENT, WorkerState, observe
from quantumjob_operator.results.manifest import Failure
from quantumjob_operator.scheduling.assignment import ABSENT as NOT_ENQUEUED
from quantumjob_operator.scheduling.assignment import Assignment, is_assigned, observe_assignments

JSON = dict[str, Any]

CANCELLED: Final = Failure(Reason.CANCELLED, "The job was cancelled by spec.cancel.")
QUIET_SECONDS: Final = {Reason.WAITING_FOR_WORKER: 10.0, Reason.RUNNING: 1.0}
"""A state must last this long before it is reported: most pods start, and most small jobs end, sooner."""
VARYING_MESSAGES: Final = frozenset({Reason.POD_REFUSED, Reason.UNSCHEDULABLE})
"""Messages of these reasons contain names or numbers that differ at each attempt; only the first is written."""
DRAFT_SECONDS: Final = 1.0
"""A draft is written after this time, unless another change comes first: most small jobs have ended by then."""


@dataclass(frozen=True)
class View:
    """What is known of one QuantumJob."""

    quantumjob: JSON
    job: JSON | None = None
    pods: Sequence[JSON] = ()
    """Of the dedicated worker."""
    shared: bool = False
    """The job uses shared workers."""
    assignments: Sequence[Assignment] = ()
    """Of its shards, in the queue."""
    obstacle: WorkerState | None = None
    """What keeps shared workers of the namespace from starting."""
    accepted_here: bool = False
    """This process accepted the job, so the store holds no data of an earlier attempt."""
    reported_ended: bool = False
    """All its dedicated workers have reported the end of their orders."""
    store_checked: bool = False
    """The store was read since the last report, and lacks a last segment."""
    workers_known: bool = True
    """True once the informer has synced and the heartbeats of all running workers have had time to arrive."""
    done: int = 0
    """Pubs that have a result, by the workers' reports."""
    expected: float = 0.0
    """The estimated seconds of the longest shard; 0 before progress is reported."""
    draft: bool = False
    """The status is a draft: not yet written."""
    refused: str = ""
    """Why the object of `pubsFrom` is invalid."""
    finishing: bool = False
    """This process is the reconciler: it only finishes jobs, and has no queue."""

    @property
    def worker(self) -> WorkerState:
        """The state of the job's workers."""
        return (
            observe_assignments(self.assignments, self.obstacle, shards(self.quantumjob))
            if self.shared
            else self._dedicated
        )

    @property
    def _dedicated(self) -> WorkerState:
        return observe(self.job, list(self.pods), shards(self.quantumjob))


@dataclass(frozen=True)
class InspectPubs:
    """Read the object of `pubsFrom`: its sha256 and the number of its pubs."""


@dataclass(frozen=True)
class CreateJob:
    """Store the program, then create the dedicated Job."""

    program: Program


@dataclass(frozen=True)
class EnqueueShards:
    """Store the program, then enqueue the shards for shared workers."""

    program: Program


@dataclass(frozen=True)
class DeleteJob:
    """Delete the dedicated Job. Its worker stores what is done, and ends."""


@dataclass(frozen=True)
class Promote:
    """Promote the results. With a `failure` there will be no other attempt, and missing pubs fail.

    `required`: the worker's exit code says that the last segment exists. `program`: to be stored first.
    """

    failure: Failure | None = None
    required: bool = False
    program: Program | None = None


@dataclass(frozen=True)
class WriteStatus:
    """Write this status."""

    status: JSON


@dataclass(frozen=True)
class DraftStatus:
    """Use this status without writing it; it is written with the next change, or after DRAFT_SECONDS."""

    status: JSON


Step = InspectPubs | DraftStatus | CreateJob | EnqueueShards | DeleteJob | Promote | WriteStatus


def decide(view: View, now: datetime) -> Step | None:
    """Returns the next step for a QuantumJob; None if there is nothing to do until something changes."""
    quantumjob = view.quantumjob
    current = quantumjob.get("status", {})
    if "deletionTimestamp" in quantumjob["metadata"] or status.is_terminal(current):
        return None
    if not status.is_true(current, "Accepted"):
        return _accept(view, now)
    worker = view.worker
    if worker.state == "failed":
        return Promote(Failure(worker.reason, worker.message))
    if worker.state == "ended":
        return Promote(required=True)
    if view.reported_ended and not view.store_checked:
        return Promote()
    if is_cancelled(quantumjob):
        return _cancel(view, now) if view.workers_known else None
    if worker.state == "absent":
        return _start_worker(view, now)
    return _progress(view, worker, now)


def _accept(view: View, now: datetime) -> Step:
    """Validates the job that is not yet accepted."""
    quantumjob = view.quantumjob
    if not view.refused and is_unseen(quantumjob):
        return InspectPubs()
    program = Rejection(view.refused) if view.refused else accept(quantumjob)
    if isinstance(program, Rejection):
        return WriteStatus(status.refused(quantumjob, program.message, now))
    if not view.shared:
        return WriteStatus(status.accepted(quantumjob, program, DEDICATED, ABSENT, now))
    current = status.accepted(quantumjob, program, SHARED, NOT_ENQUEUED, now)
    # A lost draft is derived again, but for `pubsFrom`, whose object may change.
    return DraftStatus(current) if program.listed is None else WriteStatus(current)


def is_cancelled(quantumjob: JSON) -> bool:
    cancelled: bool = quantumjob["spec"].get("cancel", False)
    return cancelled


def _cancel(view: View, now: datetime) -> Step | None:
    """Ends the workers of a cancelled job, then promotes what they have stored."""
    if view.job is not None:
        return None if "deletionTimestamp" in view.job["metadata"] else DeleteJob()
    if view.finishing:
        return None if view.store_checked else Promote()  # a shared worker may run it
    if view.shared and is_assigned(view.assignments):
        return None  # the answer to the next heartbeat ends its workers
    program = accept(view.quantumjob)
    if isinstance(program, Rejection):
        return _reject_accepted(view, program, now)
    return Promote(CANCELLED, program=program)


def _start_worker(view: View, now: datetime) -> Step | None:
    """Starts the worker of an accepted job, unless one has ended before and left results."""
    if ("job" in view.quantumjob["status"] or not view.accepted_here) and not view.store_checked:
        return Promote()
    program = accept(view.quantumjob)
    if isinstance(program, Rejection):
        return _reject_accepted(view, program, now)
    return EnqueueShards(program) if view.shared else CreateJob(program)


def _reject_accepted(view: View, rejection: Rejection, now: datetime) -> Step | None:
    """Fails a job that an operator of another version had accepted. Keeps what is stored."""
    if not view.workers_known or view.finishing:
        return None  # a worker may run it
    current = view.quantumjob["status"]
    if {"job", "worker", "attempts"}.isdisjoint(current):
        return WriteStatus(status.refused(view.quantumjob, rejection.message, now))
    return Promote(Failure(Reason.INVALID_SPEC, rejection.message))


def _progress(view: View, worker: WorkerState, now: datetime) -> Step | None:
    """Returns a status write, if a visible field changes."""
    wanted = status.working(view.quantumjob, worker, now, execution_fields(view) | _expected(view, worker, now))
    if _visible_fields(wanted) == _visible_fields(view.quantumjob["status"]) and not view.draft:
        return None
    return WriteStatus(wanted)


def _expected(view: View, worker: WorkerState, now: datetime) -> JSON:
    """Returns the expected end of a running job, written along with its progress."""
    current = view.quantumjob["status"]
    if not (view.expected and view.done and worker.since):
        return {}
    since = clock.parse(worker.since)
    left = cost_estimate.seconds_left(view.expected, view.done, total(view.quantumjob), (now - since).total_seconds())
    deadline = since + timedelta(seconds=view.quantumjob["spec"]["activeDeadlineSeconds"])
    end = min(now + timedelta(seconds=left), max(now, deadline))
    return {"times": execution_fields(view).get("times", current["times"]) | {"expected": clock.rfc3339(end)}}


def execution_fields(view: View) -> JSON:
    """Returns the status fields about workers: names, attempts, start and progress."""
    current = view.quantumjob["status"]
    found: JSON = {}
    if view.done and "progress" in current:
        all_pubs, before = total(view.quantumjob), int(current["progress"].partition("/")[0])
        found["progress"] = (
            f"{min(max(view.done, before), all_pubs)}/{all_pubs}"  # after a restart not all shards have reported
        )
    if view.job is not None:
        found["job"] = view.job["metadata"]["name"]
    if workers := sorted({assignment.worker for assignment in view.assignments if assignment.worker}):
        found["worker"] = workers[0] if len(workers) == 1 else f"{workers[0]} and {len(workers) - 1} more"
    if attempts := max((assignment.attempts for assignment in view.assignments), default=0):
        found["attempts"] = attempts
    if begun := [assignment.first_assigned for assignment in view.assignments if assignment.first_assigned]:
        found["times"] = current.get("times", {}) | {"ordered": clock.rfc3339(min(begun))}
    return found


def _visible_fields(current: JSON) -> tuple[Any, ...]:
    doing = status.condition(current, "Reconciling") or {}
    fields = tuple(current.get(name) for name in ("job", "attempts", "progress"))
    reason = doing.get("reason")
    return *fields, reason, None if reason in VARYING_MESSAGES else doing.get("message")


def finishes(step: Step) -> bool:
    """Whether a step may be performed by the reconciler."""
    return isinstance(step, Promote)


def needs_known_workers(view: View) -> bool:
    """Whether the next step depends on which workers run."""
    return is_cancelled(view.quantumjob) or view.worker.state == "absent"


def is_only_queued(view: View) -> bool:
    """Whether the only news of an accepted job is that it is queued.

    After a restart its status may still report an obstacle that is not yet observed again.
    """
    return view.worker.reason is Reason.QUEUED and status.is_true(view.quantumjob.get("status", {}), "Accepted")


def write_delay(view: View, step: WriteStatus, now: datetime) -> float:
    """Returns the seconds for which a status write should wait, since the state may change at once."""
    worker = view.worker
    doing = status.condition(step.status, "Reconciling")
    waits = [0.0]
    if doing is not None and doing["reason"] == worker.reason and worker.since:
        waits.append(_remaining(QUIET_SECONDS[worker.reason], worker.since, now))
    accepted = view.quantumjob.get("status", {}).get("times", {}).get("accepted")
    if view.draft and accepted and worker.reason in {Reason.QUEUED, Reason.RUNNING}:
        waits.append(_remaining(DRAFT_SECONDS, accepted, now))
    return max(waits)


def _remaining(seconds: float, since: str, now: datetime) -> float:
    """Returns the rest of these seconds, never more: the clocks of two machines may differ."""
    return min(seconds, seconds - (now - clock.parse(since)).total_seconds())
