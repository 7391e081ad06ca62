"""The child Job, as PodSecurity `restricted`, Kueue and the failure policy want it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quantumjob_contract import exit_codes, names
from quantumjob_operator.model.job_template import SHARED_PREFIX, build_job, build_shared, job_name, template_of
from quantumjob_operator.model.placement import DEFAULT_RESOURCES
from support.kube import UID, quantumjob

JOBS = {
    "dedicated": build_job(quantumjob(), "worker@sha256:abc", "https://operator:8443", "PEM"),
    "shared": build_shared(SHARED_PREFIX + "0123456789", "worker@sha256:abc", "https://operator:8443", "PEM"),
}


def built() -> dict:  # type: ignore[type-arg]
    return build_job(quantumjob(), "worker@sha256:abc", "https://operator:8443", "PEM")


def test_its_name_follows_from_the_uid_and_fits_a_pod() -> None:
    assert built()["metadata"]["name"] == job_name(UID)
    assert len(job_name(UID)) + len("-abcde") <= 63


def test_it_belongs_to_the_quantumjob() -> None:
    (owner,) = built()["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["controller"]) == (UID, True)


def test_it_takes_no_label_or_annotation_of_the_users() -> None:
    text = json.dumps(built())
    assert "blue" not in text
    assert set(built()["spec"]["template"]["metadata"]["labels"]) == {
        names.LABEL_WORKER,
        names.LABEL_UID,
        names.LABEL_NAME,
    }


def test_permanent_failures_are_not_tried_again_and_disruptions_are_free() -> None:
    fail, ignore = built()["spec"]["podFailurePolicy"]["rules"]
    assert fail["onExitCodes"]["values"] == [64, 65, 66, 67, 68, 69]
    assert exit_codes.Exit.TEMPORARY not in fail["onExitCodes"]["values"]
    assert ignore["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]


@pytest.mark.parametrize("kind", JOBS)
def test_the_pod_is_restricted_and_holds_no_secret(kind: str) -> None:
    pod = JOBS[kind]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert {volume["name"]: set(volume) - {"name"} for volume in pod["volumes"]} == {
        "token": {"projected"},
        "tmp": {"emptyDir"},
    }
    (source,) = pod["volumes"][0]["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == names.AUDIENCE
    assert all(set(variable) == {"name", "value"} for variable in container["env"]), "nothing from a Secret"


def test_a_shared_worker_belongs_to_no_quantumjob_and_fits_a_pod() -> None:
    meta, spec = JOBS["shared"]["metadata"], JOBS["shared"]["spec"]
    assert "ownerReferences" not in meta
    assert len(meta["name"]) + len("-abcde") <= 63
    assert spec["template"]["spec"]["containers"][0]["resources"] == DEFAULT_RESOURCES
    assert spec["backoffLimit"] == 0, "whether another is needed, the queue says"


@pytest.mark.parametrize("kind", JOBS)
def test_the_operator_can_select_the_job_and_its_pod(kind: str) -> None:
    meta, template = JOBS[kind]["metadata"], JOBS[kind]["spec"]["template"]["metadata"]
    assert meta["labels"][names.LABEL_WORKER] == template["labels"][names.LABEL_WORKER] == kind


def test_a_queue_of_kueue_is_the_job_s_too() -> None:
    of = quantumjob()
    of["metadata"]["labels"] = {names.LABEL_QUEUE: "mine"}
    made = build_job(of, "w", "https://o", "")
    assert made["metadata"]["labels"][names.LABEL_QUEUE] == "mine"


def test_the_template_tells_workers_of_another_image_or_setting_apart() -> None:
    """The name is none of it. Its label is the Job's alone: a pod's would be part of what it is made from."""
    base = ("worker:1", "https://o", "PEM")
    same = {template_of(build_shared(name, *base)) for name in ("qj-shared-a", "qj-shared-b")}
    assert len(same) == 1
    assert None not in same
    for other in (("worker:2", *base[1:]), (base[0], "https://p", base[2]), (*base[:2], "NEW")):
        assert template_of(build_shared("qj-shared-a", *other)) not in same
    assert template_of(build_job(quantumjob(), *base)) is None
    assert set(JOBS["shared"]["spec"]["template"]["metadata"]["labels"]) == {names.LABEL_WORKER}


@pytest.mark.parametrize(
    ("parallelism", "pubs", "spec"),
    [
        (1, 8, {"completions": 1, "parallelism": 1}),
        (8, 1, {"completions": 1, "parallelism": 1}),
        (3, 8, {"completions": 3, "parallelism": 3, "completionMode": "Indexed"}),
        (64, 8, {"completions": 8, "parallelism": 8, "completionMode": "Indexed"}),
    ],
    ids=["one shard", "one pub", "shards", "more than pubs"],
)
def test_a_job_in_shards_has_a_pod_for_each_and_a_retry_is_of_the_same(
    parallelism: int, pubs: int, spec: dict[str, Any]
) -> None:
    of = quantumjob()
    of["spec"]["parallelism"] = parallelism
    of["spec"]["program"]["pubs"] *= pubs
    made = build_job(of, "worker@sha256:abc", "https://operator:8443", "PEM")
    assert made["spec"] == built()["spec"] | spec, "and nothing else differs"
    assert made["metadata"] == built()["metadata"]


def test_a_job_that_says_nothing_of_shards_has_one() -> None:
    """It was stored before there were any."""
    assert "parallelism" not in quantumjob()["spec"]
    assert built()["spec"]["completions"] == 1
    assert "completionMode" not in built()["spec"]
