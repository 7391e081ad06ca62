"""Figures of QuantumJobs of one kind, and their targets relative to the baseline."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.figures.basic import Baseline, Cost, Rate, Target, percentile
from benchmarks.figures.timing import JobTiming, rate, seconds

BURST_CPU_MS: Final = 4.0
"""Target for the operator's processor time a job, with many at once."""

Writes = Counter[tuple[str, str]]
"""Requests that change something at the API server, by resource and verb."""


@dataclass(frozen=True)
class Alone:
    """Each alone on the cluster, alternating with the raw Jobs of the baseline."""

    dedicated: list[JobTiming]
    cold: list[JobTiming]
    """Each in a new namespace, in which no shared worker runs."""

    def targets(self, baseline: Baseline) -> list[Target]:
        dedicated, cold = (median(seconds(each)) / baseline.seconds for each in (self.dedicated, self.cold))
        return [
            Target("dedicated, create to Complete / raw Job", dedicated, 0.6),
            Target("shared, no worker running, create to Complete / raw Job", cold, 0.45),
        ]


@dataclass(frozen=True)
class Many:
    """Dedicated QuantumJobs, all at once."""

    rate: Rate
    cost: Cost
    cleaning: Cost
    """Of their deletion."""
    raw: Rate
    """Raw Jobs all at once, half before and half after these."""

    def targets(self, _: Baseline) -> list[Target]:
        ratio = self.rate.each_second / self.raw.each_second
        return [Target(f"rate of {self.rate.count} dedicated at once / raw Jobs", ratio, 0.9, at_most=False)]


@dataclass(frozen=True)
class Standing:
    """Shared QuantumJobs one after another, at a worker that runs already."""

    timings: list[JobTiming]
    cost: Cost
    writes: Writes
    client_ms: float

    def targets(self, baseline: Baseline) -> list[Target]:
        took, name = seconds(self.timings), f"{len(self.timings)} one after another, worker running"
        return [
            Target(f"{name}: median / raw Job", median(took) / baseline.seconds, 0.04),
            Target(f"{name}: 99th percentile / raw Job", percentile(took, 0.99) / baseline.seconds, 0.1),
        ]


@dataclass(frozen=True)
class Burst:
    """Shared QuantumJobs, all at once, in a namespace without a worker."""

    timings: list[JobTiming]
    creation: Rate
    """From the first create request to the last response."""
    verified: int
    """Results that were read back from the completed bucket with the sha256 of the status."""
    cost: Cost
    writes: Writes
    client_ms: float
    """Processor time of the benchmark itself, which competes with what it measures."""
    raw: Rate
    """Raw Jobs all at once, half before and half after these."""

    @property
    def rate(self) -> Rate:
        return rate(self.timings)

    def targets(self, _: Baseline) -> list[Target]:
        count, ratio = len(self.timings), self.rate.each_second / self.raw.each_second
        return [
            Target(f"rate of {count} at once from no worker / raw Jobs at once", ratio, 20, at_most=False),
            Target(f"of these {count}, verified in the completed bucket", self.verified, count, "jobs", at_most=False),
            Target(f"operator's CPU a job, {count} at once", self.cost.each, BURST_CPU_MS, "ms"),
        ]
