"""Checks the health of the node and of its components."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from localnode import api, machine, processes, worker
from localnode.settings import NODE_IP, NODE_NAME

COMPONENTS = (
    "etcd",
    "containerd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "coredns",
)
_LEASE = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{NODE_NAME}"
_LEASE_SECONDS = 40


def healthy() -> bool:
    """Returns True if every component runs and is ready."""
    return (
        machine.same_boot()
        and all(processes.alive(name) for name in COMPONENTS)
        and api.ready()
        and node_ready()
        and proxy_ready()
        and dns_ready()
    )


def node_ready(since: float | None = None) -> bool:
    """Returns True if the node is Ready, by a heartbeat that is recent, or later than `since` (seconds since 1970)."""
    node = api.get(f"/api/v1/nodes/{NODE_NAME}") or {"status": {}}
    ready = [row for row in node["status"].get("conditions", ()) if row["type"] == "Ready" and row["status"] == "True"]
    if not ready or api.plain(worker.KUBELET_HEALTH) != "ok":
        return False
    # The Node of a dead kubelet stays Ready for a while. The kubelet updates the Node at its start and every 5 minutes,
    # and the Lease every 10 seconds, but the first time late.
    lease = api.get(_LEASE)
    heartbeats = [ready[0]["lastHeartbeatTime"]] + ([lease["spec"]["renewTime"]] if lease else [])
    limit = time.time() - _LEASE_SECONDS if since is None else int(since)
    return max(map(_seconds, heartbeats)) >= limit


def proxy_ready() -> bool:
    """Returns True if kube-proxy has written its rules."""
    return bool(api.plain(worker.PROXY_HEALTH))


def dns_ready() -> bool:
    """Returns True if CoreDNS answers and has synced with the API server."""
    return api.plain(f"http://{NODE_IP}:8181/ready") == "OK"


def no_stale_containers(since: float) -> bool:
    """Returns True if no Pod status has a running container from before `since`, when all containers were killed."""
    pods = api.get("/api/v1/pods") or {"items": []}
    statuses = (status for pod in pods["items"] for status in pod["status"].get("containerStatuses", ()))
    started = (status["state"]["running"]["startedAt"] for status in statuses if "running" in status["state"])
    return all(_seconds(when) >= int(since) for when in started)


def default_account() -> bool:
    """Returns True if the default namespace has its service account, without which it cannot have Pods."""
    return api.get("/api/v1/namespaces/default/serviceaccounts/default") is not None


def report() -> list[str]:
    """Returns a line for each component and for the API server, the DNS and the node."""
    lines = [f"{name:<24} {'running' if processes.alive(name) else 'dead'}" for name in COMPONENTS]
    version = (api.get("/version") or {}).get("gitVersion", "no answer")
    node = "Ready" if node_ready() else "not ready"
    dns = "answers" if dns_ready() else "no answer"
    stamp = datetime.now(UTC).strftime("%H:%M:%S UTC")
    return [*lines, f"{'API server':<24} {version}", f"{'DNS':<24} {dns}", f"{'node':<24} {node} at {stamp}"]


def _seconds(when: str) -> float:
    return datetime.fromisoformat(when).timestamp()
