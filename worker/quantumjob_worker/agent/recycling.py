"""Decides when a shared worker exits after an order, to be replaced by a new one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from quantumjob_contract.limits import MIB

MAX_ORDERS: Final = 1000
MAX_GROWTH: Final = 64 * MIB
"""Growth of resident memory since the first order: leaked memory is not available to pubs."""

PROC: Final = Path("/proc")


class RecyclingPolicy:
    """Counts orders, and measures the resident memory of the parent and the fork server."""

    def __init__(self, pids: Iterable[int], proc: Path = PROC) -> None:
        self._files = [proc / str(pid) / "statm" for pid in pids]
        self._before: list[int] = []
        self._orders = 0

    def reason(self) -> str:
        """Called after each order. Returns why it was the last one, or an empty string."""
        self._orders += 1
        now = [_resident(file) for file in self._files]
        self._before = self._before or now
        growth = max((after - before for before, after in zip(self._before, now, strict=True)), default=0)
        if growth > MAX_GROWTH:
            return f"memory grew by {growth // MIB} MiB"
        return f"ran {self._orders} orders" if self._orders >= MAX_ORDERS else ""


def _resident(statm: Path) -> int:
    """Returns resident bytes; 0 for a process that has exited."""
    try:
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
