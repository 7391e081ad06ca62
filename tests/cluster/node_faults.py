"""What only root on the node's own machine can do to it: for faults that Kubernetes has no word for."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cluster
from localnode import settings

JSON = dict[str, Any]

local_only = pytest.mark.skipif(
    "KUBECONFIG" in os.environ, reason="needs the local node's machine; a cluster of others is left alone"
)


def main_pid(pod: JSON) -> int:
    """The process on this machine that is the first one of the pod's first container."""
    container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    tasks = settings.RUN / "containerd" / "io.containerd.runtime.v2.task" / "k8s.io"
    return int((tasks / container / "init.pid").read_text())


def kill(pod: JSON) -> bool:
    """SIGKILL for the container's first process, and so for all of it; False where it has ended already."""
    try:
        os.kill(main_pid(pod), signal.SIGKILL)
    except (OSError, KeyError):
        return False
    return True


@contextlib.contextmanager
def stopped(pod: JSON) -> Iterator[None]:
    """The container's first process does nothing while the block runs: whoever asks it gets no answer."""
    pid = main_pid(pod)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def cut_off(pod: JSON) -> Iterator[None]:
    """No packet enters or leaves the pod while the block runs, and nobody is told so."""
    inside = ["nsenter", "-t", str(main_pid(pod)), "-n", "iptables"]
    rules = [[chain, "!", way, "lo", "-j", "DROP"] for chain, way in (("INPUT", "-i"), ("OUTPUT", "-o"))]
    for chain, *rule in rules:
        subprocess.run([*inside, "-I", chain, *rule], check=True, capture_output=True)
    try:
        yield
    finally:
        for chain, *rule in rules:
            subprocess.run([*inside, "-D", chain, *rule], check=False, capture_output=True)  # it may be gone


def service_account_key() -> str:
    """The private key by which the local node's API server signs tokens."""
    return Path(settings.PKI / "service-account.key").read_text()


def operator_pod() -> JSON:
    """The operator's pod, once it runs."""
    selector = "app.kubernetes.io/component=operator"

    def probe() -> JSON | None:
        pods = cluster.items("pods", cluster.SYSTEM, selector)
        return next((pod for pod in pods if pod["status"]["phase"] == "Running"), None)

    return cluster.eventually("the operator runs", probe)
