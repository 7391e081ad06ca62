"""The measurements, each a function that takes the namespace and gives figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from benchmarks import operator_usage
from benchmarks.figures import Burst, Single
from benchmarks.namespace import WAIT_SECONDS, Namespace, QuantumJobs, Subject, create_all
from benchmarks.operator_usage import Spent
from cluster import store
from quantumjob_contract import limits
from quantumjob_contract.transfer import sha256

T = TypeVar("T")
Say = Callable[[str], None]


def idle(seconds: float) -> Spent:
    """What the operator uses when nothing happens."""
    _, spent = spent_on(lambda: time.sleep(seconds))
    return spent


def one_by_one(space: Namespace, runs: int, prefix: str, say: Say) -> tuple[list[Single], list[float]]:
    """One of each kind in turn, each alone on the cluster: A B A B."""
    singles, raw = [], []
    for index in range(runs):
        name = f"{prefix}-{index}"
        singles.append(_single(space.quantumjobs, name))
        raw.append(_alone(space.raw, name))
        say(f"{prefix} {index + 1}/{runs}: QuantumJob {singles[-1].seconds:.2f} s, raw Job {raw[-1]:.2f} s")
    return singles, raw


def _single(quantumjobs: QuantumJobs, name: str) -> Single:
    created = quantumjobs.create(name)
    ended = quantumjobs.complete([name])[name]
    quantumjobs.settle([name])
    job_seen = quantumjobs.children.first(quantumjobs.child(name))
    return Single(created, job_seen, ended.seconds, ended.object["status"]["times"])


def _alone(subject: Subject, name: str) -> float:
    created = subject.create(name)
    ended = subject.complete([name])[name]
    subject.settle([name])
    return ended.seconds - created


def burst(subject: Subject, count: int) -> Burst:
    """Many at once."""
    wanted = [f"burst-{subject.short}-{index}" for index in range(count)]
    created = create_all(subject, wanted)
    ended = subject.complete(wanted)
    subject.settle(wanted)
    return Burst(count, max(each.seconds for each in ended.values()) - min(created.values()))


def series(quantumjobs: QuantumJobs, count: int, at_once: int) -> None:
    """Many one after the other, with that many under way."""
    wanted = [f"series-{index}" for index in range(count)]
    under_way: set[str] = set()
    for name in wanted:
        if len(under_way) == at_once:
            under_way = quantumjobs.watching.wait_for_some(under_way, at_once - 1, WAIT_SECONDS)
        quantumjobs.create(name)
        under_way.add(name)
    quantumjobs.settle(wanted)


def spent_on(work: Callable[[], T]) -> tuple[T, Spent]:
    """What that gives, and what the operator uses while it is done."""
    before = operator_usage.read()
    given = work()
    return given, operator_usage.between(before, operator_usage.read())


def verified(quantumjobs: QuantumJobs, wanted: list[str]) -> int:
    """Read these results back from the completed bucket. Raises RuntimeError unless each is what its status says."""
    with store() as buckets:
        for name in wanted:
            said = quantumjobs.watching.ended(name).object["status"]["results"]
            if sha256(buckets.completed.get(said["key"], limits.MAX_MANIFEST_BYTES)) != said["sha256"]:
                raise RuntimeError(f"The result of {name} is not what its status says")
    return len(wanted)
