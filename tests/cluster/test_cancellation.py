"""Jobs that are cancelled or deleted before, during and after their run."""

from __future__ import annotations

from typing import Any

import pytest
from namespaces import ENDLESS, Namespace, pub
from operator_deployment import reconcile
from small_jobs import apply_small, still_runs, succeeded

import cluster

JSON = dict[str, Any]
CANCEL_SECONDS = 15


def cancelled(namespace: Namespace, name: str) -> JSON:
    """Returns the job once its phase is Cancelled."""

    def is_cancelled(job: JSON) -> bool:
        return bool(job.get("status", {}).get("phase") == "Cancelled")

    return cluster.watch_until("quantumjobs", name, namespace.name, is_cancelled, CANCEL_SECONDS)


def test_cancelling_a_running_job_keeps_its_results_and_its_worker(single: Namespace) -> None:
    """Queued jobs run on the same worker next."""
    single.apply("long", pub("done"), pub("a", ENDLESS))
    worker = single.running("long")
    single.first_segment("long")
    apply_small(single, "next-0", "next-1")
    single.cancel("long")
    job = cancelled(single, "long")
    assert [result.error is None for result in single.results(job).pubs()] == [True], "what was done is kept"
    for name in ("next-0", "next-1"):
        assert single.runs(succeeded(single, name)) == [worker["metadata"]["name"]]
    assert still_runs(worker, single)


def test_a_cancelled_queued_job_never_runs(single: Namespace) -> None:
    single.apply("long", pub("a", ENDLESS))
    worker = single.running("long")
    apply_small(single, "waiting", "next")
    single.cancel("waiting")
    cancelled(single, "waiting")
    single.cancel("long")
    assert single.runs(succeeded(single, "next")) == [worker["metadata"]["name"]]
    assert single.runs(single.get("waiting")) == []
    assert still_runs(worker, single)


def test_cancelling_stops_a_dedicated_worker(namespace: Namespace) -> None:
    namespace.apply("own", pub("a", ENDLESS), dedicated=True)
    namespace.running("own")
    namespace.cancel("own")
    job = cancelled(namespace, "own")
    cluster.eventually("its Job and pod are gone", lambda: not namespace.pods(job), 30)
    assert cluster.items("jobs", namespace.name) == []


def test_cancelling_an_ended_job_is_refused(namespace: Namespace) -> None:
    """A new generation would never be observed, and the job would look unfinished."""
    apply_small(namespace, "done")
    before = succeeded(namespace, "done")
    with pytest.raises(RuntimeError, match="the job has ended"):
        namespace.cancel("done")
    apply_small(namespace, "after")
    succeeded(namespace, "after")
    after = namespace.get("done")
    assert (after["status"], after["metadata"]["generation"]) == (before["status"], 1)


def test_deleting_a_running_job_frees_the_shared_worker(single: Namespace) -> None:
    single.apply("going", pub("done"), pub("a", ENDLESS))
    job = single.get("going")
    worker = single.running("going")
    single.first_segment("going")
    apply_small(single, "next")
    single.delete("going")
    assert single.runs(succeeded(single, "next", 20)) == [worker["metadata"]["name"]]
    assert still_runs(worker, single)
    assert single.segments(job), "garbage collection waits for its grace period"
    reconcile(single.name, QUANTUMJOB_SWEEP_GRACE_SECONDS="0")
    cluster.eventually("pending is empty", lambda: not single.segments(job), 10)
