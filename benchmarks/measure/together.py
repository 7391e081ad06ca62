"""Measures small jobs together with a long one, and small namespaces together with a large one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Final

from benchmarks import jobs
from benchmarks.figures.timing import JobTiming, seconds
from benchmarks.figures.together import Crowd, Mixed, WithLongJob
from benchmarks.measure.bench import Bench, timings
from benchmarks.measure.many import at_once
from benchmarks.measure.small import namespace_with_worker
from benchmarks.namespaces import BELL, BenchNamespace, ObjectTemplate
from quantumjob_operator.kubernetes.client import QUANTUMJOBS

PROBE_LAYERS: Final = 16
"""Enough to run as a statevector, as the long one does: fewer are little entangled and run by another method."""
ORDERS: Final = {"first": 0.0, "in the middle": 0.5, "last": 1.0}
"""Share of the small jobs that is created before the long one."""


def mixed(bench: Bench, count: int, long_seconds: float) -> Mixed:
    """Measures small jobs at once in a new namespace, and the same with a long one in each order of creation."""
    layers, long_alone = _calibrate(bench, long_seconds)
    bench.log(f"a long job of {layers} layers: {long_alone:.1f} s alone; {count} small ones without it")
    namespace = bench.cluster.new_namespace()
    without = seconds(timings(*at_once(namespace, BELL, count, "small")))
    namespace.delete_all()
    orders = {}
    for order, share in ORDERS.items():
        found = _with_long_job(bench, count, int(share * count), ObjectTemplate(QUANTUMJOBS, jobs.long(layers)))
        bench.log(f"the same with it, created {order}: {median(found.small) / median(without):.2f}")
        orders[order] = found
    return Mixed(long_alone, layers, without, orders)


def _calibrate(bench: Bench, wanted: float) -> tuple[int, float]:
    """Returns the layers of a circuit that takes about that long, and its measured time alone at a running worker."""
    namespace = namespace_with_worker(bench.cluster)
    layer = _alone(namespace, "probe", PROBE_LAYERS) / PROBE_LAYERS
    layers = max(1, round(wanted / layer))
    took = _alone(namespace, "long", layers)
    namespace.delete_all()
    return layers, took


def _alone(namespace: BenchNamespace, name: str, layers: int) -> float:
    long = ObjectTemplate(QUANTUMJOBS, jobs.long(layers))
    created = namespace.create(long, name)
    return namespace.wait_complete(long, [name])[name].seconds - created


def _with_long_job(bench: Bench, count: int, before: int, long: ObjectTemplate) -> WithLongJob:
    namespace = bench.cluster.new_namespace()
    wanted = [f"small-{index}" for index in range(count)]
    created = namespace.create_all(BELL, wanted[:before])
    long_created = namespace.create(long, "long")
    created |= namespace.create_all(BELL, wanted[before:])
    small = timings(created, namespace.wait_complete(BELL, wanted))
    ended = namespace.wait_complete(long, ["long"])["long"].seconds
    namespace.delete_all()
    overlap = sum(each.completed < ended for each in small) / count
    return WithLongJob(seconds(small), ended - long_created, overlap)


def crowd(bench: Bench, many: int, few: int) -> Crowd:
    """Measures one namespace with many jobs and two with few, created at the same time by three threads."""
    bench.log(f"{many} in one namespace, {few} each in two others")
    namespaces = [bench.cluster.new_namespace() for _ in range(3)]
    start = threading.Barrier(len(namespaces))

    def work(namespace: BenchNamespace, count: int) -> list[JobTiming]:
        wanted = [f"crowd-{index}" for index in range(count)]
        start.wait()
        created = {name: namespace.create(BELL, name) for name in wanted}
        return timings(created, namespace.wait_complete(BELL, wanted))

    with ThreadPoolExecutor(len(namespaces)) as pool:
        of_namespaces = list(pool.map(work, namespaces, [many, few, few]))
    for namespace in namespaces:
        namespace.delete_all()
    first = min(each.created for of_namespace in of_namespaces for each in of_namespace)
    large, *small = ([each.completed - first for each in of_namespace] for of_namespace in of_namespaces)
    found = Crowd(large, small)
    bench.log(f"{found.ahead} complete before the last of the small namespaces")
    return found
