"""Measures small QuantumJobs at shared workers: one after another, some at a time, a thousand at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.figures.basic import Cost, Rate
from benchmarks.figures.parts import Burst, Standing
from benchmarks.figures.timing import JobTiming, rate
from benchmarks.measure.bench import Bench, timings, verified
from benchmarks.measure.many import between_raw_jobs
from benchmarks.namespaces import BELL, WAIT_SECONDS, BenchNamespace, Cluster
from benchmarks.watcher import Completion, now
from quantumjob_operator.kubernetes.client import QUANTUMJOBS

JSON = dict[str, Any]


def finished_status(cluster: Cluster) -> JSON:
    """Returns the status of the first job of a run, which also warms up caches."""
    namespace = namespace_with_worker(cluster)
    status: JSON = cluster.api.ask("GET", QUANTUMJOBS.path(namespace.name, "first"))["status"]
    namespace.delete_all()
    return status


def namespace_with_worker(cluster: Cluster) -> BenchNamespace:
    """Returns a new namespace in which a worker has just done its first job."""
    namespace = cluster.new_namespace()
    one_after_another(namespace, ["first"])
    return namespace


def one_after_another(namespace: BenchNamespace, wanted: list[str]) -> list[JobTiming]:
    """Creates each when the one before it is complete."""
    found = []
    for name in wanted:
        created = namespace.create(BELL, name)
        found += timings({name: created}, namespace.wait_complete(BELL, [name]))
    return found


def standing(bench: Bench, count: int) -> Standing:
    bench.log(f"{count} one after another, a worker running")
    namespace = namespace_with_worker(bench.cluster)
    wanted = [f"standing-{index}" for index in range(count)]
    found, cost, writes, client_ms = bench.cost_and_writes(lambda: one_after_another(namespace, wanted), count)
    namespace.delete_all()
    return Standing(found, cost, writes, client_ms)


def series(bench: Bench, count: int, at_once: int) -> Cost:
    """Runs many one after the other, with `at_once` at a time."""
    bench.log(f"{count} in a series, {at_once} at a time")
    namespace = namespace_with_worker(bench.cluster)
    wanted = [f"series-{index}" for index in range(count)]

    def work() -> None:
        running: set[str] = set()
        for name in wanted:
            if len(running) == at_once:
                keys = [namespace.key(each) for each in running]
                left = namespace.cluster.quantumjobs.wait_for_some(keys, at_once - 1, WAIT_SECONDS)
                running = {key.name for key in left}
            namespace.create(BELL, name)
            running.add(name)
        namespace.wait_complete(BELL, wanted)

    _, cost = bench.cost(work, count)
    namespace.delete_all()
    return cost


def burst(bench: Bench, count: int, raw_jobs: int) -> Burst:
    """Runs many at once in a new namespace, without a worker."""
    made, raw = between_raw_jobs(bench, raw_jobs, lambda: _burst(bench, count))
    return made(raw)


def _burst(bench: Bench, count: int) -> Callable[[Rate], Burst]:
    """Runs all but the raw Jobs; returns the figures that lack these."""
    bench.log(f"{count} at once, from no worker")
    namespace = bench.cluster.new_namespace()
    wanted = [f"burst-{index}" for index in range(count)]

    def work() -> tuple[dict[str, float], Rate, dict[str, Completion]]:
        created = namespace.create_all(BELL, wanted)
        creation = Rate(count, now() - min(created.values()))
        return created, creation, namespace.wait_complete(BELL, wanted)

    (created, creation, ended), cost, writes, client_ms = bench.cost_and_writes(work, count)
    bench.log(f"{rate(timings(created, ended)).each_second:.1f} a second; reading {count} results back")
    read_back = verified(list(ended.values()))
    namespace.delete_all()
    return partial(Burst, timings(created, ended), creation, read_back, cost, writes, client_ms)
