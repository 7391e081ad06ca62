"""Memory and CPUs as a container sees them, in both versions of cgroups."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantumjob_contract.limits import MIB
from quantumjob_worker.isolation import cgroup


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.max": "536870912\n"}, 512),
        ({"memory.max": "max\n"}, 1024),
        ({"memory/memory.limit_in_bytes": "268435456\n"}, 256),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 1024),
        ({"memory.max": "9999999999\n"}, 1024),
        ({}, 1024),
    ],
)
def test_memory(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    root = write(tmp_path / "cgroup", files)
    meminfo = write(tmp_path, {"meminfo": "MemFree: 1 kB\nMemTotal: 1048576 kB\n"}) / "meminfo"
    assert cgroup.memory_limit(root, meminfo) == expected * MIB


def test_budget_leaves_room_and_is_never_nothing() -> None:
    assert cgroup.memory_budget(1024 * MIB) == 832 * MIB
    assert cgroup.memory_budget(128 * MIB) == 32 * MIB


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "10000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, 4),
        ({"cpu,cpuacct/cpu.cfs_quota_us": "300000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({"cpu.max": "9900000 100000\n"}, 8),
        ({}, 8),
    ],
)
def test_threads(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    assert cgroup.threads(write(tmp_path, files), cpus=8) == expected
