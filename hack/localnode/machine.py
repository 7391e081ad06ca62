"""Records the state of the machine before the node, and restores it."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

from localnode import network, processes
from localnode.settings import LOCK, RUN, STATE
from localnode.shell import run

# Folders whose paths are compiled into the programs.
_FIXED = tuple(
    Path(path)
    for path in (
        "/etc/cni",
        "/opt/cni",
        "/run/containerd",
        "/run/netns",
        "/usr/libexec/kubernetes",
        "/var/lib/cni",
        "/var/lib/kubelet",
        "/var/log/containers",
        "/var/log/pods",
    )
)
_BEFORE = STATE / "before.json"
_BOOT = RUN / "boot-id"
_BOOT_NOW = Path("/proc/sys/kernel/random/boot_id")


def recorded() -> bool:
    """Returns True if a node has been started since the last `restore`."""
    return _BEFORE.exists()


def record() -> None:
    """Records, once, what `restore` must keep or write back."""
    if _BEFORE.exists():
        return
    STATE.mkdir(parents=True, exist_ok=True)
    before = {
        "sysctls": network.sysctls(),
        "chains": network.chains(),
        "folders": [str(folder) for folder in _FIXED if folder.exists()],
    }
    _BEFORE.write_text(json.dumps(before, indent=2))


def same_boot() -> bool:
    """Returns True if the machine has not been restarted since the node was started."""
    try:
        return _BOOT.read_text() == _BOOT_NOW.read_text()
    except OSError:
        return False


def mark_boot() -> None:
    """Records the id of this boot."""
    RUN.mkdir(parents=True, exist_ok=True)
    _BOOT.write_text(_BOOT_NOW.read_text())


def sweep() -> None:
    """Kills every process of the node and removes its mounts, links, chains and cgroups. Its files stay."""
    # By cgroup, not by pid file: after a restart of the machine a pid may be that of another process.
    processes.kill_members()
    for mount in mounts_below(Path("/proc/self/mounts").read_text(), STATE, RUN):
        run("umount", mount, check=False)
    for mount in mounts_below(Path("/proc/self/mounts").read_text(), STATE, RUN):
        run("umount", "--lazy", mount)
    network.down(_before().get("chains"))
    processes.remove_cgroups()
    shutil.rmtree(RUN, ignore_errors=True)


def wipe() -> None:
    """Deletes the state of the cluster, but not the record of the machine before it."""
    for path in STATE.iterdir() if STATE.exists() else ():
        if path != _BEFORE:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def restore() -> None:
    """Restores sysctls and folders, and deletes the node's files. Call `sweep` before."""
    before = _before()
    network.restore_sysctls(before.get("sysctls", {}))
    if before:
        for folder in _FIXED:
            if str(folder) not in before["folders"]:
                shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(STATE, ignore_errors=True)
    LOCK.unlink(missing_ok=True)


def mounts_below(mounts: str, *folders: Path) -> list[str]:
    """Returns the mount points in these folders, from the text of /proc/mounts, the last mounted first."""
    points = [_unescape(row.split()[1]) for row in mounts.splitlines()]
    return [point for point in reversed(points) if any(Path(point).is_relative_to(folder) for folder in folders)]


def _unescape(path: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), path)


def _before() -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads(_BEFORE.read_text()))
    return {}
