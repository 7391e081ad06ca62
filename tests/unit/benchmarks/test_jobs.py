"""The raw Job has what the worker has, and nothing that only a worker needs."""

from benchmarks import jobs


def raw() -> jobs.JSON:
    resources = {"limits": {"cpu": 1, "memory": "1Gi"}, "requests": {"cpu": "250m", "memory": "256Mi"}}
    run = {"backoffLimit": 3, "activeDeadlineSeconds": 3600, "ttlSecondsAfterFinished": 300, "resources": resources}
    meta = {"name": "bell", "uid": "0-1"}
    return jobs.raw_job({"metadata": meta, "spec": jobs.bell()["spec"] | run}, "worker@sha256:1")


def test_it_has_the_workers_image_resources_and_security() -> None:
    pod = raw()["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "worker@sha256:1"
    assert container["resources"]["limits"] == {"cpu": 1, "memory": "1Gi"}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert pod["securityContext"]["runAsNonRoot"]


def test_it_mounts_nothing_but_a_place_for_temporary_files() -> None:
    pod = raw()["spec"]["template"]["spec"]
    assert [volume["name"] for volume in pod["volumes"]] == ["tmp"]
    assert [mount["name"] for mount in pod["containers"][0]["volumeMounts"]] == ["tmp"]
    assert "env" not in pod["containers"][0]


def test_it_runs_the_circuit_of_the_example() -> None:
    command = raw()["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[:2] == ["python", "-c"]
    assert "cx q[0], q[1];" in command[3]
    assert command[4] == "1024"


def test_a_name_is_given_without_changing_the_original() -> None:
    body = raw()
    assert jobs.named(body, "b")["metadata"] == {"name": "b"}
    assert body["metadata"] == {"name": "raw"}
