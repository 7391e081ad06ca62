"""Reads processor time and memory of the operator's process (PID 1) in its pod."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Final

from cluster import SYSTEM, kubectl

TICK_MS: Final = 10.0
"""Linux reports processor time to user space in hundredths of a second on every architecture."""
COMMAND: Final = ("exec", "-n", SYSTEM, "deploy/quantumjob-operator", "--", "cat", "/proc/1/stat", "/proc/1/status")


@dataclass(frozen=True)
class Usage:
    """One reading."""

    at: float
    """Seconds by the monotonic clock."""
    started: int
    """Start of the process in ticks since boot; another number means another process."""
    cpu_ms: float
    """User and system time of all its threads and of the children that it has waited for."""
    resident_mib: float
    peak_mib: float


@dataclass(frozen=True)
class UsageDelta:
    """The usage between two readings."""

    seconds: float
    cpu_ms: float

    def above_idle(self, idle: UsageDelta) -> float:
        """Returns CPU ms less the cost of the same time when idle."""
        return max(0.0, self.cpu_ms - idle.cpu_ms / idle.seconds * self.seconds)


ATTEMPTS: Final = 3


def read() -> Usage:
    """Returns the operator's usage now. Retries where kubectl fails; `between` reports a replaced operator."""
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(RuntimeError, ValueError, KeyError, IndexError):
            return parse(kubectl(*COMMAND), time.monotonic())
    return parse(kubectl(*COMMAND), time.monotonic())


def parse(text: str, at: float) -> Usage:
    """Parses `/proc/1/stat` followed by `/proc/1/status`."""
    stat, _, status = text.partition("\n")
    values = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    mib = {name: int(values[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")}
    return Usage(at, int(_fields(stat)[19]), ticks(stat) * TICK_MS, mib["VmRSS"], mib["VmHWM"])


def ticks(stat: str) -> int:
    """Returns user and system time of the process and of the children that it has waited for."""
    return sum(int(field) for field in _fields(stat)[11:15])


def _fields(stat: str) -> list[str]:
    """Returns the fields from the third on: the second is the command in brackets, which may contain spaces."""
    return stat[stat.rindex(")") + 2 :].split()


def between(before: Usage, after: Usage) -> UsageDelta:
    """Returns the difference. Raises RuntimeError if the operator was restarted in between."""
    if before.started != after.started:
        raise RuntimeError("The operator was restarted while it was measured; run the benchmark again.")
    return UsageDelta(after.at - before.at, after.cpu_ms - before.cpu_ms)
