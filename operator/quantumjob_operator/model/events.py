"""Builds Kubernetes Events for changes of a QuantumJob's status. Pure."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Final, NamedTuple

from quantumjob_contract import names
from quantumjob_contract.reasons import Reason
from quantumjob_operator import clock
from quantumjob_operator.model import status

JSON = dict[str, Any]

COMPONENT: Final = "quantumjob-operator"
NOTE_BYTES: Final = 1000
WARNINGS: Final = frozenset(
    {Reason.RETRYING, Reason.UNSCHEDULABLE, Reason.IMAGE_UNAVAILABLE, Reason.POD_REFUSED, Reason.WAITING_FOR_STORE}
)


class Event(NamedTuple):
    """Type, reason and note of an Event."""

    type: str
    reason: str
    note: str


def of_change(before: JSON, after: JSON) -> Event | None:
    """Returns the Event for a change of the status; None for changes without one."""
    if failed := _became_true(before, after, "Failed"):
        return Event("Warning", failed["reason"], failed["message"])
    if complete := _became_true(before, after, "Complete"):
        where = after.get("results", {}).get("uri", "")
        kind = "Warning" if complete["reason"] == Reason.SOME_PUBS_FAILED else "Normal"
        return Event(kind, complete["reason"], f"{complete['message']} Results: {where}")
    was, now = (status.condition(each, "Reconciling") or {} for each in (before, after))
    if now.get("reason") in WARNINGS and now.get("reason") != was.get("reason"):
        return Event("Warning", now["reason"], now["message"])
    return None


def build(quantumjob: JSON, event: Event, now: datetime) -> JSON:
    """Builds the Event object. Its name is a hash of its content, so a repeated create is a conflict (409)."""
    meta = quantumjob["metadata"]
    said = hashlib.sha256("\0".join((meta["uid"], *event)).encode()).hexdigest()[:16]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{meta['name']}.{said}", "namespace": meta["namespace"]},
        "eventTime": clock.rfc3339(now),
        "type": event.type,
        "reason": event.reason,
        "note": event.note.encode()[:NOTE_BYTES].decode(errors="ignore"),
        "action": "Reconcile",
        "reportingController": names.GROUP,
        "reportingInstance": COMPONENT,
        "regarding": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta["uid"],
        },
    }


def _became_true(before: JSON, after: JSON, kind: str) -> JSON | None:
    return status.condition(after, kind) if status.is_true(after, kind) and not status.is_true(before, kind) else None
