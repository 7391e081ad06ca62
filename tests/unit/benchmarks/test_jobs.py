"""Tests that the raw Job has the worker's image, resources and security, and nothing that only a worker needs."""

from benchmarks import jobs

from quantumjob_contract.schema.program import Circuit, Program, Pub
from quantumjob_operator.model import cost_estimate


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


def test_a_dedicated_one_differs_in_that_alone() -> None:
    made = jobs.dedicated(jobs.bell())
    assert made["spec"] == jobs.bell()["spec"] | {"dedicated": True}


def test_a_long_one_has_as_many_layers_as_are_asked_for() -> None:
    (pub,) = jobs.long(52)["spec"]["program"]["pubs"]
    assert "for int i in [1:52] { h q; for int j" in pub["circuit"]["inline"]
    (seconds,) = cost_estimate.shard_seconds(program(jobs.long(52)))
    assert seconds > cost_estimate.SHORT_SECONDS


def program(body: jobs.JSON) -> Program:
    (pub,) = body["spec"]["program"]["pubs"]
    circuit = Circuit(format="OpenQASM3", inline=pub["circuit"]["inline"])
    return Program(
        api_version=body["apiVersion"],
        uid="0-1",
        namespace="n",
        name="long",
        primitive="Sampler",
        seed=1,
        pubs=[Pub(name=pub["name"], circuit=circuit, shots=jobs.SHOTS)],
        created="2026-01-02T03:04:05Z",
    )
