"""Faults of one namespace: a worker dies, objects are deleted, replaced or refused. Nothing is lost or run twice."""

from __future__ import annotations

import pytest
import yaml
from namespaces import BELL, Namespace, long_pubs, pub, quantumjob
from operator_deployment import reconcile

import cluster
from quantumjob_contract import keys
from quantumjob_contract.store_errors import ObjectNotFound

both_kinds = pytest.mark.usefixtures("workers")
"""With shared workers; in the long tier with dedicated ones, too."""


@both_kinds
def test_a_killed_worker_resumes_from_its_segments(namespace: Namespace) -> None:
    pubs = [pub("first"), *long_pubs(5), pub("last")]
    namespace.apply("resumed", *pubs, program={"shots": 20})
    pod = namespace.running("resumed")["metadata"]["name"]
    first = namespace.first_segment("resumed")
    before = namespace.store.pending.get(first, 10**7)
    namespace.kill_pod(pod)
    assert namespace.get("resumed")["status"]["phase"] != "Succeeded", "it was killed in time"
    done = namespace.finished("resumed")
    assert done["status"]["progress"] == "7/7"
    results = namespace.results(done)
    assert first in [each.key for each in results.manifest.segments], "the first attempt's work counts"
    assert namespace.store.pending.get(first, 10**7) == before
    assert [result.index for result in sorted(results.pubs(), key=lambda each: each.index)] == list(range(7))


@both_kinds
def test_a_second_attempt_gives_the_same_bytes(namespace: Namespace) -> None:
    """The same program and seed, once undisturbed and once with its worker killed."""
    pubs = [*long_pubs(2), pub("b")]
    namespace.apply("calm", *pubs, program={"shots": 20, "seed": 5})
    calm = {result.name: result for result in namespace.results(namespace.finished("calm")).pubs()}
    namespace.apply("disturbed", *pubs, program={"shots": 20, "seed": 5})
    namespace.kill_pod(namespace.running("disturbed")["metadata"]["name"])
    assert namespace.get("disturbed")["status"]["phase"] != "Succeeded", "it was killed in time"
    disturbed = {result.name: result for result in namespace.results(namespace.finished("disturbed")).pubs()}
    assert disturbed == calm


@both_kinds
def test_a_deleted_job_of_the_worker_is_replaced(namespace: Namespace) -> None:
    namespace.apply("again", *long_pubs(3), pub("b"))
    namespace.running("again")
    namespace.delete_jobs()
    assert namespace.finished("again")["status"]["progress"] == "4/4"


def test_deletion_stops_a_dedicated_worker(namespace: Namespace) -> None:
    namespace.apply("going", *long_pubs(4), dedicated=True)
    job = namespace.get("going")
    namespace.running("going")
    namespace.delete("going")
    cluster.eventually("the pod is gone", lambda: not namespace.pods(job), 45)
    assert cluster.items("jobs", namespace.name) == []
    assert namespace.segments(job), "garbage collection waits for its grace period"
    reconcile(namespace.name, QUANTUMJOB_SWEEP_GRACE_SECONDS="0")
    cluster.eventually("pending is empty", lambda: not namespace.segments(job), 10)


@both_kinds
def test_a_new_resource_of_the_same_name_is_another_job(namespace: Namespace) -> None:
    ones = BELL.replace("h q[0];\ncx q[0], q[1];", "x q;")
    namespace.apply("same", pub("a"))
    first = namespace.finished("same")
    namespace.delete("same")
    namespace.apply("same", pub("a", ones), program={"shots": 7})
    second = namespace.finished("same")
    assert first["status"]["results"]["key"] != second["status"]["results"]["key"]
    assert second["status"]["results"]["pubs"][0]["summary"] == "c 11:7"


@both_kinds
def test_a_quota_of_no_jobs_is_reported_and_recovered_from(namespace: Namespace) -> None:
    namespace.quota("count/jobs.batch", 0)
    namespace.apply("waiting", pub("a"))
    cluster.eventually("the refusal is reported", lambda: namespace.reason("waiting") == "PodRefused", 30)
    assert "exceeded quota" in cluster.condition(namespace.get("waiting"), "Reconciling")["message"]
    cluster.delete("resourcequotas", "few", namespace.name)
    assert namespace.finished("waiting")["status"]["phase"] == "Succeeded"


@both_kinds
def test_kubectl_replace_of_a_finished_job_runs_nothing(namespace: Namespace) -> None:
    """The annotation of the last applied manifest is lost by it."""
    body = quantumjob("bell", {"pubs": [pub("a")]})
    cluster.kubectl("apply", "-n", namespace.name, "-f", "-", stdin=yaml.safe_dump(body))
    job = namespace.finished("bell")
    cluster.kubectl("replace", "-n", namespace.name, "-f", "-", stdin=yaml.safe_dump(body))
    namespace.apply("after", pub("a"))
    namespace.finished("after")
    assert namespace.get("bell")["status"] == job["status"]
    assert len(namespace.runs(job)) == 1


@both_kinds
def test_garbage_collection_keeps_the_results(namespace: Namespace) -> None:
    namespace.apply("bell", pub("a"))
    job = namespace.finished("bell")
    assert namespace.segments(job)
    reconcile(namespace.name, QUANTUMJOB_SWEEP_GRACE_SECONDS="0")
    assert namespace.segments(job) == []
    assert len(list(namespace.results(job).pubs())) == 1
    with pytest.raises(ObjectNotFound):
        namespace.store.pending.get(keys.program(namespace.owner(job)), 10**6)
