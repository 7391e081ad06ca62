"""An operator that assigns every n-th order of shared workers to two of them, as a lost answer may.

Run as a program, with n as its argument, in place of `python -m quantumjob_operator`.
"""

from __future__ import annotations

import logging
import sys
from datetime import datetime

from quantumjob_contract.keys import Shard
from quantumjob_operator import __main__ as operator
from quantumjob_operator.scheduling.assignment import Pod
from quantumjob_operator.scheduling.queue import Queue

logger = logging.getLogger("quantumjob_operator.duplicate_orders")


class DuplicatingQueue(Queue):
    """Returns every n-th shard again to the next worker of its namespace that takes one."""

    nth = 2

    def __init__(self, max_workers: int) -> None:
        super().__init__(max_workers)
        self._taken = 0
        self._again: dict[str, Shard] = {}
        """By namespace."""

    def take(self, pod: Pod, now: datetime) -> Shard | None:
        """Returns the shard that was assigned twice last; else assigns the next."""
        if again := self._again.pop(pod.namespace, None):
            return again
        shard = super().take(pod, now)
        if shard is not None:
            self._taken += 1
            if self._taken % self.nth == 0:
                self._again[pod.namespace] = shard
                logger.warning("An order is given twice on purpose", extra={"uid": shard.owner.uid, "pod": pod.name})
        return shard


if __name__ == "__main__":
    DuplicatingQueue.nth = int(sys.argv[1])
    operator.Queue = DuplicatingQueue  # type: ignore[attr-defined]
    operator.main()
