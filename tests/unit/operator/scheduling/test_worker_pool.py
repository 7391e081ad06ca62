"""The shared workers as the watches tell of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from quantumjob_contract import names
from quantumjob_contract.reasons import Reason
from quantumjob_operator import clock
from quantumjob_operator.cache import Cache
from quantumjob_operator.scheduling.assignment import Pod
from quantumjob_operator.scheduling.worker_pool import (
    DELETE_SILENT_SECONDS,
    NO_POD_SECONDS,
    SILENT_WORKER_SECONDS,
    UNSTARTED_SECONDS,
    WorkerPool,
    is_shared,
    is_shared_job,
)
from support.kube import RUNNING, TIME, job, pod, quantumjob, shared_job, shared_pod, terminated

NOW = clock.parse(TIME)
LATE = NOW + timedelta(seconds=NO_POD_SECONDS + 1)
A = Pod("team", shared_pod()["metadata"]["name"], shared_pod()["metadata"]["uid"])


def deleting(item: dict[str, Any]) -> dict[str, Any]:
    item["metadata"]["deletionTimestamp"] = TIME
    return item


def pool(*jobs: dict[str, Any], pods: tuple[dict[str, Any], ...] = ()) -> WorkerPool:
    made = WorkerPool()
    for each in jobs:
        made.put_job(each)
    for each in pods:
        made.put_pod(each, each["metadata"]["ownerReferences"][0]["uid"])
    return made


def counts(of: WorkerPool) -> tuple[int, int]:
    """How many are present, and how many run."""
    return of.count("team", NOW), of.count_running("team")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (pool(), (0, 0)),
        (pool(shared_job()), (1, 0)),
        (pool(shared_job(), pods=(shared_pod(),)), (1, 0)),
        (pool(shared_job(), pods=(shared_pod("a", RUNNING),)), (1, 1)),
        (pool(shared_job(), pods=(shared_pod("a", terminated(0)),)), (0, 0)),
        (pool(shared_job(), pods=(deleting(shared_pod("a", RUNNING)),)), (0, 0)),
        (pool(deleting(shared_job()), pods=(shared_pod("a", RUNNING),)), (0, 0)),
        (pool(shared_job("a", ("Complete", ""))), (0, 0)),
        (pool(shared_job("a", ("Failed", "")), pods=(shared_pod("a", RUNNING),)), (0, 0)),
        (pool(pods=(shared_pod("a", RUNNING),)), (0, 0)),
        (pool(shared_job("a"), shared_job("b"), pods=(shared_pod("b", RUNNING),)), (2, 1)),
        (pool(shared_job("a", namespace="other"), pods=(shared_pod("a", RUNNING, namespace="other"),)), (0, 0)),
    ],
    ids=[
        "nobody",
        "a Job that has no pod yet",
        "a pod that has not started",
        "a pod that runs",
        "a pod that has ended, before its Job says so",
        "a pod that is told to end",
        "a Job that is being deleted",
        "a Job that is complete",
        "a Job that has failed",
        "a pod without a Job",
        "two",
        "another namespace's",
    ],
)
def test_who_is_there(made: WorkerPool, expected: tuple[int, int]) -> None:
    assert counts(made) == expected


def test_a_drained_worker_s_second_pod_counts() -> None:
    drained, second = shared_pod("a", terminated(143)), shared_pod("a", RUNNING)
    second["metadata"] |= {"uid": "pod-second", "name": "second"}
    assert counts(pool(shared_job(), pods=(drained, second))) == (1, 1)


def test_who_leaves_is_not_counted_and_still_runs() -> None:
    made = pool(shared_job("a"), shared_job("b"), pods=(shared_pod("a", RUNNING), shared_pod("b", RUNNING)))
    made.drain(A)
    assert made.is_draining(A)
    assert counts(made) == (1, 2)
    made.drop_pod(shared_pod("a"), "job-shared-a")
    assert (made.is_draining(A), made._draining) == (False, set())


def test_an_older_echo_changes_nothing() -> None:
    made = pool(shared_job("a", ("Complete", ""), version=21), pods=(shared_pod("a", terminated(0), version=31),))
    made.put_job(shared_job("a", version=20))
    made.put_pod(shared_pod("a", RUNNING, version=30), "job-shared-a")
    assert counts(made) == (0, 0)


def test_the_gone_leave_nothing() -> None:
    for order in ("job first", "pod first"):
        made = pool(shared_job(), pods=(shared_pod(),))
        if order == "job first":
            made.drop_job(shared_job())
            assert counts(made) == (0, 0)
        made.drop_pod(shared_pod(), "job-shared-a")
        made.drop_job(shared_job())
        made.drop_pod(shared_pod(), "job-shared-a")
        assert (made.objects("jobs"), made.objects("pods")) == ([], [])


def test_objects_are_all_that_the_watch_has_told() -> None:
    made = pool(shared_job("a"), shared_job("b", namespace="other"), pods=(shared_pod("a"), shared_pod("c")))
    assert {each["metadata"]["uid"] for each in made.objects("jobs")} == {"job-shared-a", "job-shared-b"}
    assert {each["metadata"]["uid"] for each in made.objects("pods")} == {"pod-shared-a", "pod-shared-c"}


def test_a_worker_is_found_by_all_that_its_token_says() -> None:
    made = pool(shared_job(), pods=(shared_pod("a", RUNNING),))
    assert made.find(*A) == A
    assert made.find("other", A.name, A.uid) is None
    assert made.find("team", "another", A.uid) is None
    assert made.find("team", A.name, "another") is None


def test_a_pod_whose_container_the_watch_has_not_seen_running_is_found() -> None:
    """It asks before kubelet's word that it runs has arrived."""
    assert pool(shared_job(), pods=(shared_pod(),)).find(*A) == A


@pytest.mark.parametrize(
    "made",
    [
        pool(shared_job(), pods=(shared_pod("a", terminated(0)),)),
        pool(shared_job("a", ("Complete", "")), pods=(shared_pod("a", RUNNING),)),
        pool(pods=(shared_pod("a", RUNNING),)),
    ],
    ids=["it has ended", "its Job has ended", "it has no Job of ours"],
)
def test_what_is_no_running_worker_is_not_found(made: WorkerPool) -> None:
    assert made.find(*A) is None


def test_a_worker_that_is_told_to_end_is_still_heard() -> None:
    """It has some seconds, in which it stores what is done and says how its order ended."""
    assert pool(shared_job(), pods=(deleting(shared_pod("a", RUNNING)),)).find(*A) == A


UNSCHEDULABLE = [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: no cpu"}]


@pytest.mark.parametrize(
    ("made", "reason", "words"),
    [
        (pool(shared_job()), Reason.POD_REFUSED, "kubectl describe job qj-shared-a"),
        (pool(shared_job(), pods=(shared_pod(conditions=UNSCHEDULABLE),)), Reason.UNSCHEDULABLE, "no cpu"),
        (
            pool(shared_job(), pods=(shared_pod("a", {"waiting": {"reason": "ImagePullBackOff"}}),)),
            Reason.IMAGE_UNAVAILABLE,
            "ImagePullBackOff",
        ),
    ],
)
def test_what_keeps_a_worker_from_starting(made: WorkerPool, reason: Reason, words: str) -> None:
    found = made.find_obstacle("team", LATE)
    assert found is not None
    assert (found.state, found.reason) == ("waiting", reason)
    assert words in found.message


@pytest.mark.parametrize(
    "made",
    [
        pool(),
        pool(shared_job(), pods=(shared_pod(),)),
        pool(shared_job(), pods=(shared_pod("a", RUNNING),)),
        pool(shared_job("a", ("Failed", ""))),
        pool(deleting(shared_job())),
    ],
    ids=["nobody", "it starts", "it runs", "it has failed", "it goes"],
)
def test_nothing_keeps_it(made: WorkerPool) -> None:
    assert made.find_obstacle("team", LATE) is None


def test_a_pod_is_waited_for_before_its_absence_is_told() -> None:
    assert pool(shared_job()).find_obstacle("team", NOW + timedelta(seconds=1)) is None


def test_the_label_alone_makes_no_worker_of_ours() -> None:
    assert is_shared_job(shared_job())
    assert is_shared(shared_job())
    assert not is_shared(job(quantumjob()))
    assert not is_shared(pod(quantumjob()))
    named, owned = shared_job(), shared_job()
    named["metadata"]["name"] = "mine"
    owned["metadata"]["ownerReferences"] = [{"uid": "x", "controller": True}]
    cache = Cache()
    for forged in (named, owned):
        assert not is_shared_job(forged)
        assert cache.put_job(forged) is None
    assert cache.pool.count("team", NOW) == 0
    unowned = shared_pod("a", RUNNING)
    unowned["metadata"]["ownerReferences"] = []
    assert cache.put_pod(unowned) is None
    assert cache.versions("pods") == {}


def test_both_kinds_of_workers_are_in_the_cache_s_versions() -> None:
    cache = Cache()
    for each in (job(quantumjob()), shared_job()):
        cache.put_job(each)
    for each in (pod(quantumjob()), shared_pod()):
        cache.put_pod(each)
    assert set(cache.versions("jobs")) == {"job-" + quantumjob()["metadata"]["uid"], "job-shared-a"}
    assert set(cache.versions("pods")) == {"pod-a", "pod-shared-a"}
    assert cache.put_pod(shared_pod()) == "team", "whom it concerns: a namespace"
    both = shared_pod()
    both["metadata"]["labels"][names.LABEL_UID] = quantumjob()["metadata"]["uid"]
    assert cache.put_pod(both) == "team", "a shared worker's pod is no QuantumJob's, whatever else its labels say"


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_worker_that_is_not_heard_is_not_counted_and_after_long_is_lost() -> None:
    made = pool(shared_job(), pods=(shared_pod("a", RUNNING),))
    assert made.count("team", NOW) == 1
    assert made.count("team", after(SILENT_WORKER_SECONDS - 1)) == 1
    assert made.count("team", after(SILENT_WORKER_SECONDS)) == 0
    assert made.silent_jobs("team", after(DELETE_SILENT_SECONDS)) == []
    assert [each["metadata"]["uid"] for each in made.silent_jobs("team", after(DELETE_SILENT_SECONDS + 1))] == [
        "job-shared-a"
    ]
    made.record_heartbeat(A, after(DELETE_SILENT_SECONDS))
    assert made.count("team", after(DELETE_SILENT_SECONDS + 1)) == 1, "it is back"
    assert made.silent_jobs("team", after(DELETE_SILENT_SECONDS + 1)) == []


def test_a_worker_that_has_not_started_is_silent_without_blame() -> None:
    made = pool(shared_job(), pods=(shared_pod(),))
    for seconds in (0, SILENT_WORKER_SECONDS + 1, DELETE_SILENT_SECONDS + 1):
        assert (made.count("team", after(seconds)), made.silent_jobs("team", after(seconds))) == (1, [])


def test_a_worker_that_goes_already_is_not_lost_again() -> None:
    made = pool(deleting(shared_job()), pods=(shared_pod("a", RUNNING),))
    made.count("team", NOW)
    assert made.silent_jobs("team", after(DELETE_SILENT_SECONDS + 1)) == []


def test_take_back_spares_a_worker_that_has_spoken() -> None:
    """It asks before the watch has told that it runs."""
    made = pool(shared_job("a"), shared_job("b"), pods=(shared_pod("a"), shared_pod("b")))
    made.record_heartbeat(A, NOW)
    found = made.unstarted_jobs("team", after(UNSTARTED_SECONDS + 1))
    assert [each["metadata"]["uid"] for each in found] == ["job-shared-b"]
    assert made.unstarted_jobs("team", after(UNSTARTED_SECONDS)) == []


def test_a_suspended_job_is_told_as_queued() -> None:
    found = pool(shared_job("a", ("Suspended", ""))).find_obstacle("team", LATE)
    assert found is not None
    assert (found.state, found.reason) == ("waiting", Reason.QUEUED)
    assert "qj-shared-a is suspended" in found.message


@pytest.mark.parametrize("first", ["job", "pod"])
def test_nothing_is_kept_of_pods_that_are_gone(first: str) -> None:
    made = pool(*map(shared_job, "ab"), pods=(shared_pod("a", RUNNING), shared_pod("b", RUNNING)))
    for name in "ab":
        made.record_heartbeat(Pod("team", shared_pod(name)["metadata"]["name"], f"pod-shared-{name}"), NOW)
    made.drain(A)
    made.count("team", NOW)
    for name in "ab":
        drops = [(made.drop_job, (shared_job(name),)), (made.drop_pod, (shared_pod(name), f"job-shared-{name}"))]
        for drop, given in drops if first == "job" else drops[::-1]:
            drop(*given)  # type: ignore[operator]
    made.record_heartbeat(A, NOW)
    made.drain(A)
    for asked in (made.count, made.silent_jobs, made.unstarted_jobs, made.find_obstacle):
        asked("team", LATE)
        asked("other", LATE)
    made.count_running("other")
    assert (dict(made._workers), made._draining, made._last_heartbeat) == ({}, set(), {})


def test_what_a_worker_was_made_from_is_known_by_its_job() -> None:
    made = pool(shared_job(), pods=(shared_pod("a", RUNNING),))
    assert made.template_of(A) == shared_job()["metadata"]["labels"][names.LABEL_TEMPLATE]
    assert made.template_of(Pod("team", "x", "nobody")) is None
