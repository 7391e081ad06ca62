"""Small jobs beside a long one, and small namespaces beside a large one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Final

from benchmarks import jobs
from benchmarks.figures.timing import Single, seconds
from benchmarks.figures.together import Company, Crowd, Mixed
from benchmarks.measure.bench import Bench, singles
from benchmarks.measure.many import at_once
from benchmarks.measure.small import with_worker
from benchmarks.namespaces import BELL, Space, Subject
from quantumjob_operator.kubernetes.client import QUANTUMJOBS

PROBE_LAYERS: Final = 16
"""So many that it runs as a statevector, as the long one does: fewer are little entangled, and run another way."""
ORDERS: Final = {"first": 0.0, "in the middle": 0.5, "last": 1.0}
"""Which share of the small ones is created before the long one."""


def mixed(bench: Bench, count: int, long_seconds: float) -> Mixed:
    """Small jobs at once in a fresh namespace, and the same with a long one in each of the orders."""
    layers, long_alone = _calibrate(bench, long_seconds)
    bench.say(f"a long job of {layers} layers: {long_alone:.1f} s alone; {count} small ones without it")
    space = bench.cluster.fresh()
    without = seconds(singles(*at_once(space, BELL, count, "small")))
    space.clean()
    orders = {}
    for order, share in ORDERS.items():
        found = _in_company(bench, count, int(share * count), Subject(QUANTUMJOBS, jobs.long(layers)))
        bench.say(f"the same with it, created {order}: {median(found.small) / median(without):.2f}")
        orders[order] = found
    return Mixed(long_alone, layers, without, orders)


def _calibrate(bench: Bench, wanted: float) -> tuple[int, float]:
    """Layers of a circuit that takes about as long as wanted, and how long it does take, alone at a standing worker."""
    space = with_worker(bench.cluster)
    layer = _alone(space, "probe", PROBE_LAYERS) / PROBE_LAYERS
    layers = max(1, round(wanted / layer))
    took = _alone(space, "long", layers)
    space.clean()
    return layers, took


def _alone(space: Space, name: str, layers: int) -> float:
    long = Subject(QUANTUMJOBS, jobs.long(layers))
    created = space.create(long, name)
    return space.complete(long, [name])[name].seconds - created


def _in_company(bench: Bench, count: int, before: int, long: Subject) -> Company:
    space = bench.cluster.fresh()
    wanted = [f"small-{index}" for index in range(count)]
    created = space.create_all(BELL, wanted[:before])
    long_created = space.create(long, "long")
    created |= space.create_all(BELL, wanted[before:])
    small = singles(created, space.complete(BELL, wanted))
    ended = space.complete(long, ["long"])["long"].seconds
    space.clean()
    overlap = sum(each.completed < ended for each in small) / count
    return Company(seconds(small), ended - long_created, overlap)


def crowd(bench: Bench, many: int, few: int) -> Crowd:
    """One namespace with many and two with few, created at the same time, each by a thread of its own."""
    bench.say(f"{many} in one namespace, {few} each in two others")
    spaces = [bench.cluster.fresh() for _ in range(3)]
    start = threading.Barrier(len(spaces))

    def work(space: Space, count: int) -> list[Single]:
        wanted = [f"crowd-{index}" for index in range(count)]
        start.wait()
        created = {name: space.create(BELL, name) for name in wanted}
        return singles(created, space.complete(BELL, wanted))

    with ThreadPoolExecutor(len(spaces)) as pool:
        of_spaces = list(pool.map(work, spaces, [many, few, few]))
    for space in spaces:
        space.clean()
    first = min(each.created for of_space in of_spaces for each in of_space)
    large, *small = ([each.completed - first for each in of_space] for of_space in of_spaces)
    found = Crowd(large, small)
    bench.say(f"{found.ahead} complete before the last of the small namespaces")
    return found
