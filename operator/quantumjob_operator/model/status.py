"""The status of a QuantumJob as pure functions: conditions, the phase derived from them, and the whole of it.

Every function takes the status as it is and gives the status as it shall be; who writes it, writes all of it.
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
"""Of spec and summaries together: etcd takes 1.5 MiB, with what Kubernetes adds of its own."""
SUMMARIES_BYTES: Final = 256 * KIB
FEW_PUBS: Final = 32
"""So few summaries are never too much."""
TERMINAL: Final = ("Complete", "Failed")
TERMINAL_PHASES: Final = ("Succeeded", "PartlyFailed", "Failed", "Cancelled")
UNFINISHED: Final = ",".join(f"status.phase!={phase}" for phase in TERMINAL_PHASES)
"""The field selector by which the API server keeps finished jobs to itself: what is finished costs nothing here."""
FAILED: Final = "status.phase=Failed"
"""The selector of finished jobs whose results may not be stored: of all others they are."""


def condition(status: JSON, kind: str) -> JSON | None:
    """The condition of this type, if it is there."""
    return next((c for c in status.get("conditions", []) if c["type"] == kind), None)


def is_true(status: JSON, kind: str) -> bool:
    found = condition(status, kind)
    return found is not None and found["status"] == "True"


def is_terminal(status: JSON) -> bool:
    """Complete or Failed: nothing about this job changes any more."""
    return any(is_true(status, kind) for kind in TERMINAL)


def phase(status: JSON) -> str:
    """One word for people, derived from the conditions and from nothing else."""
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
    """The first status: seen, accepted, and work is under way."""
    doing = (worker.reason, worker.message)
    told = quantumjob.get("status", {})
    status = {
        **{name: told[name] for name in ("pubsFrom",) if name in told},
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
    """The spec can never run."""
    bad = (Reason.INVALID_SPEC, message)
    return _with({}, quantumjob, now, Accepted=("False", *bad), **_given_up(*bad))


def working(quantumjob: JSON, worker: WorkerState, now: datetime, carried: JSON | None = None) -> JSON:
    """On the way: what the worker does, or what it waits for. `carried` are fields of the status that say who it is."""
    status = quantumjob.get("status", {}) | (carried or {})
    now_doing = (worker.reason, worker.message)
    return _with(status, quantumjob, now, Reconciling=("True", *now_doing), Ready=("False", *now_doing))


def finished(quantumjob: JSON, promoted: Promoted, now: datetime) -> JSON:
    """The end: what the manifest in the completed bucket says, in the resource's words."""
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
    """The first of them, as many as the resource has room for: etcd would refuse a larger one for ever."""
    found: list[JSON] = to_json(pubs)
    if len(pubs) <= FEW_PUBS:
        return found
    room = min(SUMMARIES_BYTES, OBJECT_BYTES - len(msgspec.json.encode(spec)))
    sizes = itertools.accumulate(len(msgspec.json.encode(pub)) for pub in found)
    return found[: sum(size <= room for size in sizes)]


def _times(found: JSON) -> JSON:
    """Of a job that has ended: without what the resource says elsewhere, and what was expected."""
    return {name: time for name, time in found.items() if name not in {"created", "expected"}}


def lost(quantumjob: JSON, reason: str, message: str, now: datetime) -> JSON:
    """The end without results: what is in the store cannot be used. Nothing there was deleted."""
    end = (reason, message)
    return _with(quantumjob["status"], quantumjob, now, ResultsStored=("False", *end), **_given_up(*end))


def _given_up(reason: str, message: str) -> dict[str, tuple[str, str, str]]:
    """The conditions of a job that has failed, for people and for kstatus."""
    true, false = ("True", reason, message), ("False", reason, message)
    return {"Failed": true, "Stalled": true, "Reconciling": false, "Ready": false}


def _with(status: JSON, quantumjob: JSON, now: datetime, **changes: tuple[str, str, str]) -> JSON:
    """`status` with these conditions changed and everything derived from them anew."""
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
