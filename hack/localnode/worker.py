"""The configuration and command lines of containerd, the kubelet, kube-proxy and CoreDNS."""

from __future__ import annotations

import json
from pathlib import Path

from localnode.packages import CNI_PLUGINS
from localnode.processes import Daemon
from localnode.settings import (
    CGROUP,
    CONFIG,
    CONTAINERD_SOCKET,
    DNS_PORT,
    DNS_SERVICE_IP,
    DOMAIN,
    LOGS,
    NODE_IP,
    NODE_NAME,
    PAUSE_IMAGE,
    PKI,
    POD_BRIDGE,
    POD_CIDR,
    RUN,
    STATE,
)

KUBELET_HEALTH = f"http://{NODE_IP}:10248/healthz"
PROXY_HEALTH = f"http://{NODE_IP}:10256/healthz"


def configs() -> dict[Path, str]:
    """Returns the content of every configuration file of the node, by path."""
    return {
        CONFIG / "containerd.toml": _containerd(),
        CONFIG / "cni/10-pods.conflist": json.dumps(_cni(), indent=2),
        CONFIG / "kubelet.json": json.dumps(_kubelet(), indent=2),
        CONFIG / "kube-proxy.json": json.dumps(_proxy(), indent=2),
        CONFIG / "Corefile": _corefile(),
    }


def containerd() -> Daemon:
    """Returns containerd, with its own socket, root and state, so that it does not disturb another one."""
    return Daemon("containerd", ("containerd", "--config", str(CONFIG / "containerd.toml")))


def kubelet(programs: Path) -> Daemon:
    """Returns the kubelet."""
    options = {
        "config": CONFIG / "kubelet.json",
        "kubeconfig": CONFIG / "kubelet.kubeconfig",
        "root-dir": STATE / "kubelet",
        "cert-dir": STATE / "kubelet/pki",
        "hostname-override": NODE_NAME,
        "node-ip": NODE_IP,
    }
    return Daemon("kubelet", (str(programs / "kubelet"), *(f"--{name}={value}" for name, value in options.items())))


def proxy(programs: Path) -> Daemon:
    """Returns kube-proxy."""
    config = f"--config={CONFIG / 'kube-proxy.json'}"
    return Daemon("kube-proxy", (str(programs / "kube-proxy"), config, f"--hostname-override={NODE_NAME}"))


def coredns(programs: Path) -> Daemon:
    """Returns CoreDNS, as a process of the machine: it needs no image, and it can use the machine's resolver."""
    return Daemon("coredns", (str(programs / "coredns"), "-conf", str(CONFIG / "Corefile")))


def _containerd() -> str:
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "{STATE}/containerd"
state = "{RUN}/containerd"

[grpc]
  address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{STATE}/opt"

[{cri}]
  sandbox_image = "{PAUSE_IMAGE}"
  netns_mounts_under_state_dir = true
  # Without CAP_SYS_RESOURCE no process may lower its score, and no sandbox would start.
  restrict_oom_score_adj = true
  [{cri}.cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "{CONFIG}/cni"
  [{cri}.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [{cri}.containerd.runtimes.runc.options]
      Root = "{RUN}/runc"
"""


def _cni() -> dict[str, object]:
    address = {"type": "host-local", "subnet": POD_CIDR, "routes": [{"dst": "0.0.0.0/0"}], "dataDir": f"{RUN}/cni"}
    bridge = {"type": "bridge", "bridge": POD_BRIDGE, "isGateway": True, "ipMasq": True, "hairpinMode": True}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [{**bridge, "ipam": address}, ports]}


def _kubelet() -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_IP,
        "healthzBindAddress": NODE_IP,
        "authentication": {"webhook": {"enabled": True}, "x509": {"clientCAFile": f"{PKI}/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{PKI}/kubelet.crt",
        "tlsPrivateKeyFile": f"{PKI}/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "clusterDNS": [DNS_SERVICE_IP],
        "clusterDomain": DOMAIN,
        "podLogsDir": f"{LOGS}/pods",
        "volumePluginDir": f"{STATE}/kubelet/plugins",
        "maxPods": 250,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        # Images are loaded, not pulled: a collected image could not be pulled again.
        "imageGCHighThresholdPercent": 100,
    }


def _proxy() -> dict[str, object]:
    # Zero keeps the machine's conntrack limits.
    untouched = {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": f"{CONFIG}/proxy.kubeconfig"},
        "mode": "iptables",
        "clusterCIDR": POD_CIDR,
        "bindAddress": NODE_IP,
        "healthzBindAddress": f"{NODE_IP}:10256",
        "metricsBindAddress": f"{NODE_IP}:10249",
        "oomScoreAdj": 0,
        "conntrack": untouched,
        # Node ports on loopback would need a sysctl that opens loopback to other machines.
        "iptables": {"localhostNodePorts": False},
        "nodePortAddresses": [f"{NODE_IP}/32"],
    }


def _corefile() -> str:
    return f""".:{DNS_PORT} {{
    bind {NODE_IP}
    errors
    ready {NODE_IP}:8181
    kubernetes {DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {CONFIG}/coredns.kubeconfig
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }}
    forward . /etc/resolv.conf
    cache 30
}}
"""
