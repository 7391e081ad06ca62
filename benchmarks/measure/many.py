"""Measures raw Jobs all at once, and dedicated QuantumJobs all at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from benchmarks.figures.basic import Cost, Rate
from benchmarks.figures.parts import Many
from benchmarks.figures.timing import rate
from benchmarks.measure.alone import settle
from benchmarks.measure.bench import Bench, timings
from benchmarks.namespaces import DEDICATED, BenchNamespace, ObjectTemplate, raw_template
from benchmarks.watcher import Completion

T = TypeVar("T")


def between_raw_jobs(bench: Bench, count: int, work: Callable[[], T]) -> tuple[T, Rate]:
    """Returns the result of `work`, and the rate of raw Jobs right before and after it: speed varies within minutes."""
    before = raw_jobs(bench, count)
    given = work()
    return given, before + raw_jobs(bench, count)


def raw_jobs(bench: Bench, count: int) -> Rate:
    bench.log(f"{count} raw Jobs at once")
    namespace = bench.cluster.new_namespace()
    template = raw_template(namespace)
    created, ended = at_once(namespace, template, count, "raw")
    namespace.delete_all()
    return Rate(count, max(each.seconds for each in ended.values()) - min(created.values()))


def dedicated(bench: Bench, count: int) -> Many:
    def work() -> tuple[Rate, Cost, Cost]:
        bench.log(f"{count} dedicated QuantumJobs at once")
        namespace = bench.cluster.new_namespace()

        def complete() -> Rate:
            created, ended = at_once(namespace, DEDICATED, count, "dedicated")
            settle(namespace, list(ended.values()))
            return rate(timings(created, ended))

        found, cost = bench.cost(complete, count)
        _, cleaning = bench.cost(namespace.delete_all, count)
        return found, cost, cleaning

    (found, cost, cleaning), raw = between_raw_jobs(bench, count, work)
    return Many(found, cost, cleaning, raw)


def at_once(
    namespace: BenchNamespace, template: ObjectTemplate, count: int, prefix: str
) -> tuple[dict[str, float], dict[str, Completion]]:
    """Creates them, and waits until they are complete."""
    wanted = [f"{prefix}-{index}" for index in range(count)]
    created = namespace.create_all(template, wanted)
    return created, namespace.wait_complete(template, wanted)
