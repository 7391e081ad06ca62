"""What the parts of a run have found where small jobs meet long ones, a large crowd, or ten thousand finished ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from benchmarks.figures.basic import Floor, Target

NEVER = 1e6
"""Seconds of what did not happen within the time that it was given."""


@dataclass(frozen=True)
class Company:
    """Small jobs in the company of a long one."""

    small: list[float]
    """Create to Complete."""
    long: float
    """The same of the long one."""
    overlap: float
    """Share of the small ones that ended before the long one."""


@dataclass(frozen=True)
class Mixed:
    """Small jobs at once, without a long one and with it. Each time in a fresh namespace."""

    long_alone: float
    layers: int
    """Of the long circuit, calibrated in the run."""
    without: list[float]
    orders: dict[str, Company]
    """By when the long one was created: first, in the middle, last."""

    def ratio(self, order: str) -> float:
        return median(self.orders[order].small) / median(self.without)

    def targets(self, _: Floor) -> list[Target]:
        return [
            Target(
                f"median of {len(self.without)} small ones with a long one ({order}) / without", self.ratio(order), 2
            )
            for order in self.orders
        ]


@dataclass(frozen=True)
class Crowd:
    """One namespace with many and some with few, created at the same time. When each ended, after the first create."""

    many: list[float]
    few: list[list[float]]

    @property
    def ahead(self) -> int:
        """How many of the many were complete when the last of the few was."""
        last = max(map(max, self.few))
        return sum(each <= last for each in self.many)

    def targets(self, _: Floor) -> list[Target]:
        name = f"of {len(self.many)} in one namespace, complete when {len(self.few)} with {len(self.few[0])} each were"
        return [Target(name, self.ahead, 50, "jobs", below=True)]


@dataclass(frozen=True)
class Backlog:
    """The operator with many finished QuantumJobs beside it and many that wait."""

    finished: int
    waiting: int
    ready: float
    """From the deletion of the operator's pod until its successor is Ready."""
    level: float
    """Until it is at rest as well: it has looked at every waiting one, and offered it. NEVER where it was not."""
    restart_writes: int
    """Status writes from the deletion until then."""
    bells: list[float]
    """New ones, one after another, at a standing worker of another namespace: create to Complete."""
    memory_before: float
    """Resident MiB of the operator that saw the waiting ones come, and of its successor at the end."""
    memory_after: float
    memory_peak: float
    drained: int
    """Waiting ones that were complete in the end, once the quota that held them was gone."""
    drain_seconds: float
    told: dict[str, int] = field(default_factory=dict)
    """What the waiting ones said they wait for, by reason, before the restart."""

    def targets(self, floor: Floor) -> list[Target]:
        name = f"with {self.finished:,} finished and {self.waiting:,} waiting"
        return [
            Target(f"operator's memory {name}", max(self.memory_before, self.memory_after), 150, "MiB"),
            Target(f"operator restarted {name}: level again", self.level, 15, "s"),
            Target(f"new Bell {name}: median / raw Job", median(self.bells) / floor.seconds, 0.06),
            Target("of these waiting, complete in the end", self.drained, self.waiting, "jobs", at_most=False),
        ]
