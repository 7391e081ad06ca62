"""Objects of the cluster itself: roles of kube-proxy and CoreDNS, and the DNS Service."""

from __future__ import annotations

from typing import Any

from localnode import api
from localnode.settings import DNS_PORT, DNS_SERVICE_IP, NODE_IP

_RBAC = "rbac.authorization.k8s.io"


def apply() -> None:
    """Applies all objects. Idempotent."""
    for path, content in objects().items():
        api.apply(path, content)


def objects() -> dict[str, dict[str, Any]]:
    """Returns each object by its API path."""
    system = "/api/v1/namespaces/kube-system"
    name = {"name": "kube-dns", "namespace": "kube-system"}
    protocols = [("dns", "UDP"), ("dns-tcp", "TCP")]
    # CoreDNS is a process of the machine: the Service has no selector, and its only endpoint is the node.
    service = {
        "clusterIP": DNS_SERVICE_IP,
        "ports": [{"name": port, "protocol": kind, "port": 53, "targetPort": DNS_PORT} for port, kind in protocols],
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**name, "labels": {"kubernetes.io/service-name": "kube-dns"}},
        "addressType": "IPv4",
        "ports": [{"name": port, "protocol": kind, "port": DNS_PORT} for port, kind in protocols],
        "endpoints": [{"addresses": [NODE_IP], "conditions": {"ready": True}}],
    }
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    role = {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "system:coredns"}, "rules": rules}
    return {
        f"{system}/services/kube-dns": {"apiVersion": "v1", "kind": "Service", "metadata": name, "spec": service},
        "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/kube-dns": endpoints,
        f"/apis/{_RBAC}/v1/clusterroles/system:coredns": role,
        _path("localnode:coredns"): _binding("localnode:coredns", "system:coredns", "system:coredns"),
        _path("localnode:kube-proxy"): _binding("localnode:kube-proxy", "system:node-proxier", "system:kube-proxy"),
    }


def _path(binding: str) -> str:
    return f"/apis/{_RBAC}/v1/clusterrolebindings/{binding}"


def _binding(name: str, role: str, user: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": user}],
    }
