"""Sets up the node's address, and restores the sysctls and iptables chains that a node changes."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from localnode.settings import NODE_BRIDGE, NODE_IP, POD_BRIDGE
from localnode.shell import run

# The sysctls that the kubelet, kube-proxy and the CNI plugins write.
SYSCTLS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/route_localnet",
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables",
    "net/netfilter/nf_conntrack_tcp_be_liberal",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
FAMILIES = ("iptables", "ip6tables")
_NODE_CHAIN = re.compile(r"^(KUBE|CNI)-")
_PROC = Path("/proc/sys")


def sysctls() -> dict[str, str]:
    """Returns the current values of SYSCTLS."""
    return {name: (_PROC / name).read_text().strip() for name in SYSCTLS if (_PROC / name).exists()}


def restore_sysctls(values: dict[str, str]) -> None:
    """Writes back the values that differ."""
    for name, value in sysctls().items():
        if name in values and values[name] != value:
            (_PROC / name).write_text(values[name])


def links() -> set[str]:
    """Returns the names of all network links."""
    return {path.name for path in Path("/sys/class/net").iterdir()}


def up() -> None:
    """Creates the node's address on an empty bridge, since not every kernel has a dummy device."""
    if NODE_BRIDGE not in links():
        run("ip", "link", "add", NODE_BRIDGE, "type", "bridge")
    run("ip", "address", "replace", f"{NODE_IP}/32", "dev", NODE_BRIDGE)
    run("ip", "link", "set", NODE_BRIDGE, "up")
    if shutil.which("modprobe"):
        run("modprobe", "-q", "br_netfilter", check=False)  # may be built in
    (_PROC / "net/ipv4/ip_forward").write_text("1")


def down(chains_before: dict[str, list[str]] | None) -> None:
    """Removes the bridges with their ports, and, if the chains before the node are known, all newer ones."""
    # A Pod's end of a veth is deleted with its network namespace, the other end here as a port of the bridge.
    for link in _ports(POD_BRIDGE) + [name for name in (POD_BRIDGE, NODE_BRIDGE) if name in links()]:
        run("ip", "link", "delete", link, check=False)
    if chains_before is None:
        return
    for family in filter(shutil.which, FAMILIES):
        removal = removal_of_chains(run(f"{family}-save", check=False), chains_before.get(family, []))
        if removal:
            run(f"{family}-restore", "--noflush", "--wait", "10", stdin=removal)


def chains() -> dict[str, list[str]]:
    """Returns the existing chains of each family with names of Kubernetes or CNI, as `table/chain`."""
    return {family: _chains(run(f"{family}-save", check=False)) for family in filter(shutil.which, FAMILIES)}


def removal_of_chains(saved: str, before: Iterable[str]) -> str:
    """Returns input for iptables-restore --noflush that removes the node's chains and the jumps to them.

    `saved` is the output of iptables-save; `before` has the chains to keep, as `table/chain`.
    """
    keep = set(before)
    output: list[str] = []
    for table, lines in _tables(saved):
        names = [line[1:].split()[0] for line in lines if line.startswith(":")]
        ours = {name for name in names if _NODE_CHAIN.match(name) and f"{table}/{name}" not in keep}
        if ours:
            rules = [line for line in lines if line.startswith("-A ") and line.split()[1] not in ours]
            jumps = [f"-D {line[3:]}" for line in rules if ours & set(re.findall(r"(?:-j|-g) (\S+)", line))]
            # A declaration flushes the chain, so that no chain refers to another when it is deleted.
            flushed = [f":{name} - [0:0]" for name in sorted(ours)]
            output += [f"*{table}", *flushed, *jumps, *(f"-X {name}" for name in sorted(ours)), "COMMIT"]
    return "".join(f"{line}\n" for line in output)


def _tables(saved: str) -> Iterable[tuple[str, list[str]]]:
    for block in re.split(r"^\*", saved, flags=re.MULTILINE)[1:]:
        table, *lines = block.splitlines()
        yield table, lines


def _chains(saved: str) -> list[str]:
    names = ((table, line[1:].split()[0]) for table, lines in _tables(saved) for line in lines if line.startswith(":"))
    return sorted(f"{table}/{name}" for table, name in names if _NODE_CHAIN.match(name))


def _ports(bridge: str) -> list[str]:
    shown = run("ip", "-json", "link", "show", "master", bridge, check=False)
    return [str(link["ifname"]) for link in json.loads(shown or "[]") if "ifname" in link]
