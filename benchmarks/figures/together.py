"""Figures of small jobs together with a long one, with a large namespace, or with many finished and waiting ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from benchmarks.figures.basic import Baseline, Target

NOT_REACHED = 1e6
"""Seconds of an event that did not happen before the timeout."""


@dataclass(frozen=True)
class WithLongJob:
    """Small jobs together with a long one."""

    small: list[float]
    """Seconds from create to Complete."""
    long: float
    """The same for the long one."""
    overlap: float
    """Share of the small ones that completed before the long one."""


@dataclass(frozen=True)
class Mixed:
    """Small jobs at once, without and with a long one, each time in a new namespace."""

    long_alone: float
    layers: int
    """Layers of the long circuit, calibrated in the run."""
    without: list[float]
    orders: dict[str, WithLongJob]
    """By the order of creation of the long one: first, in the middle, last."""

    def ratio(self, order: str) -> float:
        return median(self.orders[order].small) / median(self.without)

    def targets(self, _: Baseline) -> list[Target]:
        return [
            Target(
                f"median of {len(self.without)} small ones with a long one ({order}) / without", self.ratio(order), 2
            )
            for order in self.orders
        ]


@dataclass(frozen=True)
class Crowd:
    """One namespace with many jobs and some with few, created at the same time; seconds from the first create."""

    many: list[float]
    few: list[list[float]]

    @property
    def ahead(self) -> int:
        """How many of the large namespace were complete when the last of the small namespaces was."""
        last = max(map(max, self.few))
        return sum(each <= last for each in self.many)

    def targets(self, _: Baseline) -> list[Target]:
        name = f"of {len(self.many)} in one namespace, complete when {len(self.few)} with {len(self.few[0])} each were"
        return [Target(name, self.ahead, 50, "jobs", below=True)]


@dataclass(frozen=True)
class Backlog:
    """The operator with many finished and many waiting QuantumJobs."""

    finished: int
    waiting: int
    ready: float
    """From the deletion of the operator's pod until the new one is Ready."""
    steady: float
    """Until the steady state, in which every waiting job is queued. NOT_REACHED after the timeout."""
    restart_writes: int
    """Status writes from the deletion until then."""
    new_jobs: list[float]
    """New Bell jobs, one after another, at a running worker of another namespace: create to Complete."""
    memory_before: float
    """Resident MiB of the operator before the restart, and after it at the end."""
    memory_after: float
    memory_peak: float
    drained: int
    """Waiting jobs that completed after the quota was deleted."""
    drain_seconds: float
    reasons: dict[str, int] = field(default_factory=dict)
    """The waiting jobs before the restart, by the reason in their status."""

    def targets(self, baseline: Baseline) -> list[Target]:
        name = f"with {self.finished:,} finished and {self.waiting:,} waiting"
        return [
            Target(f"operator's memory {name}", max(self.memory_before, self.memory_after), 150, "MiB"),
            Target(f"operator restarted {name}: steady again", self.steady, 15, "s"),
            Target(f"new Bell {name}: median / raw Job", median(self.new_jobs) / baseline.seconds, 0.06),
            Target("of these waiting, complete in the end", self.drained, self.waiting, "jobs", at_most=False),
        ]
