"""What every measurement needs: the cluster, someone to tell, and what the operator uses when nothing happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from benchmarks import operator_usage, writes
from benchmarks.figures.basic import Cost
from benchmarks.figures.parts import Writes
from benchmarks.figures.timing import Single
from benchmarks.namespaces import Cluster
from benchmarks.operator_usage import Spent
from benchmarks.watcher import Ended
from cluster import store
from quantumjob_contract import limits
from quantumjob_contract.transfer import sha256

JSON = dict[str, Any]
T = TypeVar("T")

READERS: Final = 8
"""Results read back at a time."""


@dataclass(frozen=True)
class Bench:
    """Of one run."""

    cluster: Cluster
    say: Callable[[str], None]
    finished: JSON
    """The status of a Bell job, as the operator has written it."""
    idle: Spent

    def cost(self, work: Callable[[], T], jobs: int) -> tuple[T, Cost]:
        """What that gives, and what the operator uses above idle while so many jobs are done."""
        given, spent = spent_on(work)
        return given, Cost(spent.above(self.idle), jobs)

    def watched(self, work: Callable[[], T], jobs: int) -> tuple[T, Cost, Writes, float]:
        """The same, with writes to the API server, and the processor time of this process in ms."""
        before = writes.read(self.cluster.api)

        def timed() -> tuple[T, float]:
            started = time.process_time()
            return work(), (time.process_time() - started) * 1000

        (given, client_ms), cost = self.cost(timed, jobs)
        return given, cost, writes.read(self.cluster.api) - before, client_ms


def spent_on(work: Callable[[], T]) -> tuple[T, Spent]:
    """What that gives, and what the operator uses while it is done."""
    before = operator_usage.read()
    given = work()
    return given, operator_usage.between(before, operator_usage.read())


def at_rest(seconds: float) -> Spent:
    """What the operator uses when nothing happens."""
    _, spent = spent_on(lambda: time.sleep(seconds))
    return spent


def single(created: float, ended: Ended) -> Single:
    return Single(created, ended.seconds, ended.item.status.times)


def singles(created: dict[str, float], ended: dict[str, Ended]) -> list[Single]:
    """In the order in which they were created."""
    return [single(at, ended[name]) for name, at in sorted(created.items(), key=lambda pair: pair[1])]


def verified(ended: list[Ended]) -> int:
    """Read these results back from the completed bucket. Raises RuntimeError unless each is what its status says."""
    with store() as buckets, ThreadPoolExecutor(READERS) as pool:

        def check(each: Ended) -> None:
            said = each.item.status.results
            found = buckets.completed.get(said.key, limits.MAX_MANIFEST_BYTES) if said else b""
            if said is None or sha256(found) != said.sha256:
                raise RuntimeError(f"The result of {each.item.metadata.name} is not what its status says")

        return len(list(pool.map(check, ended)))
