"""What the figures were measured on; nothing that names a host, a path or a registry."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from cluster import kubectl


@dataclass(frozen=True)
class Machine:
    """The cluster's nodes together, and versions."""

    date: str
    nodes: int
    cores: int
    memory_gib: float
    kernel: str
    kubernetes: str
    runtime: str
    versions: dict[str, str]
    """status.versions of a QuantumJob."""


def look(versions: dict[str, str]) -> Machine:
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    info = nodes[0]["status"]["nodeInfo"]
    capacities = [node["status"]["capacity"] for node in nodes]
    return Machine(
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        nodes=len(nodes),
        cores=sum(int(each["cpu"]) for each in capacities),
        memory_gib=sum(int(each["memory"].removesuffix("Ki")) for each in capacities) / 1024**2,
        kernel=info["kernelVersion"],
        kubernetes=json.loads(kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"],
        runtime=info["containerRuntimeVersion"],
        versions=versions,
    )
