"""The cache believes newer versions only, and trusts no label alone."""

from __future__ import annotations

import copy
from typing import Any

from quantumjob_contract.keys import Owner
from quantumjob_operator.cache import Cache
from support.kube import UID, job, pod, quantumjob

OF = Owner("team", UID)


def at(item: dict[str, Any], version: int, **changes: Any) -> dict[str, Any]:
    changed = copy.deepcopy(item) | changes
    changed["metadata"]["resourceVersion"] = str(version)
    return changed


def test_an_older_echo_changes_nothing() -> None:
    cache = Cache()
    cache.put_quantumjob(at(quantumjob(), 12, status={"phase": "new"}))
    cache.put_quantumjob(at(quantumjob(), 9, status={"phase": "old"}))
    assert cache.quantumjobs[OF]["status"] == {"phase": "new"}


def test_versions_are_numbers() -> None:
    cache = Cache()
    cache.put_quantumjob(at(quantumjob(), 99, status={"phase": "old"}))
    cache.put_quantumjob(at(quantumjob(), 100, status={"phase": "new"}))
    assert cache.quantumjobs[OF]["status"] == {"phase": "new"}


def test_a_resource_of_the_same_name_is_another_one() -> None:
    cache = Cache()
    again = quantumjob()
    again["metadata"] |= {"uid": "other", "resourceVersion": "11"}
    assert cache.put_quantumjob(quantumjob()) != cache.put_quantumjob(again)
    cache.drop_quantumjob(quantumjob())
    assert list(cache.quantumjobs) == [Owner("team", "other")]


def test_a_job_that_only_carries_the_label_is_not_ours() -> None:
    cache = Cache()
    for change in ({"name": "mine"}, {"ownerReferences": []}, {"ownerReferences": [{"uid": "x", "controller": True}]}):
        forged = job(quantumjob())
        forged["metadata"] |= change
        assert cache.put_job(forged) is None
    elsewhere = job(quantumjob())
    elsewhere["metadata"]["namespace"] = "attacker"
    assert cache.put_job(elsewhere) == Owner("attacker", UID)
    assert cache.job(OF) is None


def test_a_pod_that_only_carries_the_label_is_not_ours() -> None:
    cache = Cache()
    cache.put_job(job(quantumjob()))
    forged = pod(quantumjob(), name="forged")
    forged["metadata"]["ownerReferences"] = []
    cache.put_pod(forged)
    cache.put_pod(pod(quantumjob()))
    assert [each["metadata"]["uid"] for each in cache.pods(OF)] == ["pod-a"]


def test_a_late_delete_of_an_earlier_job_keeps_the_new_one() -> None:
    cache = Cache()
    old, new = job(quantumjob()), job(quantumjob())
    new["metadata"]["uid"] = "newer"
    cache.put_job(old)
    cache.put_job(new)
    cache.drop_job(old)
    assert cache.job(OF) is not None
    cache.drop_job(new)
    assert cache.job(OF) is None


def test_a_job_that_failed_and_is_gone_is_remembered_until_its_quantumjob_has_ended() -> None:
    cache = Cache()
    cache.put_quantumjob(quantumjob())
    failed = job(quantumjob(), ("Failed", "DeadlineExceeded"))
    cache.put_job(job(quantumjob()))
    cache.drop_job(failed)
    kept = cache.job(OF)
    assert kept is not None
    assert kept["status"]["conditions"][0]["type"] == "Failed"
    assert cache.versions("jobs") == {}, "nobody expects it in a list"
    done = {"conditions": [{"type": "Failed", "status": "True"}]}
    cache.put_quantumjob(at(quantumjob(), 11, status=done))
    assert cache.job(OF) is None


def test_of_a_finished_job_only_its_uid_is_kept() -> None:
    cache = Cache()
    done = quantumjob(status={"results": {"x": "y" * 1000}, "conditions": [{"type": "Complete", "status": "True"}]})
    cache.put_quantumjob(done)
    assert cache.quantumjobs == {}
    assert cache.is_finished(UID)
    cache.put_quantumjob(at(quantumjob(), 9, status={"phase": "old"}))
    assert cache.quantumjobs == {}, "a late echo brings nothing back"


def test_dropped_pods_leave_nothing() -> None:
    cache = Cache()
    cache.put_pod(pod(quantumjob()))
    assert cache.owner_of_pod("pod-a") == OF
    cache.drop_pod(pod(quantumjob()))
    assert cache.owner_of_pod("pod-a") is None
    assert cache.versions("pods") == {}
