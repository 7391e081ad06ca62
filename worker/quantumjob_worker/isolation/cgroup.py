"""What the pod's cgroup leaves this process: memory and CPUs. Aer by itself goes by the machine's."""

from __future__ import annotations

import os
from pathlib import Path

from quantumjob_contract.limits import MIB

ROOT = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60
"""cgroup v1 writes "no limit" as a number close to 2**63."""

OVERHEAD = 192 * MIB
"""For the parent (one circuit, one result, one segment in the making) and the fork server, by measurement."""


def memory_limit(root: Path = ROOT, meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes that this container may use: the tightest cgroup limit, else the machine's RAM."""
    total = _meminfo_total(meminfo)
    limits = [
        int(text)
        for path in _candidates(root, "memory", "memory.max", "memory.limit_in_bytes")
        if (text := _read(path)).isdecimal() and int(text) < UNLIMITED
    ]
    return min([total, *limits])


def memory_budget(limit: int) -> int:
    """Bytes for one child. A function of the limit alone: the method, so the result, must not vary with the moment."""
    return max(limit - OVERHEAD, limit // 4)


def threads(root: Path = ROOT, cpus: int | None = None) -> int:
    """Threads worth starting: the CPU quota, rounded to the nearest whole, at least 1, at most the CPUs we may use."""
    available = cpus or len(os.sched_getaffinity(0))
    quotas = [q for q in (_quota_v2(root), _quota_v1(root)) if q is not None]
    return max(1, min([available, *(int(q + 0.5) for q in quotas)]))


def _quota_v2(root: Path) -> float | None:
    found = []
    for path in _candidates(root, "", "cpu.max"):
        quota, _, period = _read(path).partition(" ")
        if quota.isdecimal() and period.isdecimal():
            found.append(int(quota) / int(period))
    return min(found, default=None)


def _quota_v1(root: Path) -> float | None:
    for folder in ("cpu", "cpu,cpuacct"):
        quota = _read(root / folder / "cpu.cfs_quota_us")
        period = _read(root / folder / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal():
            return int(quota) / int(period)
    return None


def _candidates(root: Path, controller_v1: str, *names: str) -> list[Path]:
    """Where the files may lie. In a container our own cgroup is the mount's root; outside it is a path below."""
    folders = [root, root / controller_v1] if controller_v1 else [root]
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            folders.append(root / path.lstrip("/"))
        elif controller_v1 and controller_v1 in controllers.split(","):
            folders.append(root / controller_v1 / path.lstrip("/"))
    return [folder / name for folder in folders for name in names]


def _meminfo_total(path: Path) -> int:
    for line in _read(path).splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
