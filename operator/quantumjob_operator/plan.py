"""The decision: from what is known of a QuantumJob to what shall be done. Pure, and read like a checklist.

A pass of the controller asks `decide` what to do, does it, and writes the status once; then it asks again, until
there is nothing to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from quantumjob_contract.program import Program
from quantumjob_contract.reasons import Reason
from quantumjob_operator import clock, status
from quantumjob_operator.acceptance import Refusal, accept
from quantumjob_operator.manifest import Failure
from quantumjob_operator.observe import Worker, observe

JSON = dict[str, Any]

QUIET_SECONDS: Final = {Reason.WAITING_FOR_WORKER: 10.0, Reason.RUNNING: 2.0}
"""How long a state must last to be told: a pod that starts, and a small job that runs, are gone before."""


@dataclass(frozen=True)
class View:
    """What is known of one QuantumJob."""

    quantumjob: JSON
    job: JSON | None
    pods: list[JSON]
    hinted: bool = False
    """The worker has said that its last segment is stored."""
    looked: bool = False
    """The store was asked already, and has no last segment."""


@dataclass(frozen=True)
class Create:
    """Store the program, then create the child Job."""

    program: Program


@dataclass(frozen=True)
class Promote:
    """Promote what is in pending; `failure` where the worker failed for good.

    `required` where the worker's exit code promised a last segment.
    """

    failure: Failure | None = None
    required: bool = False


@dataclass(frozen=True)
class Write:
    """Write this status."""

    status: JSON


Step = Create | Promote | Write


def decide(view: View, now: datetime) -> Step | None:
    """The next step for a QuantumJob, or None if there is nothing to do until something changes."""
    quantumjob = view.quantumjob
    current = quantumjob.get("status", {})
    if "deletionTimestamp" in quantumjob["metadata"] or status.is_terminal(current):
        return None
    if not status.is_true(current, "Accepted"):
        program = accept(quantumjob)
        if isinstance(program, Refusal):
            return Write(status.refused(quantumjob, program.message, now))
        return Write(status.accepted(quantumjob, len(program.pubs), program.seed, now))
    worker = observe(view.job, view.pods)
    if worker.state == "failed":
        return Promote(Failure(worker.reason, worker.message))
    if worker.state == "ended":
        return Promote(required=True)
    if view.hinted and not view.looked:
        return Promote()
    if worker.state == "absent":
        return _absent(view)
    return _progress(view, worker, now)


def _absent(view: View) -> Step | None:
    """No Job. It may have ended and been removed while nobody looked: then its results are there."""
    if "job" in view.quantumjob["status"] and not view.looked:
        return Promote()
    program = accept(view.quantumjob)
    return None if isinstance(program, Refusal) else Create(program)


def _progress(view: View, worker: Worker, now: datetime) -> Step | None:
    """A status write, if it tells a person something new."""
    wanted = status.working(view.quantumjob, worker, now, view.job)
    if _told(wanted) == _told(view.quantumjob["status"]):
        return None
    return Write(wanted)


def _told(current: JSON) -> tuple[Any, ...]:
    doing = status.condition(current, "Reconciling") or {}
    return current.get("job"), doing.get("reason"), doing.get("message")


def finishes(step: Step) -> bool:
    """Whether a step is part of finishing what has begun."""
    return isinstance(step, Promote)


def seconds_to_wait(view: View, step: Write, now: datetime) -> float:
    """How long a status may wait: what passes in a moment is not worth a write of its own."""
    worker = observe(view.job, view.pods)
    doing = status.condition(step.status, "Reconciling")
    if doing is None or doing["reason"] != worker.reason or not worker.since:
        return 0.0
    quiet = QUIET_SECONDS[worker.reason]
    return min(quiet, max(0.0, quiet - (now - clock.parse(worker.since)).total_seconds()))
