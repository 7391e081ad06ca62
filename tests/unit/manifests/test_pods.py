"""Every pod is one that PodSecurity restricted and OpenShift's restricted-v2 take as it is."""

from __future__ import annotations

import re

import pytest
from rendered import INSTALLS, JSON, WITH_API, crd, install, of_kind, pods

PODS = [(name, pod) for name in INSTALLS for pod in pods(install(name))]
VOLUMES = {"configMap", "emptyDir", "projected", "secret", "downwardAPI", "persistentVolumeClaim", "ephemeral"}


def violations(pod: JSON) -> list[str]:
    """What PodSecurity restricted (v1.34) would say, and our own rules."""
    found = [f"{key} is set" for key in ("hostNetwork", "hostPID", "hostIPC", "hostAliases") if pod.get(key)]
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True:
        found.append("runAsNonRoot")
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        found.append("seccompProfile")
    for volume in pod.get("volumes", []):
        found += [f"volume {volume['name']}" for kind in volume if kind not in VOLUMES | {"name"}]
        if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
            found.append(f"{volume['name']} has no size limit")
    for container in pod["containers"] + pod.get("initContainers", []):
        own = container.get("securityContext", {})
        wanted = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        found += [f"{key} of {container['name']}" for key, value in wanted.items() if own.get(key) != value]
        found += [f"{key} of {container['name']}" for key in own if key not in wanted]
        found += [f"host port of {container['name']}" for port in container.get("ports", []) if "hostPort" in port]
    return found


@pytest.mark.parametrize(("name", "pod"), PODS)
def test_restricted(name: str, pod: str) -> None:
    assert violations(pods(install(name))[pod]) == []


@pytest.mark.parametrize(("name", "pod"), PODS)
def test_no_user_or_group_is_set(name: str, pod: str) -> None:
    text = str(pods(install(name))[pod])
    assert not re.search(r"runAsUser|runAsGroup|fsGroup|supplementalGroups", text)


@pytest.mark.parametrize(("name", "pod"), PODS)
def test_bounded_and_without_what_it_does_not_need(name: str, pod: str) -> None:
    spec = pods(install(name))[pod]
    assert spec["enableServiceLinks"] is False
    assert spec["automountServiceAccountToken"] is (pod in {"quantumjob-operator", "quantumjob-reconciler"})
    for container in spec["containers"]:
        assert set(container["resources"]["requests"]) == set(container["resources"]["limits"]) == {"cpu", "memory"}


@pytest.mark.parametrize(("name", "pod"), PODS)
def test_images_are_of_a_version_and_not_pulled_twice(name: str, pod: str) -> None:
    for container in pods(install(name))[pod]["containers"]:
        assert re.fullmatch(r"quantumjob/(operator|api|seaweedfs):[0-9]+\.[0-9]+\.[0-9]+", container["image"])
        assert container["imagePullPolicy"] == "IfNotPresent"


@pytest.mark.parametrize("name", INSTALLS)
def test_the_namespace_enforces_restricted(name: str) -> None:
    (namespace,) = of_kind(install(name), "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("name", INSTALLS)
def test_no_secret_is_in_git(name: str) -> None:
    assert not of_kind(install(name), "Secret")


def test_one_operator_at_a_time_and_probed() -> None:
    (deployment,) = of_kind(install("base"), "Deployment")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "health"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}


def test_the_reconciler_runs_alone_and_ends() -> None:
    (cron,) = of_kind(install("base"), "CronJob")
    assert cron["spec"]["concurrencyPolicy"] == "Forbid"
    assert cron["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] <= 900
    assert cron["spec"]["startingDeadlineSeconds"] > 10, "the controller looks every 10 s"


def test_all_parts_read_the_same_store() -> None:
    for name in INSTALLS:
        found = [
            volume for pod in pods(install(name)).values() for volume in pod["volumes"] if volume["name"] == "store"
        ]
        assert len(found) == (3 if name in WITH_API else 2)
        assert all(volume == found[0] for volume in found)


def test_the_crd_comes_with_each_install() -> None:
    for name in INSTALLS:
        (found,) = of_kind(install(name), "CustomResourceDefinition")
        assert found["spec"] == crd()["spec"]
