"""The command lines of etcd, the API server, the controller manager and the scheduler."""

from __future__ import annotations

from pathlib import Path

from localnode.processes import Daemon
from localnode.settings import (
    API_PORT,
    CONFIG,
    ETCD_PEER_PORT,
    ETCD_PORT,
    ISSUER,
    NODE_IP,
    PKI,
    POD_CIDR,
    SERVICE_CIDR,
    STATE,
)

ETCD_URL = f"http://127.0.0.1:{ETCD_PORT}"


def etcd(programs: Path) -> Daemon:
    """Returns etcd, on loopback. It does not fsync: after a crash of the machine, `up` may start from nothing."""
    peer = f"http://127.0.0.1:{ETCD_PEER_PORT}"
    options = {
        "name": "node",
        "data-dir": STATE / "etcd",
        "listen-client-urls": ETCD_URL,
        "advertise-client-urls": ETCD_URL,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"node={peer}",
        "unsafe-no-fsync": "true",
        "quota-backend-bytes": 4 * 1024**3,
        "auto-compaction-mode": "periodic",
        "auto-compaction-retention": "10m",
    }
    return Daemon("etcd", _command(programs / "etcd", options))


def apiserver(programs: Path) -> Daemon:
    """Returns the API server, on the node's address."""
    options = {
        "etcd-servers": ETCD_URL,
        "bind-address": NODE_IP,
        "advertise-address": NODE_IP,
        "secure-port": API_PORT,
        "service-cluster-ip-range": SERVICE_CIDR,
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "allow-privileged": "true",
        "client-ca-file": PKI / "ca.crt",
        "tls-cert-file": PKI / "apiserver.crt",
        "tls-private-key-file": PKI / "apiserver.key",
        "service-account-issuer": ISSUER,
        "service-account-key-file": PKI / "service-account.pub",
        "service-account-signing-key-file": PKI / "service-account.key",
        "kubelet-certificate-authority": PKI / "ca.crt",
        "kubelet-client-certificate": PKI / "apiserver-kubelet.crt",
        "kubelet-client-key": PKI / "apiserver-kubelet.key",
        # Otherwise `kubectl logs` resolves the node's name by DNS.
        "kubelet-preferred-address-types": "InternalIP",
    }
    return Daemon("kube-apiserver", _command(programs / "kube-apiserver", options))


def controller_manager(programs: Path) -> Daemon:
    """Returns the controller manager, without leader election, since it is the only one."""
    options = {
        **_component("controller-manager"),
        "cluster-cidr": POD_CIDR,
        "service-account-private-key-file": PKI / "service-account.key",
        "root-ca-file": PKI / "ca.crt",
        "cluster-signing-cert-file": PKI / "ca.crt",
        "cluster-signing-key-file": PKI / "ca.key",
        "use-service-account-credentials": "true",
    }
    return Daemon("kube-controller-manager", _command(programs / "kube-controller-manager", options))


def scheduler(programs: Path) -> Daemon:
    """Returns the scheduler."""
    return Daemon("kube-scheduler", _command(programs / "kube-scheduler", _component("scheduler")))


def _component(name: str) -> dict[str, object]:
    kubeconfig = CONFIG / f"{name}.kubeconfig"
    return {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "bind-address": NODE_IP,
        "leader-elect": "false",
    }


def _command(program: Path, options: dict[str, object]) -> tuple[str, ...]:
    return (str(program), *(f"--{name}={value}" for name, value in options.items()))
