"""What the parts of a run have found about QuantumJobs of one kind, and their targets against the floor."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.figures.basic import Cost, Floor, Rate, Target, percentile
from benchmarks.figures.timing import Single, rate, seconds

BURST_CPU_MS: Final = 4.0
"""The operator's, for each of many jobs at once."""

Writes = Counter[tuple[str, str]]
"""Requests that change something at the API server, by resource and verb."""


@dataclass(frozen=True)
class Alone:
    """Each alone on the cluster, in turn with the raw Jobs of the floor."""

    dedicated: list[Single]
    cold: list[Single]
    """Each in a fresh namespace, so that no shared worker stands there."""

    def targets(self, floor: Floor) -> list[Target]:
        dedicated, cold = (median(seconds(each)) / floor.seconds for each in (self.dedicated, self.cold))
        return [
            Target("dedicated, create to Complete / raw Job", dedicated, 0.6),
            Target("shared, no worker standing, create to Complete / raw Job", cold, 0.45),
        ]


@dataclass(frozen=True)
class Many:
    """Dedicated ones all at once."""

    rate: Rate
    cost: Cost
    cleaning: Cost
    """To see them deleted."""
    raw: Rate
    """Raw Jobs all at once, before and after these."""

    def targets(self, _: Floor) -> list[Target]:
        ratio = self.rate.each_second / self.raw.each_second
        return [Target(f"rate of {self.rate.count} dedicated at once / raw Jobs", ratio, 0.9, at_most=False)]


@dataclass(frozen=True)
class Standing:
    """One after another, at a shared worker that stands there already."""

    singles: list[Single]
    cost: Cost
    writes: Writes
    client_ms: float

    def targets(self, floor: Floor) -> list[Target]:
        took, name = seconds(self.singles), f"{len(self.singles)} one after another, worker standing"
        return [
            Target(f"{name}: median / raw Job", median(took) / floor.seconds, 0.04),
            Target(f"{name}: 99th percentile / raw Job", percentile(took, 0.99) / floor.seconds, 0.1),
        ]


@dataclass(frozen=True)
class Burst:
    """Shared ones all at once, from no worker at all."""

    singles: list[Single]
    creation: Rate
    """From the first create request to the answer to the last."""
    verified: int
    """Results that were read back from the completed bucket, their sha256 as in the status."""
    cost: Cost
    writes: Writes
    client_ms: float
    """Processor time of the benchmark itself, which competes with what it measures."""
    raw: Rate
    """Raw Jobs all at once, before and after these."""

    @property
    def rate(self) -> Rate:
        return rate(self.singles)

    def targets(self, _: Floor) -> list[Target]:
        count, ratio = len(self.singles), self.rate.each_second / self.raw.each_second
        return [
            Target(f"rate of {count} at once from no worker / raw Jobs at once", ratio, 20, at_most=False),
            Target(f"of these {count}, verified in the completed bucket", self.verified, count, "jobs", at_most=False),
            Target(f"operator's CPU a job, {count} at once", self.cost.each, BURST_CPU_MS, "ms"),
        ]
