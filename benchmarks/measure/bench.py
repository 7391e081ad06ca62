"""The context of every measurement: the cluster, a log, and the operator's usage when idle."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from benchmarks import operator_usage, writes
from benchmarks.figures.basic import Cost
from benchmarks.figures.parts import Writes
from benchmarks.figures.timing import JobTiming
from benchmarks.namespaces import Cluster
from benchmarks.operator_usage import UsageDelta
from benchmarks.watcher import Completion
from cluster import store
from quantumjob_contract import limits
from quantumjob_contract.transfer import sha256

JSON = dict[str, Any]
T = TypeVar("T")

READERS: Final = 8
"""Results that are read back at a time."""


@dataclass(frozen=True)
class Bench:
    """The context of one run."""

    cluster: Cluster
    log: Callable[[str], None]
    finished_status: JSON
    """The status of a Bell job as the operator has written it."""
    idle: UsageDelta

    def cost(self, work: Callable[[], T], jobs: int) -> tuple[T, Cost]:
        """Returns the result of `work`, and the operator's usage above idle during it, for that many jobs."""
        given, spent = usage_of(work)
        return given, Cost(spent.above_idle(self.idle), jobs)

    def cost_and_writes(self, work: Callable[[], T], jobs: int) -> tuple[T, Cost, Writes, float]:
        """Like `cost`, with writes to the API server and the processor time of this process in ms."""
        before = writes.read(self.cluster.api)

        def timed() -> tuple[T, float]:
            started = time.process_time()
            return work(), (time.process_time() - started) * 1000

        (given, client_ms), cost = self.cost(timed, jobs)
        return given, cost, writes.read(self.cluster.api) - before, client_ms


def usage_of(work: Callable[[], T]) -> tuple[T, UsageDelta]:
    """Returns the result of `work`, and the operator's usage during it."""
    before = operator_usage.read()
    given = work()
    return given, operator_usage.between(before, operator_usage.read())


def idle_usage(seconds: float) -> UsageDelta:
    """Returns the operator's usage when idle."""
    _, spent = usage_of(lambda: time.sleep(seconds))
    return spent


def timing(created: float, ended: Completion) -> JobTiming:
    return JobTiming(created, ended.seconds, ended.item.status.times)


def timings(created: dict[str, float], ended: dict[str, Completion]) -> list[JobTiming]:
    """Returns the times in the order of creation."""
    return [timing(at, ended[name]) for name, at in sorted(created.items(), key=lambda pair: pair[1])]


def verified(ended: list[Completion]) -> int:
    """Reads these results back from the completed bucket; returns their number.

    Raises RuntimeError unless each has the sha256 of its status.
    """
    with store() as buckets, ThreadPoolExecutor(READERS) as pool:

        def check(each: Completion) -> None:
            stored = each.item.status.results
            found = buckets.completed.get(stored.key, limits.MAX_MANIFEST_BYTES) if stored else b""
            if stored is None or sha256(found) != stored.sha256:
                raise RuntimeError(f"The result of {each.item.metadata.name} is not what its status says")

        return len(list(pool.map(check, ended)))
