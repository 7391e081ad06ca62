"""Describes the machine of the measurement, without names of hosts, paths or registries."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from cluster import kubectl


@dataclass(frozen=True)
class MachineInfo:
    """The sum of the cluster's nodes, and versions."""

    date: str
    nodes: int
    cores: int
    memory_gib: float
    kernel: str
    kubernetes: str
    runtime: str
    versions: dict[str, str]
    """status.versions of a QuantumJob."""


def machine_info(versions: dict[str, str]) -> MachineInfo:
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    info = nodes[0]["status"]["nodeInfo"]
    capacities = [node["status"]["capacity"] for node in nodes]
    return MachineInfo(
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        nodes=len(nodes),
        cores=sum(int(each["cpu"]) for each in capacities),
        memory_gib=sum(int(each["memory"].removesuffix("Ki")) for each in capacities) / 1024**2,
        kernel=info["kernelVersion"],
        kubernetes=json.loads(kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"],
        runtime=info["containerRuntimeVersion"],
        versions=versions,
    )
