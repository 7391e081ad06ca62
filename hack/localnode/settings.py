"""Versions, addresses and paths of the node."""

from __future__ import annotations

import os
from pathlib import Path

MINIO = "v0.0.0-20260212201848-7aac2a2c5b7c"
KUBECTL = "1.36.3"  # the oldest on PyPI

# 198.18.0.0/15 is reserved for benchmarks, so no machine routes it.
POD_CIDR = "198.18.0.0/16"
SERVICE_CIDR = "198.19.0.0/17"
API_SERVICE_IP = "198.19.0.1"
DNS_SERVICE_IP = "198.19.0.10"
NODE_IP = "198.19.255.1"
API_PORT = 6443
DNS_PORT = 1053
ETCD_PORT = 23790
ETCD_PEER_PORT = 23800

NODE_NAME = "quantumjob-node"
DOMAIN = "cluster.local"
ISSUER = f"https://kubernetes.default.svc.{DOMAIN}"
PAUSE_IMAGE = "localhost/quantumjob/pause:1"

NODE_BRIDGE = "qjnode0"
POD_BRIDGE = "qjpods0"
CGROUP = "quantumjob-node"

STATE = Path("/var/lib/quantumjob-node")
RUN = Path("/run/quantumjob-node")
LOCK = Path("/run/quantumjob-node.lock")
LOGS = STATE / "logs"
PKI = STATE / "pki"
CONFIG = STATE / "config"
KUBECONFIG = STATE / "kubeconfig"
CONTAINERD_SOCKET = RUN / "containerd.sock"


def cache() -> Path:
    """Returns the folder of everything that is built, outside of any checkout."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("QUANTUMJOB_CACHE") or f"{home}/quantumjob")
