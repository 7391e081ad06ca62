"""The operator's pod: taken away and given back, restarted, and watched until it is at rest."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from typing import Any, Final

from api_client import Api
from benchmarks.figures.steady_state import Reading, rest_since
from benchmarks.operator_usage import TICK_MS, ticks
from benchmarks.watcher import now
from cluster import SYSTEM, eventually, kubeconfig_once, kubectl
from quantumjob_operator.kubernetes.client import PODS

JSON = dict[str, Any]

DEPLOYMENT: Final = "deployment/quantumjob-operator"
SELECTOR: Final = "app.kubernetes.io/component=operator"
RESTART_SECONDS: Final = 120.0
"""In which an operator must be at rest again."""
READ_SECONDS: Final = 0.25
READ: Final = f"while cat /proc/1/stat; do sleep {READ_SECONDS}; done"


@contextlib.contextmanager
def no_operator(api: Api) -> Iterator[None]:
    """Nobody accepts QuantumJobs in this block. There is an operator at its end whatever happens."""
    try:
        kubectl("scale", DEPLOYMENT, "-n", SYSTEM, "--replicas=0")
        eventually("the operator is gone", lambda: not _pods(api))
        yield
    finally:
        kubectl("scale", DEPLOYMENT, "-n", SYSTEM, "--replicas=1")
        kubectl("rollout", "status", DEPLOYMENT, "-n", SYSTEM, f"--timeout={RESTART_SECONDS:.0f}s")


def restart(api: Api) -> tuple[float, float]:
    """Delete the operator's pod; gives the seconds from then until its successor is Ready, and until it is level."""
    old = _present(api)["metadata"]
    started = now()
    api.request("DELETE", PODS.path(SYSTEM, old["name"]))
    new = eventually("the operator is there again", lambda: _running(api, old["uid"]), RESTART_SECONDS)["metadata"]
    with readings(new["name"]) as found:
        eventually("the operator is ready", lambda: _is_ready(api, new["uid"]), RESTART_SECONDS)
        ready = now() - started
        return ready, max(ready, _rest(found) - started)


def rest(api: Api) -> None:
    """Wait until the operator that runs now is at rest. Raises TimeoutError."""
    with readings(_present(api)["metadata"]["name"]) as found:
        _rest(found)


def _rest(found: list[Reading]) -> float:
    """When it came to rest, by `now`."""
    return eventually("the operator is at rest", lambda: rest_since(list(found)), RESTART_SECONDS)


@contextlib.contextmanager
def readings(pod: str) -> Iterator[list[Reading]]:
    """The operator's processor time, read in its pod; the list grows while the block runs."""
    found: list[Reading] = []
    command = ["kubectl", "--kubeconfig", kubeconfig_once(), "exec", "-n", SYSTEM, pod, "--", "sh", "-c", READ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:

        def read() -> None:
            for line in process.stdout or ():
                found.append(Reading(now(), ticks(line) * TICK_MS))  # noqa: PERF401  (others read it meanwhile)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield found
        finally:
            process.terminate()
            reader.join()


def _present(api: Api) -> JSON:
    """The operator's pod that is not on its way out."""
    stays = (pod for pod in _pods(api) if "deletionTimestamp" not in pod["metadata"])
    if found := next(stays, None):
        return found
    raise RuntimeError("there is no operator")


def _pods(api: Api) -> list[JSON]:
    found: list[JSON] = api.ask("GET", PODS.path(SYSTEM), labelSelector=SELECTOR)["items"]
    return found


def _running(api: Api, but: str) -> JSON | None:
    """The operator's pod, once its container runs; not the one with this UID."""
    for pod in _pods(api):
        states = [each["state"] for each in pod["status"].get("containerStatuses", [])]
        if pod["metadata"]["uid"] != but and any("running" in state for state in states):
            return pod
    return None


def _is_ready(api: Api, uid: str) -> bool:
    conditions = [each for pod in _pods(api) if pod["metadata"]["uid"] == uid for each in pod["status"]["conditions"]]
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
