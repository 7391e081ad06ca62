"""The installed operator: its settings, its replicas, its log, and one run of the reconciler."""

from __future__ import annotations

import json
import secrets
from typing import Any

import cluster

JSON = dict[str, Any]
NAME = "quantumjob-operator"
SELECTOR = "app.kubernetes.io/component=operator"
LINGER = "QUANTUMJOB_WORKERS_LINGER_SECONDS"
"""How long a shared worker waits for its next order; 0: each QuantumJob has a Job of its own."""
LINGER_SECONDS = 10
"""In the tests: long enough for what a test does next, short enough to wait for the end."""


def container_environment() -> list[JSON]:
    """Returns the environment of the operator's container, as the Deployment has it."""
    found = cluster.get("deployments", NAME, cluster.SYSTEM)
    assert found is not None, "the quickstart is not installed: hack/quickstart"
    environment: list[JSON] = found["spec"]["template"]["spec"]["containers"][0]["env"]
    return environment


def environment() -> dict[str, str]:
    """Returns the variables that are given by value."""
    return {each["name"]: each.get("value", "") for each in container_environment() if "valueFrom" not in each}


def set_environment(wanted: dict[str, str | None], *, wait: bool = True) -> None:
    """Sets variables of the operator, or removes those of None; on a change waits for the new pod."""
    before = environment()
    changes = [f"{name}-" if value is None else f"{name}={value}" for name, value in wanted.items()]
    if any(before.get(name) != value for name, value in wanted.items()):
        cluster.kubectl("set", "env", f"deployment/{NAME}", "-n", cluster.SYSTEM, *changes)
        if wait:
            rolled_out()


def set_command(command: list[str]) -> list[str]:
    """Sets the command of the operator's container, and waits for the new pod; returns the earlier command."""
    found = cluster.get("deployments", NAME, cluster.SYSTEM)
    assert found is not None, "the quickstart is not installed: hack/quickstart"
    (container,) = found["spec"]["template"]["spec"]["containers"]
    changed = {"spec": {"template": {"spec": {"containers": [container | {"command": command}]}}}}
    cluster.patch("deployments", NAME, cluster.SYSTEM, changed)
    rolled_out()
    before: list[str] = container["command"]
    return before


def scale(replicas: int) -> None:
    """Scales the operator, and waits until its pods are as many."""
    cluster.patch("deployments", NAME, cluster.SYSTEM, {"spec": {"replicas": replicas}})
    if replicas:
        rolled_out()
    else:
        cluster.eventually("the operator is gone", lambda: not _pods())


def rolled_out() -> None:
    """Waits until the current revision of the operator is ready."""
    cluster.kubectl("rollout", "status", f"deployment/{NAME}", "-n", cluster.SYSTEM, "--timeout=120s")
    # The Deployment's status is older than a pod that was killed just now.
    cluster.eventually("the operator is ready", lambda: [pod for pod in _pods() if _is_ready(pod)])


def _pods() -> list[JSON]:
    return cluster.items("pods", cluster.SYSTEM, SELECTOR)


def _is_ready(pod: JSON) -> bool:
    return cluster.condition(pod, "Ready").get("status") == "True" and "deletionTimestamp" not in pod["metadata"]


def kill() -> None:
    """Deletes the operator's pod without a grace period; the Deployment starts another."""
    for pod in _pods():
        cluster.delete("pods", pod["metadata"]["name"], cluster.SYSTEM, grace_seconds=0)


def running_pod() -> JSON:
    """Returns the operator's pod, once it runs."""

    def probe() -> JSON | None:
        return next((pod for pod in _pods() if pod["status"]["phase"] == "Running"), None)

    return cluster.eventually("the operator runs", probe)


def log(since: str) -> list[JSON]:
    """Returns the operator's log lines since a time."""
    text = cluster.kubectl("logs", "-n", cluster.SYSTEM, f"deployment/{NAME}", f"--since-time={since}")
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def reconcile(namespace: str, **settings: str) -> None:
    """Runs the CronJob's Job now, for one namespace and with these settings, and waits for its end."""
    cronjob = cluster.api().ask("GET", f"/apis/batch/v1/namespaces/{cluster.SYSTEM}/cronjobs/quantumjob-reconciler")
    name = f"now-{secrets.token_hex(4)}"
    spec = cronjob["spec"]["jobTemplate"]["spec"]
    container = spec["template"]["spec"]["containers"][0]
    container["env"] += [
        {"name": key, "value": value} for key, value in ({"QUANTUMJOB_NAMESPACES": namespace} | settings).items()
    ]
    # Without an owner: the history limit of the CronJob would remove it before its log is read.
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}
    cluster.create("jobs", cluster.SYSTEM, job)
    cluster.watch_until(
        "jobs", name, cluster.SYSTEM, lambda found: cluster.condition(found, "Complete").get("status") == "True", 120
    )
    assert '"Reconciled"' in cluster.kubectl("logs", "-n", cluster.SYSTEM, f"job/{name}")
    cluster.delete("jobs", name, cluster.SYSTEM)
