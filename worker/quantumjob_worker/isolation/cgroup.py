"""Reads memory and CPU limits of the pod's cgroup (v1 and v2). Aer alone would use those of the node."""

from __future__ import annotations

import os
from pathlib import Path

from quantumjob_contract.limits import MIB

ROOT = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60
"""cgroup v1 writes "no limit" as a number close to 2**63."""

OVERHEAD = 192 * MIB
"""Measured memory of the parent (a circuit, a result and a segment) and the fork server."""


def memory_limit(root: Path = ROOT, meminfo: Path = Path("/proc/meminfo")) -> int:
    """Returns the container's limit in bytes: the lowest cgroup limit, else the node's memory."""
    total = _meminfo_total(meminfo)
    limits = [
        int(text)
        for path in _candidates(root, "memory", "memory.max", "memory.limit_in_bytes")
        if (text := _read(path)).isdecimal() and int(text) < UNLIMITED
    ]
    return min([total, *limits])


def memory_budget(limit: int) -> int:
    """Returns the bytes for one child. Depends on the limit only, so that a retry chooses the same method."""
    return max(limit - OVERHEAD, limit // 4)


def threads(root: Path = ROOT, cpus: int | None = None) -> int:
    """Returns the CPU quota rounded to a whole number, at least 1 and at most the CPUs of the affinity mask."""
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
    """Returns where the files may be: in a container at the root of the mount, outside in a folder below."""
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
