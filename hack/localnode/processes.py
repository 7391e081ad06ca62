"""Starts daemons with pid files, in a cgroup that identifies every process of the node."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from localnode.settings import CGROUP, LOGS, NODE_IP, POD_CIDR, RUN, SERVICE_CIDR
from localnode.shell import CommandError, tail

_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Daemon:
    """A program of the node with its arguments."""

    name: str
    command: tuple[str, ...]

    @property
    def log(self) -> Path:
        """Returns the path of its log."""
        return LOGS / f"{self.name}.log"

    def alive(self) -> bool:
        """Returns True if the process of the pid file runs and is the one that was started."""
        return alive(self.name)

    def start(self) -> None:
        """Starts the program, detached, in the node's cgroup."""
        LOGS.mkdir(parents=True, exist_ok=True)
        _pid_file(self.name).parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            # Joined before exec, so that all its children (shims, containers) are in the cgroup too.
            process = subprocess.Popen(
                ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', _daemons_cgroup() / "cgroup.procs", *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment(os.environ),
                start_new_session=True,
            )
        _pid_file(self.name).write_text(f"{process.pid} {start_time(process.pid)}\n")

    def failure(self, what: str) -> str:
        """Returns an error message with the end of the log."""
        state = "runs" if self.alive() else "has exited"
        return f"{what}: {self.name} {state}; its log is {self.log}\n{tail(self.log)}"


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment of a daemon: the inherited one, but without a proxy between the node's components."""
    own = f"127.0.0.1,{NODE_IP},{SERVICE_CIDR},{POD_CIDR}"
    before = inherited.get("NO_PROXY") or inherited.get("no_proxy")
    without = f"{before},{own}" if before else own
    return {**inherited, "NO_PROXY": without, "no_proxy": without}


def alive(name: str) -> bool:
    """Returns True if the daemon of this name runs."""
    return _recorded(name) is not None


def start_time(pid: int) -> str:
    """Returns the start time of a process in clock ticks since boot, or "" if it does not exist or is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def hierarchies() -> list[Path]:
    """Returns the mount points of cgroups: one on v2, one for each controller on v1."""
    rows = (row.split() for row in Path("/proc/mounts").read_text().splitlines())
    found = [Path(row[1]) for row in rows if row[2] in ("cgroup", "cgroup2")]
    return sorted(path for path in found if path.is_relative_to(_CGROUPS))


def make_cgroups() -> None:
    """Creates the node's cgroup in every hierarchy, as the kubelet requires."""
    for hierarchy in hierarchies():
        root = hierarchy / CGROUP
        root.mkdir(exist_ok=True)
        # A new cpuset of v1 is empty, and no process can join it.
        for name in ("cpuset.cpus", "cpuset.mems"):
            with contextlib.suppress(FileNotFoundError):
                if not (root / name).read_text().strip():
                    (root / name).write_text((hierarchy / name).read_text())
    _daemons_cgroup().mkdir(exist_ok=True)


def members() -> list[int]:
    """Returns the pids of the node: daemons, shims, and the processes of Pods."""
    pids: set[int] = set()
    for hierarchy in hierarchies():
        for procs in (hierarchy / CGROUP).rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                pids.update(int(pid) for pid in procs.read_text().split())
    return sorted(pids - {0, os.getpid()})


def kill_members() -> None:
    """Kills every process of the node. Raises CommandError if one is left after 20 seconds."""

    def gone() -> bool:
        pids = members()
        for pid in pids:
            _signal(pid, signal.SIGKILL)
        return not pids

    if not _wait(gone, 20):
        raise CommandError(f"processes of the node cannot be killed: {members()}")


def remove_cgroups() -> None:
    """Removes the node's cgroups, the deepest first, since only empty ones can be removed."""
    for hierarchy in hierarchies():
        root = hierarchy / CGROUP
        for folder, _, _ in os.walk(root, topdown=False):
            _wait(partial(_rmdir, Path(folder)), 5)


def _daemons_cgroup() -> Path:
    # The freezer is the only hierarchy of v1 in which neither systemd nor a container runtime moves daemons.
    known = hierarchies()
    base = next((path for path in known if path.name == "freezer"), known[0])
    return base / CGROUP / "daemons"


def _pid_file(name: str) -> Path:
    return RUN / "pids" / name


def _recorded(name: str) -> int | None:
    try:
        pid, started = _pid_file(name).read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if start_time(int(pid)) == started else None


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _rmdir(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
