"""Faults: whatever dies, nothing is lost, nothing is doubled."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import BELL, EXAMPLES, LONG, SHARED, Namespace, one_way, pub, reconcile, scale, stored

import cluster
from quantumjob_contract import keys
from quantumjob_contract.store_errors import ObjectNotFound

PIDS = Path("/run/quantumjob-node/pids")
OPERATOR = "app.kubernetes.io/component=operator"

pytestmark = pytest.mark.usefixtures("way")


def kill_operator() -> None:
    cluster.kubectl("delete", "pod", "-n", cluster.SYSTEM, "-l", OPERATOR, "--grace-period=0", "--force")


def test_the_reconciler_ends_a_job_alone(namespace: Namespace) -> None:
    """The operator goes while a worker runs; its return changes nothing."""
    namespace.apply("alone", pub("a", LONG), pub("b"))
    job = namespace.get("alone")
    namespace.running("alone")
    scale(0)
    try:
        last = keys.segment(keys.Shard(namespace.owner(job), 0), keys.LAST)
        cluster.eventually("the worker has ended", lambda: last in namespace.segments(job), 90)
        reconcile()
        done = namespace.finished("alone", 5)
        assert (done["status"]["phase"], done["status"]["progress"]) == ("Succeeded", "2/2")
    finally:
        scale(1)
    namespace.apply("after", pub("a"))
    namespace.finished("after")
    assert namespace.get("alone")["metadata"]["resourceVersion"] == done["metadata"]["resourceVersion"]
    assert len(list(namespace.results(done).pubs())) == 2


def test_applied_twenty_times_job_deleted_operator_restarted(namespace: Namespace) -> None:
    text = (EXAMPLES / "bell.yaml").read_text()
    for _ in range(10):
        cluster.apply(text, namespace.name)
    job = namespace.finished("bell")
    (pod,) = namespace.runs(job)
    cluster.kubectl("delete", "job", "--all", "-n", namespace.name)
    kill_operator()
    for _ in range(10):
        cluster.apply(text, namespace.name)
    scale(1)
    namespace.apply("after", pub("a"))
    namespace.finished("after")
    again = namespace.get("bell")
    assert again["status"] == job["status"]
    assert set(namespace.runs(job)) <= {pod}, f"nothing ran after {pod}"
    owner = namespace.owner(job)
    assert [e.key for e in namespace.store.completed.list(keys.prefix(owner))] == [keys.manifest(owner)]


def test_a_killed_worker_goes_on_from_its_segments(namespace: Namespace) -> None:
    pubs = [pub("first"), *(pub(f"long-{number}", LONG) for number in range(3)), pub("last")]
    namespace.apply("resumed", *pubs, program={"shots": 20})
    job = namespace.get("resumed")
    pod = namespace.running("resumed")["metadata"]["name"]
    first = keys.segment(keys.Shard(namespace.owner(job), 0), keys.segment_name(0))
    cluster.eventually("a segment is stored", lambda: first in namespace.segments(job))
    before = namespace.store.pending.get(first, 10**7)
    cluster.kubectl("delete", "pod", pod, "-n", namespace.name, "--grace-period=0", "--force")
    done = namespace.finished("resumed")
    assert done["status"]["progress"] == "5/5"
    results = namespace.results(done)
    assert first in [each.key for each in results.manifest.segments], "the first attempt's work counts"
    assert namespace.store.pending.get(first, 10**7) == before
    assert [result.index for result in sorted(results.pubs(), key=lambda each: each.index)] == list(range(5))


def test_two_attempts_give_the_same_bytes(namespace: Namespace) -> None:
    """The same program and seed, once undisturbed and once with its worker killed."""
    pubs = [pub("a", LONG), pub("b")]
    namespace.apply("calm", *pubs, program={"shots": 20, "seed": 5})
    calm = {result.name: result for result in namespace.results(namespace.finished("calm")).pubs()}
    namespace.apply("disturbed", *pubs, program={"shots": 20, "seed": 5})
    pod = namespace.running("disturbed")["metadata"]["name"]
    cluster.kubectl("delete", "pod", pod, "-n", namespace.name, "--grace-period=0", "--force")
    disturbed = {result.name: result for result in namespace.results(namespace.finished("disturbed")).pubs()}
    assert disturbed == calm


@pytest.mark.parametrize("rounds", [3])
def test_the_operator_is_killed_again_and_again(namespace: Namespace, rounds: int, way: str) -> None:
    names = [f"job-{number}" for number in range(6)]
    for name in names:
        namespace.apply(name, pub("a"), pub("b"))
    for _ in range(rounds):
        kill_operator()
        scale(1)
    for name in names:
        job = namespace.finished(name)
        assert job["status"]["progress"] == "2/2"
        assert len(list(namespace.results(job).pubs())) == 2
        if way == "dedicated":
            assert len(cluster.items("jobs", namespace.name, f"quantumjobs.io/uid={job['metadata']['uid']}")) == 1
    if way == "shared":
        assert len(cluster.items("jobs", namespace.name, SHARED)) == 1, "one is enough for so little"


def test_the_child_job_is_deleted_while_it_runs(namespace: Namespace) -> None:
    namespace.apply("again", pub("a", LONG), pub("b"))
    namespace.running("again")
    cluster.kubectl("delete", "job", "--all", "-n", namespace.name)
    assert namespace.finished("again")["status"]["progress"] == "2/2"


@one_way("dedicated")
def test_deleted_while_it_runs(namespace: Namespace) -> None:
    namespace.apply("going", pub("a", LONG))
    job = namespace.get("going")
    namespace.running("going")
    cluster.kubectl("delete", "qj", "going", "-n", namespace.name, "--timeout=10s")
    cluster.eventually("the pod is gone", lambda: not namespace.pods(job), 45)
    assert cluster.items("jobs", namespace.name) == []
    assert namespace.segments(job), "the sweep waits for its grace"
    reconcile(QUANTUMJOB_SWEEP_GRACE_SECONDS="0")
    cluster.eventually("pending is swept", lambda: not namespace.segments(job), 10)


@one_way("dedicated")
def test_deleted_while_the_operator_is_down(namespace: Namespace) -> None:
    namespace.apply("done", pub("a"))
    done = namespace.finished("done")
    namespace.apply("going", pub("a", LONG))
    job = namespace.get("going")
    namespace.running("going")
    scale(0)
    try:
        cluster.kubectl("delete", "qj", "--all", "-n", namespace.name, "--timeout=10s")
        cluster.eventually("the pod is gone", lambda: not namespace.pods(job), 45)
    finally:
        scale(1)
    assert len(list(namespace.results(done).pubs())) == 1, "finished results stay"


def test_a_resource_of_the_same_name_is_another_job(namespace: Namespace) -> None:
    ones = BELL.replace("h q[0];\ncx q[0], q[1];", "x q;")
    namespace.apply("same", pub("a"))
    first = namespace.finished("same")
    cluster.kubectl("delete", "qj", "same", "-n", namespace.name)
    namespace.apply("same", pub("a", ones), program={"shots": 7})
    second = namespace.finished("same")
    assert first["status"]["results"]["key"] != second["status"]["results"]["key"]
    assert second["status"]["results"]["pubs"][0]["summary"] == "c 11:7"


def test_the_store_is_down_for_a_while(namespace: Namespace) -> None:
    """SeaweedFS's process dies under a running job and comes back on its data."""
    good = namespace.upload("bell.qasm", BELL.encode())
    namespace.apply("patient", pub("a", LONG), stored("b", good))
    namespace.running("patient")
    seaweedfs = cluster.items("pods", cluster.SYSTEM, "app.kubernetes.io/component=store")[0]["metadata"]["name"]
    cluster.kubectl("exec", "-n", cluster.SYSTEM, seaweedfs, "--", "sh", "-c", "kill -TERM 1")
    namespace.apply("meanwhile", pub("a"))
    for name in ("patient", "meanwhile"):
        job = namespace.finished(name, 240)
        assert job["status"]["phase"] == "Succeeded", job["status"]


@pytest.mark.skipif(
    "KUBECONFIG" in os.environ, reason="kills the local node's API server; a cluster of others is left alone"
)
def test_the_api_server_is_down_for_a_while(namespace: Namespace) -> None:
    namespace.apply("patient", pub("a", LONG), pub("b"))
    namespace.running("patient")
    pid = int((PIDS / "kube-apiserver").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    subprocess.run([cluster.ROOT / "hack" / "node", "up"], check=True, capture_output=True)
    done = namespace.finished("patient", 240)
    assert (done["status"]["phase"], done["status"]["progress"]) == ("Succeeded", "2/2")


def test_a_quota_is_told_and_healed(namespace: Namespace) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"count/jobs.batch": "0"}},
    }
    cluster.kubectl("create", "-n", namespace.name, "-f", "-", stdin=yaml.safe_dump(quota))
    cluster.eventually("the quota counts", lambda: (cluster.get("quota", "none", namespace.name) or {}).get("status"))
    namespace.apply("waiting", pub("a"))

    def told() -> bool:
        return cluster.condition(namespace.get("waiting"), "Reconciling").get("reason") == "PodRefused"

    cluster.eventually("the refusal is told", told, 30)
    assert "exceeded quota" in cluster.condition(namespace.get("waiting"), "Reconciling")["message"]
    cluster.kubectl("delete", "quota", "none", "-n", namespace.name)
    assert namespace.finished("waiting")["status"]["phase"] == "Succeeded"


def test_annotations_lost_and_a_replace_run_nothing_again(namespace: Namespace) -> None:
    body = namespace.apply("bell", pub("a"))
    job = namespace.finished("bell")
    fresh = copy.deepcopy(body)
    cluster.kubectl("replace", "-n", namespace.name, "-f", "-", stdin=yaml.safe_dump(fresh))
    namespace.apply("after", pub("a"))
    namespace.finished("after")
    assert namespace.get("bell")["status"] == job["status"]
    assert len(namespace.runs(job)) == 1


def test_pending_of_a_finished_job_is_swept_and_its_results_stay(namespace: Namespace) -> None:
    namespace.apply("bell", pub("a"))
    job = namespace.finished("bell")
    assert namespace.segments(job)
    reconcile(QUANTUMJOB_SWEEP_GRACE_SECONDS="0")
    assert namespace.segments(job) == []
    assert len(list(namespace.results(job).pubs())) == 1
    with pytest.raises(ObjectNotFound):
        namespace.store.pending.get(keys.program(namespace.owner(job)), 10**6)
