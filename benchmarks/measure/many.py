"""Raw Jobs all at once, and dedicated QuantumJobs all at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from benchmarks.figures.basic import Cost, Rate
from benchmarks.figures.parts import Many
from benchmarks.figures.timing import rate
from benchmarks.measure.alone import settle
from benchmarks.measure.bench import Bench, singles
from benchmarks.namespaces import DEDICATED, Space, Subject, raw
from benchmarks.watcher import Ended

T = TypeVar("T")


def beside_raw(bench: Bench, count: int, work: Callable[[], T]) -> tuple[T, Rate]:
    """What that gives, and the rate of raw Jobs right before and after it: a machine's speed changes within minutes."""
    before = raw_jobs(bench, count)
    given = work()
    return given, before + raw_jobs(bench, count)


def raw_jobs(bench: Bench, count: int) -> Rate:
    bench.say(f"{count} raw Jobs at once")
    space = bench.cluster.fresh()
    subject = raw(space)
    created, ended = at_once(space, subject, count, "raw")
    space.clean()
    return Rate(count, max(each.seconds for each in ended.values()) - min(created.values()))


def dedicated(bench: Bench, count: int) -> Many:
    def work() -> tuple[Rate, Cost, Cost]:
        bench.say(f"{count} dedicated QuantumJobs at once")
        space = bench.cluster.fresh()

        def complete() -> Rate:
            created, ended = at_once(space, DEDICATED, count, "dedicated")
            settle(space, list(ended.values()))
            return rate(singles(created, ended))

        found, cost = bench.cost(complete, count)
        _, cleaning = bench.cost(space.clean, count)
        return found, cost, cleaning

    (found, cost, cleaning), raw = beside_raw(bench, count, work)
    return Many(found, cost, cleaning, raw)


def at_once(space: Space, subject: Subject, count: int, prefix: str) -> tuple[dict[str, float], dict[str, Ended]]:
    """Create them, and wait until they are complete."""
    wanted = [f"{prefix}-{index}" for index in range(count)]
    created = space.create_all(subject, wanted)
    return created, space.complete(subject, wanted)
