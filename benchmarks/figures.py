"""What a run has found, as plain numbers. Times in seconds unless a name says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any, Final

JSON = dict[str, Any]

STAGES: Final = ("accepted", "job", "started", "imported", "simulated", "stored", "promoted", "complete")
"""Moments in a QuantumJob's life after its create request, in their order."""


@dataclass(frozen=True)
class Single:
    """One QuantumJob on its own."""

    created: float
    job_seen: float
    completed: float
    times: dict[str, str]
    """status.times"""

    @property
    def seconds(self) -> float:
        return self.completed - self.created

    def moments(self) -> dict[str, float]:
        """Seconds since the create request, by stage."""
        told = {name: datetime.fromisoformat(text).timestamp() for name, text in self.times.items()}
        known = told | {"job": self.job_seen, "complete": self.completed}
        return {stage: known[stage] - self.created for stage in STAGES if stage in known}


@dataclass(frozen=True)
class Spread:
    """Of several measurements."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True)
class Burst:
    """Many at once, from the first create request to the last one complete."""

    count: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.count / self.seconds


@dataclass(frozen=True)
class Cost:
    """Of the operator: CPU ms above idle, by what it did."""

    idle_ms_per_s: float
    burst_ms: float
    series_ms: float
    cleaning_ms: float
    burst_jobs: int
    series_jobs: int
    cleaned_jobs: int
    resident_mib: float
    peak_mib: float
    total_jobs: int
    """All QuantumJobs of the run, when the memory was read."""

    @property
    def ms_per_job(self) -> float:
        return (self.burst_ms + self.series_ms) / (self.burst_jobs + self.series_jobs)


@dataclass(frozen=True)
class Figures:
    """Everything that one run has found."""

    singles: list[Single]
    raw: list[float]
    burst: Burst
    raw_burst: Burst
    cost: Cost
    verified: int
    """Results of `singles` that were read back from the completed bucket, their sha256 as in the status."""
    others: int
    """QuantumJobs in other namespaces that changed meanwhile: the operator worked for these too."""


@dataclass(frozen=True)
class Target:
    """What was promised, and what was found."""

    name: str
    value: float
    limit: float
    unit: str
    """Empty for a ratio."""
    at_most: bool = True

    @property
    def met(self) -> bool:
        return self.value <= self.limit if self.at_most else self.value >= self.limit


def targets(figures: Figures) -> list[Target]:
    """The targets of the project, in its order."""
    single = median(each.seconds for each in figures.singles) / median(figures.raw)
    rate = figures.burst.rate / figures.raw_burst.rate
    return [
        Target("create to Complete, QuantumJob / raw Job", single, 0.6, ""),
        Target(f"rate of {figures.burst.count} at once, QuantumJobs / raw Jobs", rate, 0.9, "", at_most=False),
        Target("operator's CPU a job", figures.cost.ms_per_job, 10, "ms"),
        Target(f"operator's memory after {figures.cost.total_jobs} jobs", figures.cost.resident_mib, 120, "MiB"),
    ]


def stage_spreads(singles: list[Single]) -> dict[str, tuple[Spread, float]]:
    """For each stage: how long it took since the one before, and when it was reached after the create (median)."""
    moments = [single.moments() for single in singles]
    known = [stage for stage in STAGES if all(stage in each for each in moments)]
    found = {}
    for before, stage in zip([None, *known], known, strict=False):
        took = [each[stage] - (each[before] if before else 0.0) for each in moments]
        found[stage] = (Spread.of(took), median(each[stage] for each in moments))
    return found
