"""Stops, starts and restarts the operator's pod, and waits until it is in its steady state."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from typing import Any, Final

from api_client import Api
from benchmarks.figures.steady_state import CpuReading, steady_since
from benchmarks.operator_usage import TICK_MS, ticks
from benchmarks.watcher import now
from cluster import SYSTEM, eventually, kubeconfig_once, kubectl
from quantumjob_operator.kubernetes.client import PODS

JSON = dict[str, Any]

DEPLOYMENT: Final = "deployment/quantumjob-operator"
SELECTOR: Final = "app.kubernetes.io/component=operator"
RESTART_SECONDS: Final = 120.0
"""Timeout for an operator to reach its steady state."""
READ_SECONDS: Final = 0.25
READ: Final = f"while cat /proc/1/stat; do sleep {READ_SECONDS}; done"


@contextlib.contextmanager
def no_operator(api: Api) -> Iterator[None]:
    """Stops the operator for this block, and starts it at the end, also after an error."""
    try:
        kubectl("scale", DEPLOYMENT, "-n", SYSTEM, "--replicas=0")
        eventually("the operator is gone", lambda: not _pods(api))
        yield
    finally:
        kubectl("scale", DEPLOYMENT, "-n", SYSTEM, "--replicas=1")
        kubectl("rollout", "status", DEPLOYMENT, "-n", SYSTEM, f"--timeout={RESTART_SECONDS:.0f}s")


def restart(api: Api) -> tuple[float, float]:
    """Deletes the operator's pod; returns the seconds until the new one is Ready, and until its steady state."""
    old = _current_pod(api)["metadata"]
    started = now()
    api.request("DELETE", PODS.path(SYSTEM, old["name"]))
    new = eventually("the operator runs again", lambda: _running(api, old["uid"]), RESTART_SECONDS)["metadata"]
    with readings(new["name"]) as found:
        eventually("the operator is ready", lambda: _is_ready(api, new["uid"]), RESTART_SECONDS)
        ready = now() - started
        return ready, max(ready, _steady_time(found) - started)


def wait_steady(api: Api) -> None:
    """Waits until the running operator is in its steady state. Raises TimeoutError."""
    with readings(_current_pod(api)["metadata"]["name"]) as found:
        _steady_time(found)


def _steady_time(found: list[CpuReading]) -> float:
    """Returns when the steady state began, by `now`."""
    return eventually("the operator is in its steady state", lambda: steady_since(list(found)), RESTART_SECONDS)


@contextlib.contextmanager
def readings(pod: str) -> Iterator[list[CpuReading]]:
    """Yields readings of the operator's processor time in its pod; the list grows during the block."""
    found: list[CpuReading] = []
    command = ["kubectl", "--kubeconfig", kubeconfig_once(), "exec", "-n", SYSTEM, pod, "--", "sh", "-c", READ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:

        def read() -> None:
            for line in process.stdout or ():
                found.append(CpuReading(now(), ticks(line) * TICK_MS))  # noqa: PERF401  (others read the list meanwhile)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield found
        finally:
            process.terminate()
            reader.join()


def _current_pod(api: Api) -> JSON:
    """Returns the operator's pod that is not being deleted."""
    candidates = (pod for pod in _pods(api) if "deletionTimestamp" not in pod["metadata"])
    if found := next(candidates, None):
        return found
    raise RuntimeError("no operator is running")


def _pods(api: Api) -> list[JSON]:
    found: list[JSON] = api.ask("GET", PODS.path(SYSTEM), labelSelector=SELECTOR)["items"]
    return found


def _running(api: Api, old_uid: str) -> JSON | None:
    """Returns the operator's pod once its container runs, other than the one with `old_uid`."""
    for pod in _pods(api):
        states = [each["state"] for each in pod["status"].get("containerStatuses", [])]
        if pod["metadata"]["uid"] != old_uid and any("running" in state for state in states):
            return pod
    return None


def _is_ready(api: Api, uid: str) -> bool:
    conditions = [each for pod in _pods(api) if pod["metadata"]["uid"] == uid for each in pod["status"]["conditions"]]
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
