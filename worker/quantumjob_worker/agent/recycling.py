"""When a worker that serves one order after the other has served enough. A fresh one is a second away."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from quantumjob_contract.limits import MIB

MAX_ORDERS: Final = 1000
MAX_GROWTH: Final = 64 * MIB
"""Of resident memory, since the first order: something leaks, and is taken from what a pub may have."""

PROC: Final = Path("/proc")


class RecyclingPolicy:
    """Counts orders, and watches the memory of this process and the fork server."""

    def __init__(self, pids: Iterable[int], proc: Path = PROC) -> None:
        self._files = [proc / str(pid) / "statm" for pid in pids]
        self._before: list[int] = []
        self._orders = 0

    def reason(self) -> str:
        """Called after each order: why it was the last one; empty where it was not."""
        self._orders += 1
        now = [_resident(file) for file in self._files]
        self._before = self._before or now
        growth = max((after - before for before, after in zip(self._before, now, strict=True)), default=0)
        if growth > MAX_GROWTH:
            return f"its memory grew by {growth // MIB} MiB"
        return f"it has had {self._orders} orders" if self._orders >= MAX_ORDERS else ""


def _resident(statm: Path) -> int:
    """Bytes; 0 for a process that is gone, which the next order finds out."""
    try:
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
