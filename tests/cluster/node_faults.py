"""Faults that need root on the node's machine, where Kubernetes has no call for them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localnode import settings

JSON = dict[str, Any]

local_only = pytest.mark.skipif(
    "KUBECONFIG" in os.environ, reason="needs the local node's machine; a cluster of others is left alone"
)


def main_pid(pod: JSON) -> int:
    """Returns the process on this machine that is the first of the pod's first container."""
    container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    tasks = settings.RUN / "containerd" / "io.containerd.runtime.v2.task" / "k8s.io"
    return int((tasks / container / "init.pid").read_text())


def kill(pod: JSON) -> bool:
    """Sends SIGKILL to the container's first process, which ends all of it; False where it has ended already."""
    try:
        os.kill(main_pid(pod), signal.SIGKILL)
    except (OSError, KeyError):
        return False
    return True


@contextlib.contextmanager
def stopped(pod: JSON) -> Iterator[None]:
    """Stops the container's first process while the block runs: its clients get no answer."""
    pid = main_pid(pod)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def cut_off(pod: JSON) -> Iterator[None]:
    """Drops every packet that enters or leaves the pod while the block runs."""
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
    """Returns the private key by which the local node's API server signs tokens."""
    return Path(settings.PKI / "service-account.key").read_text()
