"""Small QuantumJobs at shared workers: one after another, some under way, a thousand at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.figures.basic import Cost, Rate
from benchmarks.figures.parts import Burst, Standing
from benchmarks.figures.timing import Single, rate
from benchmarks.measure.bench import Bench, singles, verified
from benchmarks.measure.many import beside_raw
from benchmarks.namespaces import BELL, WAIT_SECONDS, Cluster, Space
from benchmarks.watcher import Ended, now
from quantumjob_operator.kubernetes.client import QUANTUMJOBS

JSON = dict[str, Any]


def finished_status(cluster: Cluster) -> JSON:
    """Of the first job of a run, which warms up what needs it."""
    space = with_worker(cluster)
    status: JSON = cluster.api.ask("GET", QUANTUMJOBS.path(space.name, "first"))["status"]
    space.clean()
    return status


def with_worker(cluster: Cluster) -> Space:
    """A fresh namespace in which a worker has just done its first job."""
    space = cluster.fresh()
    one_after_another(space, ["first"])
    return space


def one_after_another(space: Space, wanted: list[str]) -> list[Single]:
    """Each created when the one before it is complete."""
    found = []
    for name in wanted:
        created = space.create(BELL, name)
        found += singles({name: created}, space.complete(BELL, [name]))
    return found


def standing(bench: Bench, count: int) -> Standing:
    bench.say(f"{count} one after another, a worker standing")
    space = with_worker(bench.cluster)
    wanted = [f"standing-{index}" for index in range(count)]
    found, cost, writes, client_ms = bench.watched(lambda: one_after_another(space, wanted), count)
    space.clean()
    return Standing(found, cost, writes, client_ms)


def series(bench: Bench, count: int, at_once: int) -> Cost:
    """Many one after the other, with that many under way."""
    bench.say(f"{count} in a series, {at_once} under way")
    space = with_worker(bench.cluster)
    wanted = [f"series-{index}" for index in range(count)]

    def work() -> None:
        under_way: set[str] = set()
        for name in wanted:
            if len(under_way) == at_once:
                keys = [space.key(each) for each in under_way]
                left = space.cluster.quantumjobs.wait_for_some(keys, at_once - 1, WAIT_SECONDS)
                under_way = {key.name for key in left}
            space.create(BELL, name)
            under_way.add(name)
        space.complete(BELL, wanted)

    _, cost = bench.cost(work, count)
    space.clean()
    return cost


def burst(bench: Bench, count: int, raw_jobs: int) -> Burst:
    """From no worker at all: the namespace is new."""
    made, raw = beside_raw(bench, raw_jobs, lambda: _burst(bench, count))
    return made(raw)


def _burst(bench: Bench, count: int) -> Callable[[Rate], Burst]:
    """All but the raw Jobs beside it."""
    bench.say(f"{count} at once, from no worker")
    space = bench.cluster.fresh()
    wanted = [f"burst-{index}" for index in range(count)]

    def work() -> tuple[dict[str, float], Rate, dict[str, Ended]]:
        created = space.create_all(BELL, wanted)
        creation = Rate(count, now() - min(created.values()))
        return created, creation, space.complete(BELL, wanted)

    (created, creation, ended), cost, writes, client_ms = bench.watched(work, count)
    bench.say(f"{rate(singles(created, ended)).each_second:.1f} a second; reading {count} results back")
    read_back = verified(list(ended.values()))
    space.clean()
    return partial(Burst, singles(created, ended), creation, read_back, cost, writes, client_ms)
