"""The decision: from what is known of a QuantumJob to what shall be done. Pure, and read like a checklist.

A pass of the controller asks `decide` what to do, does it, and writes the status once; then it asks again, until
there is nothing to do.
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
"""How long a state must last to be told: a pod that starts, and a small job that runs, are gone before."""
VARYING_MESSAGES: Final = frozenset({Reason.POD_REFUSED, Reason.UNSCHEDULABLE})
"""What the cluster says with a name or a number that is another each time it is tried: told once."""
DRAFT_SECONDS: Final = 1.0
"""How long a draft may wait for the change that it is written with: a small job has ended by then."""


@dataclass(frozen=True)
class View:
    """What is known of one QuantumJob."""

    quantumjob: JSON
    job: JSON | None = None
    pods: Sequence[JSON] = ()
    """Of a dedicated worker."""
    shared: bool = False
    """It takes its turn at a worker that its namespace shares."""
    assignments: Sequence[Assignment] = ()
    """Of its shards, there."""
    obstacle: WorkerState | None = None
    """What keeps shared workers of its namespace from starting."""
    accepted_here: bool = False
    """This process has accepted it, so that nothing in the store can be older."""
    reported_ended: bool = False
    """Whoever has a shard of it has said that its last segment is stored."""
    store_checked: bool = False
    """The store was asked already, and lacks a last segment."""
    workers_known: bool = True
    """Whoever may carry it out would have been seen, or heard, by now."""
    done: int = 0
    """Pubs that have a result, as the worker says."""
    expected: float = 0.0
    """Seconds that the job will take, by its program alone; 0 where it has not run for long."""
    draft: bool = False
    """The status is this process's alone: nobody was told yet that the job is accepted."""
    refused: str = ""
    """Why the object that lists its pubs cannot be taken."""
    finishing: bool = False
    """This process only finishes what has begun: it sees no turns."""

    @property
    def worker(self) -> WorkerState:
        """The state of whoever carries it out."""
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
    """Look at the object that lists the pubs: how many they are, and its sha256."""


@dataclass(frozen=True)
class CreateJob:
    """Store the program, then create its own worker's Job."""

    program: Program


@dataclass(frozen=True)
class EnqueueShards:
    """Store the program, then let it wait for its turn at a shared worker."""

    program: Program


@dataclass(frozen=True)
class DeleteJob:
    """Delete its own worker's Job, whose pod then stores what is done and ends."""


@dataclass(frozen=True)
class Promote:
    """Promote what is in pending; `failure` where there will be no other attempt.

    `required` where the worker's exit code promised a last segment; `program` where nobody may have stored it yet.
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
    """Go on from this status; it is written with the next change, or soon."""

    status: JSON


Step = InspectPubs | DraftStatus | CreateJob | EnqueueShards | DeleteJob | Promote | WriteStatus


def decide(view: View, now: datetime) -> Step | None:
    """The next step for a QuantumJob, or None if there is nothing to do until something changes."""
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
    """Accept the program, or say why it never can be."""
    quantumjob = view.quantumjob
    if not view.refused and is_unseen(quantumjob):
        return InspectPubs()
    program = Rejection(view.refused) if view.refused else accept(quantumjob)
    if isinstance(program, Rejection):
        return WriteStatus(status.refused(quantumjob, program.message, now))
    if not view.shared:
        return WriteStatus(status.accepted(quantumjob, program, DEDICATED, ABSENT, now))
    current = status.accepted(quantumjob, program, SHARED, NOT_ENQUEUED, now)
    # What is lost with a draft is found again, but for an object that may be another by then.
    return DraftStatus(current) if program.listed is None else WriteStatus(current)


def is_cancelled(quantumjob: JSON) -> bool:
    cancelled: bool = quantumjob["spec"].get("cancel", False)
    return cancelled


def _cancel(view: View, now: datetime) -> Step | None:
    """Stop the worker, if there is one; what it has stored by then is kept."""
    if view.job is not None:
        return None if "deletionTimestamp" in view.job["metadata"] else DeleteJob()
    if view.finishing:
        return None if view.store_checked else Promote()  # a shared worker may have it
    if view.shared and is_assigned(view.assignments):
        return None  # its workers are told with their next sign of life
    program = accept(view.quantumjob)
    if isinstance(program, Rejection):
        return _reject_accepted(view, program, now)
    return Promote(CANCELLED, program=program)


def _start_worker(view: View, now: datetime) -> Step | None:
    """No worker. One may have ended and be gone while nobody looked: then its results are there."""
    if ("job" in view.quantumjob["status"] or not view.accepted_here) and not view.store_checked:
        return Promote()
    program = accept(view.quantumjob)
    if isinstance(program, Rejection):
        return _reject_accepted(view, program, now)
    return EnqueueShards(program) if view.shared else CreateJob(program)


def _reject_accepted(view: View, rejection: Rejection, now: datetime) -> Step | None:
    """An operator of another version had accepted it. What it has stored by then is kept."""
    if not view.workers_known or view.finishing:
        return None  # a worker may have it
    current = view.quantumjob["status"]
    if {"job", "worker", "attempts"}.isdisjoint(current):
        return WriteStatus(status.refused(view.quantumjob, rejection.message, now))
    return Promote(Failure(Reason.INVALID_SPEC, rejection.message))


def _progress(view: View, worker: WorkerState, now: datetime) -> Step | None:
    """A status write, if it tells a person something new."""
    wanted = status.working(view.quantumjob, worker, now, execution_fields(view) | _expected(view, worker, now))
    if _visible_fields(wanted) == _visible_fields(view.quantumjob["status"]) and not view.draft:
        return None
    return WriteStatus(wanted)


def _expected(view: View, worker: WorkerState, now: datetime) -> JSON:
    """When a job that runs will end, told along with how far it is."""
    current = view.quantumjob["status"]
    if not (view.expected and view.done and worker.since):
        return {}
    since = clock.parse(worker.since)
    left = cost_estimate.seconds_left(view.expected, view.done, total(view.quantumjob), (now - since).total_seconds())
    deadline = since + timedelta(seconds=view.quantumjob["spec"]["activeDeadlineSeconds"])
    end = min(now + timedelta(seconds=left), max(now, deadline))
    return {"times": execution_fields(view).get("times", current["times"]) | {"expected": clock.rfc3339(end)}}


def execution_fields(view: View) -> JSON:
    """Who carries it out, since when, how often that has failed, and how far it is."""
    current = view.quantumjob["status"]
    found: JSON = {}
    if view.done and "progress" in current:
        all_pubs, before = total(view.quantumjob), int(current["progress"].partition("/")[0])
        found["progress"] = f"{min(max(view.done, before), all_pubs)}/{all_pubs}"  # after a restart not all speak again
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
    """Whether a step is part of finishing what has begun."""
    return isinstance(step, Promote)


def needs_known_workers(view: View) -> bool:
    """Whether the next step is known only when all workers at work have spoken."""
    return is_cancelled(view.quantumjob) or view.worker.state == "absent"


def is_only_queued(view: View) -> bool:
    """Whether all there is to tell of an accepted job is that it waits. It may be told of an obstacle that a restarted
    operator is yet to meet again: then there is nothing to tell."""
    return view.worker.reason is Reason.QUEUED and status.is_true(view.quantumjob.get("status", {}), "Accepted")


def write_delay(view: View, step: WriteStatus, now: datetime) -> float:
    """How long a status may wait: what passes in a moment is not worth a write of its own."""
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
    """What is left of these seconds, whatever the clocks of two machines say."""
    return min(seconds, seconds - (now - clock.parse(since)).total_seconds())
