"""Outages of what all namespaces use: operator, store, API server. Nothing is lost or run twice.

These tests run alone. What one namespace can suffer is in test_faults.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import operator_deployment
import pytest
from namespaces import BELL, ENDLESS, EXAMPLES, SHARED, Namespace, long_pubs, pub, stored
from node_faults import local_only
from small_jobs import apply_small, still_runs, succeeded

import cluster
from quantumjob_contract import keys, names
from quantumjob_contract.store import Store

PIDS = Path("/run/quantumjob-node/pids")

pytestmark = pytest.mark.disruptive
both_kinds = pytest.mark.usefixtures("workers")
"""With shared workers; in the long tier with dedicated ones, too."""


@pytest.fixture
def store() -> Iterator[Store]:
    """Opened for each test, as an earlier one may have ended the way to it."""
    with cluster.store() as opened:
        yield opened


@both_kinds
def test_the_reconciler_completes_a_job_without_the_operator(namespace: Namespace) -> None:
    """The operator is scaled down while a worker runs; its return changes nothing."""
    namespace.apply("alone", *long_pubs(4), pub("b"))
    job = namespace.get("alone")
    namespace.running("alone")
    operator_deployment.scale(0)
    try:
        last = keys.segment(keys.Shard(namespace.owner(job), 0), keys.LAST)
        cluster.eventually("the worker has ended", lambda: last in namespace.segments(job), 90)
        operator_deployment.reconcile(namespace.name)
        done = namespace.finished("alone", 5)
        assert (done["status"]["phase"], done["status"]["progress"]) == ("Succeeded", "5/5")
    finally:
        operator_deployment.scale(1)
    namespace.apply("after", pub("a"))
    namespace.finished("after")
    assert namespace.get("alone")["metadata"]["resourceVersion"] == done["metadata"]["resourceVersion"]
    assert len(list(namespace.results(done).pubs())) == 5


@both_kinds
def test_repeated_apply_and_a_new_operator_run_nothing_again(namespace: Namespace) -> None:
    """`kubectl apply` twenty times; meanwhile the Job is deleted and the operator killed."""
    bell = str(EXAMPLES / "bell.yaml")
    for _ in range(10):
        cluster.kubectl("apply", "-n", namespace.name, "-f", bell)
    job = namespace.finished("bell")
    (pod,) = namespace.runs(job)
    namespace.delete_jobs()
    operator_deployment.kill()
    for _ in range(10):
        cluster.kubectl("apply", "-n", namespace.name, "-f", bell)
    operator_deployment.rolled_out()
    namespace.apply("after", pub("a"))
    namespace.finished("after")
    again = namespace.get("bell")
    assert again["status"] == job["status"]
    assert set(namespace.runs(job)) <= {pod}, f"nothing ran after {pod}"
    owner = namespace.owner(job)
    assert [e.key for e in namespace.store.completed.list(keys.prefix(owner))] == [keys.manifest(owner)]


@pytest.mark.parametrize("rounds", [3])
def test_the_operator_is_killed_repeatedly(namespace: Namespace, rounds: int, workers: str) -> None:
    jobs = [f"job-{number}" for number in range(6)]
    for name in jobs:
        namespace.apply(name, pub("a"), pub("b"))
    for _ in range(rounds):
        operator_deployment.kill()
        operator_deployment.rolled_out()
    for name in jobs:
        job = namespace.finished(name)
        assert job["status"]["progress"] == "2/2"
        assert len(list(namespace.results(job).pubs())) == 2
        if workers == names.DEDICATED:
            assert len(cluster.items("jobs", namespace.name, f"{names.LABEL_UID}={job['metadata']['uid']}")) == 1
    if workers == names.SHARED:
        assert len(cluster.items("jobs", namespace.name, SHARED)) == 1, "one is enough for so little"


def test_deletion_without_the_operator_stops_a_dedicated_worker(namespace: Namespace) -> None:
    namespace.apply("done", pub("a"), dedicated=True)
    done = namespace.finished("done")
    namespace.apply("going", *long_pubs(4), dedicated=True)
    job = namespace.get("going")
    namespace.running("going")
    operator_deployment.scale(0)
    try:
        namespace.delete("done")
        namespace.delete("going")
        cluster.eventually("the pod is gone", lambda: not namespace.pods(job), 45)
    finally:
        operator_deployment.scale(1)
    assert len(list(namespace.results(done).pubs())) == 1, "finished results stay"


@both_kinds
def test_jobs_wait_for_a_store_that_restarts(namespace: Namespace) -> None:
    """SeaweedFS's process ends under a running job, and starts again with its data."""
    good = namespace.upload("bell.qasm", BELL.encode())
    namespace.apply("patient", *long_pubs(4), stored("b", good))
    namespace.running("patient")
    seaweedfs = cluster.items("pods", cluster.SYSTEM, "app.kubernetes.io/component=store")[0]["metadata"]["name"]
    cluster.kubectl("exec", "-n", cluster.SYSTEM, seaweedfs, "--", "sh", "-c", "kill -TERM 1")
    namespace.apply("meanwhile", pub("a"))
    for name in ("patient", "meanwhile"):
        job = namespace.finished(name, 240)
        assert job["status"]["phase"] == "Succeeded", job["status"]


@both_kinds
@local_only
def test_jobs_outlive_the_api_server(namespace: Namespace) -> None:
    namespace.apply("patient", *long_pubs(4), pub("b"))
    namespace.running("patient")
    pid = int((PIDS / "kube-apiserver").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    subprocess.run([cluster.ROOT / "hack" / "node", "up"], check=True, capture_output=True)
    done = namespace.finished("patient", 240)
    assert (done["status"]["phase"], done["status"]["progress"]) == ("Succeeded", "5/5")


def test_deletion_without_the_operator_frees_a_shared_worker(single: Namespace) -> None:
    """The worker is stopped once the operator is back."""
    apply_small(single, "done")
    done = succeeded(single, "done")
    single.apply("going", pub("a", ENDLESS))
    worker = single.running("going")
    operator_deployment.scale(0)
    try:
        single.delete("going")
        apply_small(single, "next")
    finally:
        operator_deployment.scale(1)
    assert single.runs(succeeded(single, "next")) == [worker["metadata"]["name"]]
    assert still_runs(worker, single)
    assert len(list(single.results(done).pubs())) == 1, "finished results stay"
