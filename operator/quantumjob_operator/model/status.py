"""Computes the status of a QuantumJob: conditions, the phase derived from them, and all other fields. Pure.

Every function takes the current status and returns the whole new status.
"""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any, Final

import msgspec

from quantumjob_contract.limits import KIB, MAX_PUBS
from quantumjob_contract.reasons import Reason
from quantumjob_contract.schema.program import Program
from quantumjob_contract.schema.results import PubSummary, to_json
from quantumjob_operator import clock
from quantumjob_operator.model.worker_state import WorkerState
from quantumjob_operator.results.promotion import Promoted

JSON = dict[str, Any]

MESSAGE_CHARS: Final = 2048
OBJECT_BYTES: Final = 1200 * KIB
"""The limit of spec and summaries together: etcd takes 1.5 MiB, and Kubernetes adds metadata."""
SUMMARIES_BYTES: Final = 256 * KIB
FEW_PUBS: Final = 32
"""This many summaries always fit."""
TERMINAL: Final = ("Complete", "Failed")
TERMINAL_PHASES: Final = ("Succeeded", "PartlyFailed", "Failed", "Cancelled")
UNFINISHED: Final = ",".join(f"status.phase!={phase}" for phase in TERMINAL_PHASES)
"""The field selector of the watch: the API server does not send finished jobs."""
FAILED: Final = "status.phase=Failed"
"""Selects the finished jobs whose results may not be stored yet."""


def condition(status: JSON, kind: str) -> JSON | None:
    """Returns the condition of a type; None where there is none."""
    return next((c for c in status.get("conditions", []) if c["type"] == kind), None)


def is_true(status: JSON, kind: str) -> bool:
    found = condition(status, kind)
    return found is not None and found["status"] == "True"


def is_terminal(status: JSON) -> bool:
    """Whether the job is Complete or Failed, which is final."""
    return any(is_true(status, kind) for kind in TERMINAL)


def phase(status: JSON) -> str:
    """Returns the phase, which is derived from the conditions alone."""
    if is_true(status, "Failed"):
        failed = condition(status, "Failed") or {}
        return "Cancelled" if failed.get("reason") == Reason.CANCELLED else "Failed"
    if complete := condition(status, "Complete"):
        return "PartlyFailed" if complete["reason"] == Reason.SOME_PUBS_FAILED else "Succeeded"
    working = condition(status, "Reconciling")
    match working["reason"] if working else None:
        case Reason.RUNNING:
            return "Running"
        case Reason.STORING:
            return "Storing"
        case Reason.WAITING_FOR_STORE if "job" in status or "worker" in status:
            return "Storing"
        case _:
            return "Pending"


def accepted(quantumjob: JSON, program: Program, placement: str, worker: WorkerState, now: datetime) -> JSON:
    """Returns the first status of a valid job."""
    doing = (worker.reason, worker.message)
    current = quantumjob.get("status", {})
    status = {
        **{name: current[name] for name in ("pubsFrom",) if name in current},
        "progress": f"0/{program.total}",
        "placement": placement,
        "seed": program.seed,
        "times": {"accepted": clock.rfc3339(now)},
    }
    return _with(
        status,
        quantumjob,
        now,
        Accepted=("True", Reason.ACCEPTED, "The program is valid."),
        Reconciling=("True", *doing),
        Ready=("False", *doing),
    )


def refused(quantumjob: JSON, message: str, now: datetime) -> JSON:
    """Returns the status of an invalid spec."""
    bad = (Reason.INVALID_SPEC, message)
    return _with({}, quantumjob, now, Accepted=("False", *bad), **_given_up(*bad))


def working(quantumjob: JSON, worker: WorkerState, now: datetime, carried: JSON | None = None) -> JSON:
    """Returns the status while the job waits or runs. `carried` holds the fields about its workers."""
    status = quantumjob.get("status", {}) | (carried or {})
    now_doing = (worker.reason, worker.message)
    return _with(status, quantumjob, now, Reconciling=("True", *now_doing), Ready=("False", *now_doing))


def finished(quantumjob: JSON, promoted: Promoted, now: datetime) -> JSON:
    """Returns the final status, from the manifest in the completed bucket."""
    manifest = promoted.manifest
    end = (manifest.reason, manifest.message)
    where = f"Verified in the completed bucket: {promoted.uri}"
    status = quantumjob["status"] | {
        "progress": f"{manifest.succeeded}/{manifest.total}",
        "times": _times(quantumjob["status"].get("times", {}) | manifest.times),
        "versions": manifest.versions,
        "results": {
            "uri": promoted.uri,
            "key": promoted.stored.key,
            "sha256": promoted.stored.sha256,
            "bytes": promoted.stored.bytes,
            "pubs": _fitting(manifest.pubs[:MAX_PUBS], quantumjob["spec"]),
        },
    }
    done = {"Complete": ("True", *end), "Reconciling": ("False", *end), "Ready": ("True", *end)}
    return _with(
        status,
        quantumjob,
        now,
        ResultsStored=("True", Reason.RESULTS_VERIFIED, where),
        **(_given_up(*end) if manifest.outcome == "Failed" else done),
    )


def _fitting(pubs: list[PubSummary], spec: JSON) -> list[JSON]:
    """Returns as many summaries as fit into the resource; etcd refuses larger objects."""
    found: list[JSON] = to_json(pubs)
    if len(pubs) <= FEW_PUBS:
        return found
    room = min(SUMMARIES_BYTES, OBJECT_BYTES - len(msgspec.json.encode(spec)))
    sizes = itertools.accumulate(len(msgspec.json.encode(pub)) for pub in found)
    return found[: sum(size <= room for size in sizes)]


def _times(found: JSON) -> JSON:
    """Returns the times of an ended job, without those that are estimates or are stored elsewhere."""
    return {name: time for name, time in found.items() if name not in {"created", "expected"}}


def lost(quantumjob: JSON, reason: str, message: str, now: datetime) -> JSON:
    """Returns the final status of a job whose stored results are unusable. They are not deleted."""
    end = (reason, message)
    return _with(quantumjob["status"], quantumjob, now, ResultsStored=("False", *end), **_given_up(*end))


def _given_up(reason: str, message: str) -> dict[str, tuple[str, str, str]]:
    """Returns the conditions of a failed job, those for kstatus included."""
    true, false = ("True", reason, message), ("False", reason, message)
    return {"Failed": true, "Stalled": true, "Reconciling": false, "Ready": false}


def _with(status: JSON, quantumjob: JSON, now: datetime, **changes: tuple[str, str, str]) -> JSON:
    """Returns the status with changed conditions, and with generation and phase updated."""
    generation = quantumjob["metadata"]["generation"]
    conditions = {c["type"]: c for c in status.get("conditions", [])}
    for kind, (value, reason, message) in changes.items():
        before = conditions.get(kind)
        since = before["lastTransitionTime"] if before and before["status"] == value else clock.seconds(now)
        conditions[kind] = {
            "type": kind,
            "status": value,
            "reason": str(reason),
            "message": message[:MESSAGE_CHARS],
            "observedGeneration": generation,
            "lastTransitionTime": since,
        }
    changed = status | {"observedGeneration": generation, "conditions": list(conditions.values())}
    return changed | {"phase": phase(changed)}
