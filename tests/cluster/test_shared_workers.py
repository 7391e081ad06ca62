"""Workers that the QuantumJobs of a namespace share: no job harms or delays its neighbours."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import node_faults
import operator_deployment
import pytest
from namespaces import ENDLESS, LONG, SHARED, Namespace, fresh, pub
from operator_deployment import LINGER_SECONDS
from small_jobs import ONES, SHOTS, apply_small, still_runs, succeeded

import cluster
from quantumjob_contract import names
from quantumjob_contract.store import Store

JSON = dict[str, Any]

REFUSED_SECONDS = 30
HEALED_SECONDS = 35
HUNGRY = (
    f'OPENQASM 2.0;include "qelib1.inc";gate g a,b {{{"u3(0.1,0.2,0.3) a;cx a,b;" * 500}}}'
    f"qreg q[2];creg c[2];{'g q[0],q[1];' * 1500}measure q->c;"
)
"""A million and a half gates in 30 KiB: more than the memory limit of a pub."""
LARGE = LONG.replace("[20]", "[22]")
"""A statevector of 64 MiB, so that the process of its pub is the largest of the container."""
CRASH = """
import os, pathlib, signal
def parent(p): return p.joinpath('stat').read_text().rpartition(')')[2].split()[1]
ours = {p.name: p for p in pathlib.Path('/proc').glob('[0-9]*') if b'quantumjob_worker' in (p/'cmdline').read_bytes()}
children = [name for name, p in ours.items() if parent(p) in ours and parent(p) != '1']
for name in children:
    os.kill(int(name), signal.SIGSEGV)
print(len(children))
"""
"""Sends SIGSEGV, as a defect of the simulator would, to the process that runs a pub."""
EAT = """
import os
fd = os.memfd_create('eaten')
while True:
    os.write(fd, bytes(1 << 20))
"""
"""Fills the memory of the container, not of this process: the OOM killer ends larger processes first."""


def test_jobs_in_sequence_share_one_worker_that_ends_when_idle(namespace: Namespace) -> None:
    for number in range(20):
        apply_small(namespace, f"bell-{number}")
        succeeded(namespace, f"bell-{number}")
    assert len(cluster.items("jobs", namespace.name)) == 1
    cluster.eventually(
        "the worker is gone",
        lambda: not [pod for pod in namespace.workers() if pod["status"]["phase"] == "Running"],
        LINGER_SECONDS + 30,
    )
    jobs = cluster.items("jobs", namespace.name)
    assert [job["status"].get("failed", 0) for job in jobs] in ([0], []), "it exited with status 0"


def test_a_job_with_its_own_needs_gets_a_dedicated_worker(namespace: Namespace) -> None:
    namespace.apply("requested", pub("a"), dedicated=True)
    namespace.apply("larger", pub("a"), resources={"limits": {"memory": "1100Mi"}})
    body = namespace.apply("neighbour", pub("a"))
    queued = body | {"metadata": {"name": "queued", "labels": {names.LABEL_QUEUE: "team", "other": "label"}}}
    cluster.apply(queued, namespace.name)
    for name in ("requested", "larger", "queued"):
        job = namespace.finished(name)
        assert job["status"]["phase"] == "Succeeded"
        uid = job["metadata"]["uid"]
        own = cluster.get("jobs", f"qj-{uid}", namespace.name)
        assert own is not None
        assert job["status"]["job"] == f"qj-{uid}"
        assert own["metadata"]["labels"] == {
            names.LABEL_WORKER: names.DEDICATED,
            names.LABEL_UID: uid,
            names.LABEL_NAME: name,
        } | ({names.LABEL_QUEUE: "team"} if name == "queued" else {})
        (pod,) = namespace.pods(job)
        assert pod["metadata"]["labels"][names.LABEL_UID] == uid
    namespace.finished("neighbour")
    assert "job" not in namespace.get("neighbour")["status"]
    assert len(cluster.items("jobs", namespace.name, SHARED)) == 1


def test_a_long_job_delays_no_small_ones(namespace: Namespace) -> None:
    namespace.apply("long", pub("a", ENDLESS))
    namespace.running("long")
    many = [f"small-{number}" for number in range(10)]
    apply_small(namespace, *many)
    for name in many:
        succeeded(namespace, name)
    assert namespace.get("long")["status"]["phase"] == "Running"


def hungry() -> JSON:
    """A pub that exceeds its memory limit."""
    return {"name": "bad", "circuit": {"format": "OpenQASM2", "inline": HUNGRY}}


def crash(namespace: Namespace, pod: str) -> None:
    """Sends SIGSEGV to the process of the running pub."""

    def probe() -> bool:
        return namespace.exec(pod, "python3", "-c", CRASH, check=False).strip() == "1"

    cluster.eventually("a child runs, and crashes", probe)


BAD: dict[str, tuple[JSON, Callable[[Namespace, str], None] | None, int]] = {
    "MemoryLimit": (hungry(), None, 300),
    "Crashed": (pub("bad", ENDLESS), crash, 300),
    "DeadlineExceeded": (pub("bad", ENDLESS), None, 12),
}


@pytest.mark.parametrize("expected", list(BAD))
def test_a_failing_pub_harms_no_neighbour(single: Namespace, expected: str) -> None:
    """On one worker, with jobs before and after the failing one."""
    bad, fault, deadline = BAD[expected]
    apply_small(single, "before-0", "before-1")
    succeeded(single, "before-0")
    single.apply("bad", pub("good", ONES), bad, program={"shots": SHOTS}, activeDeadlineSeconds=deadline)
    worker = single.running("bad")
    apply_small(single, "after-0", "after-1")
    if fault:
        fault(single, worker["metadata"]["name"])
    job = single.finished("bad")
    assert (job["status"]["phase"], job["status"]["progress"]) == ("PartlyFailed", "1/2")
    results = {result.name: result for result in single.results(job).pubs()}
    assert results["good"].data is not None
    assert results["bad"].error is not None
    assert results["bad"].error.reason == expected
    for name in ("before-0", "before-1", "after-0", "after-1"):
        assert single.runs(succeeded(single, name)) == [worker["metadata"]["name"]]
    assert "attempts" not in job["status"]
    assert still_runs(worker, single)


def eat(namespace: Namespace, pod: JSON) -> None:
    """Fills the container's memory: the kernel kills its processes one by one, the largest first."""
    namespace.exec(pod["metadata"]["name"], "python3", "-c", EAT, check=False)


def kill(namespace: Namespace, pod: JSON) -> None:
    """Kills the container's first process."""
    assert node_faults.kill(pod)


KILLS = {"OOMKilled": (eat, {"MemoryLimit"}), "Error": (kill, set())}


@node_faults.local_only
@pytest.mark.parametrize("how", list(KILLS))
def test_a_killed_worker_counts_against_its_current_job_only(namespace: Namespace, how: str) -> None:
    """Out of memory, the process of the running pub is killed first, and its pub gets that error."""
    fault, errors = KILLS[how]
    namespace.apply("had", pub("done", ONES), *(pub(f"p{number}", LARGE) for number in range(3)))
    worker = namespace.running("had")
    apply_small(namespace, "other-0", "other-1")
    fault(namespace, worker)

    cluster.eventually("Retrying is reported", lambda: namespace.reason("had") == "Retrying", 30)
    assert namespace.get("had")["status"]["attempts"] == 1

    def end() -> JSON | None:
        pod = cluster.get("pods", worker["metadata"]["name"], namespace.name) or {}
        found: JSON | None = pod["status"]["containerStatuses"][0]["state"].get("terminated")
        return found

    assert cluster.eventually("the container has ended", end)["reason"] == how
    done = namespace.finished("had")
    assert done["status"]["attempts"] == 1
    assert done["status"]["worker"] != worker["metadata"]["name"]
    results = list(namespace.results(done).pubs())
    assert len(results) == 4
    assert {result.error.reason for result in results if result.error} <= errors
    for name in ("other-0", "other-1"):
        assert "attempts" not in succeeded(namespace, name)["status"]


@pytest.mark.parametrize("kind", ["count/jobs.batch", "pods"])
def test_a_quota_of_one_allows_one_worker(namespace: Namespace, kind: str) -> None:
    namespace.quota(kind, 1)
    many = [f"job-{number}" for number in range(8)]
    for name in many:  # together they are worth more than one worker
        namespace.apply(name, *(pub(f"p{number}", ONES) for number in range(30)), program={"shots": SHOTS})
    for name in many:
        job = namespace.finished(name)
        assert (job["status"]["phase"], job["status"]["progress"]) == ("Succeeded", "30/30")
        assert all(result.data for result in namespace.results(job).pubs())
    assert len({pod for name in many for pod in namespace.runs(namespace.get(name))}) == 1


def tries(namespace: Namespace, since: str) -> int:
    """Counts, from the operator's log, its attempts to create a Job in the namespace."""
    messages = {"A shared worker could not be started", "Started a shared worker"}
    lines = [line for line in operator_deployment.log(since) if line["message"] in messages]
    return sum(line.get("namespace") == namespace.name for line in lines)


@pytest.mark.parametrize("kind", ["count/jobs.batch", "pods"])
def test_a_quota_of_none_is_reported_once_and_recovered_from(namespace: Namespace, kind: str) -> None:
    since = datetime.now(UTC).isoformat()
    began = time.monotonic()
    namespace.quota(kind, 0)
    apply_small(namespace, "waiting-0", "waiting-1")
    for name in ("waiting-0", "waiting-1"):
        cluster.eventually("the refusal is reported", lambda: namespace.reason(name) == "PodRefused", REFUSED_SECONDS)  # noqa: B023
    versions = {name: namespace.get(name)["metadata"]["resourceVersion"] for name in ("waiting-0", "waiting-1")}
    cluster.eventually("twenty seconds are over", lambda: time.monotonic() - began > 20, 30)
    assert 1 <= tries(namespace, since) <= 10, "attempts back off"
    assert versions == {name: namespace.get(name)["metadata"]["resourceVersion"] for name in versions}, (
        "the status is written once"
    )
    namespace.quota(kind, 10)
    for name in ("waiting-0", "waiting-1"):
        succeeded(namespace, name, HEALED_SECONDS + 10)
    assert len(cluster.items("jobs", namespace.name)) == 1


@pytest.fixture
def three(store: Store) -> Iterator[list[Namespace]]:
    """Three fresh namespaces."""
    with ExitStack() as stack:
        yield [stack.enter_context(fresh(store)) for _ in range(3)]


def test_many_jobs_of_one_namespace_delay_no_other(three: list[Namespace]) -> None:
    sizes = [100, 5, 5]
    threads = [
        threading.Thread(target=apply_small, args=(namespace, *(f"job-{number}" for number in range(size))))
        for namespace, size in zip(three, sizes, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = [
        sorted(succeeded(namespace, f"job-{number}")["status"]["times"]["stored"] for number in range(size))
        for namespace, size in zip(three, sizes, strict=True)
    ]
    assert sum(each < max(stored[1] + stored[2]) for each in stored[0]) < 20
