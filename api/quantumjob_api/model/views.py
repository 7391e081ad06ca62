"""Converts QuantumJobs and manifests to the JSON of responses. Pure."""

from __future__ import annotations

from typing import Any

from quantumjob_contract.keys import Owner, prefix
from quantumjob_contract.schema.results import Manifest, StoredObject

JSON = dict[str, Any]


def jobs_path(namespace: str) -> str:
    return f"/v1/namespaces/{namespace}/jobs"


def history_path(namespace: str) -> str:
    return f"/v1/namespaces/{namespace}/history"


def etag(quantumjob: JSON) -> str:
    return f'"{quantumjob["metadata"]["resourceVersion"]}"'


def matches_etag(tag: str, if_none_match: str) -> bool:
    """Whether an If-None-Match header has this ETag."""
    named = [part.strip().removeprefix("W/") for part in if_none_match.split(",")]
    return "*" in named or tag in named


def condition(quantumjob: JSON, kind: str) -> JSON:
    found = (quantumjob.get("status") or {}).get("conditions") or ()
    return next((each for each in found if each.get("type") == kind), {})


def is_finished(quantumjob: JSON) -> bool:
    return any(condition(quantumjob, kind).get("status") == "True" for kind in ("Complete", "Failed"))


def job(quantumjob: JSON) -> JSON:
    """JobView of a QuantumJob: all but its spec, which may be large."""
    meta, status = quantumjob["metadata"], quantumjob.get("status") or {}
    why = next(
        (each for kind in ("Complete", "Failed", "Reconciling") if is_true(each := condition(quantumjob, kind))), {}
    )
    where = f"{jobs_path(meta['namespace'])}/{meta['name']}"
    return {
        "name": meta["name"],
        "namespace": meta["namespace"],
        "uid": meta["uid"],
        "version": meta["resourceVersion"],
        "created": meta["creationTimestamp"],
        "labels": meta.get("labels") or {},
        "phase": status.get("phase", "Pending"),
        "progress": status.get("progress", ""),
        "finished": is_finished(quantumjob),
        "reason": why.get("reason", ""),
        "message": why.get("message", ""),
        "cancel": bool(quantumjob["spec"].get("cancel")),
        "status": status,
        "links": {
            "self": where,
            "events": f"{where}/events",
            "result": f"{where}/result",
            "partial": f"{where}/partial",
            "cancel": f"{where}/cancel",
        },
    }


def is_true(found: JSON) -> bool:
    return bool(found.get("status") == "True")


def job_summaries(table: JSON) -> list[JSON]:
    """JobSummary of each row of a Table."""
    columns = [column["name"] for column in table["columnDefinitions"]]
    return [
        _job_summary(dict(zip(columns, row["cells"], strict=False)), row["object"]["metadata"])
        for row in table["rows"] or ()
    ]


def _job_summary(cells: JSON, meta: JSON) -> JSON:
    return {
        "name": meta["name"],
        "namespace": meta["namespace"],
        "uid": meta["uid"],
        "created": meta["creationTimestamp"],
        "labels": meta.get("labels") or {},
        "phase": cells.get("Phase") or "Pending",
        "progress": cells.get("Progress") or "",
        "backend": cells.get("Backend") or "",
        "shots": cells.get("Shots"),
        "reason": cells.get("Reason") or "",
    }


def finished_job(manifest: Manifest, where: str) -> JSON:
    """FinishedJobView of a manifest; `where` is the path of the result."""
    folder = prefix(Owner(manifest.namespace, manifest.uid))

    def shown(each: StoredObject) -> JSON:
        label = each.key.removeprefix(folder).removesuffix(".json")
        return {"name": label, "bytes": each.bytes, "sha256": each.sha256, "href": f"{where}/{label}"}

    return {
        "name": manifest.name,
        "namespace": manifest.namespace,
        "uid": manifest.uid,
        "labels": manifest.labels,
        "outcome": manifest.outcome,
        "reason": manifest.reason,
        "message": manifest.message,
        "total": manifest.total,
        "succeeded": manifest.succeeded,
        "failed": manifest.failed,
        "times": manifest.times,
        "versions": manifest.versions,
        "segments": [shown(each) for each in manifest.segments],
        "arrays": [shown(each) | {"pubs": each.pubs} for each in manifest.arrays],
    }


def finished_job_summary(manifest: Manifest, when: str) -> JSON:
    """FinishedJobSummary of a manifest that was committed at this time."""
    return {
        "uid": manifest.uid,
        "name": manifest.name,
        "outcome": manifest.outcome,
        "reason": manifest.reason,
        "message": manifest.message,
        "total": manifest.total,
        "succeeded": manifest.succeeded,
        "stored": when,
        "href": f"{history_path(manifest.namespace)}/{manifest.uid}",
    }
