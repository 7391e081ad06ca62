"""Raw Jobs all at once, and dedicated QuantumJobs all at once."""

from __future__ import annotations

from benchmarks.figures.basic import Rate
from benchmarks.figures.parts import Many
from benchmarks.figures.single import rate
from benchmarks.measure.alone import settle
from benchmarks.measure.bench import Bench, singles
from benchmarks.spaces import DEDICATED, Space, Subject, raw
from benchmarks.watching import Ended


def raw_jobs(bench: Bench, count: int) -> Rate:
    bench.say(f"{count} raw Jobs at once")
    space = bench.cluster.fresh()
    subject = raw(space)
    created, ended = at_once(space, subject, count, "raw")
    space.clean()
    return Rate(count, max(each.seconds for each in ended.values()) - min(created.values()))


def dedicated(bench: Bench, count: int) -> Many:
    bench.say(f"{count} dedicated QuantumJobs at once")
    space = bench.cluster.fresh()

    def work() -> Rate:
        created, ended = at_once(space, DEDICATED, count, "dedicated")
        settle(space, list(ended.values()))
        return rate(singles(created, ended))

    found, cost = bench.cost(work, count)
    _, cleaning = bench.cost(space.clean, count)
    return Many(found, cost, cleaning)


def at_once(space: Space, subject: Subject, count: int, prefix: str) -> tuple[dict[str, float], dict[str, Ended]]:
    """Create them, and wait until they are complete."""
    wanted = [f"{prefix}-{index}" for index in range(count)]
    created = space.create_all(subject, wanted)
    return created, space.complete(subject, wanted)
