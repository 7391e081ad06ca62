"""Small jobs with a known result, and the worker that they share."""

from __future__ import annotations

from typing import Any

from namespaces import BELL, Namespace, pub, quantumjob

import cluster

JSON = dict[str, Any]
ONES = BELL.replace("h q[0];\ncx q[0], q[1];", "x q;")
"""Measures ones."""
SHOTS = 7


def apply_small(namespace: Namespace, *jobs: str) -> None:
    """Applies jobs of one pub of ONES."""
    for name in jobs:
        cluster.apply(quantumjob(name, {"pubs": [pub("a", ONES)], "shots": SHOTS}), namespace.name)


def succeeded(namespace: Namespace, name: str, seconds: float = 120) -> JSON:
    """Returns a job of `apply_small` once it has succeeded; checks its result in the completed bucket."""
    job = namespace.finished(name, seconds)
    assert job["status"]["phase"] == "Succeeded", job["status"]
    (result,) = namespace.results(job).pubs()
    assert result.data is not None
    assert result.data["c"].counts == {"11": SHOTS}
    assert job["status"]["results"]["pubs"][0]["summary"] == f"c 11:{SHOTS}"
    return job


def still_runs(before: JSON, namespace: Namespace) -> bool:
    """Whether this pod still runs, without a restart of its container."""
    now = cluster.get("pods", before["metadata"]["name"], namespace.name)
    return (
        now is not None
        and now["metadata"]["uid"] == before["metadata"]["uid"]
        and now["status"]["phase"] == "Running"
        and now["status"]["containerStatuses"][0]["restartCount"] == 0
    )
