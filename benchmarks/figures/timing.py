"""One QuantumJob, and the stages of its life."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Final

from benchmarks.figures.basic import Rate, Spread

DEDICATED: Final = ("accepted", "job", "started", "imported", "simulated", "stored", "promoted", "complete")
"""Moments after the create request of a job with a worker of its own, in their order."""
COLD: Final = tuple(stage for stage in DEDICATED if stage != "job")
"""Where a shared worker is started for it: that belongs to no QuantumJob."""
SHARED: Final = tuple(stage for stage in COLD if stage not in {"started", "imported"})
"""Where the worker may have been there before."""


@dataclass(frozen=True)
class Single:
    """One QuantumJob, by the client's clock."""

    created: float
    completed: float
    times: dict[str, str]
    """status.times"""
    job_seen: float | None = None
    """Its own worker's Job, by the client's watch."""

    @property
    def seconds(self) -> float:
        return self.completed - self.created

    def moments(self, stages: tuple[str, ...]) -> dict[str, float]:
        """Seconds since the create request, by stage; without those that are not known."""
        known = {name: datetime.fromisoformat(text).timestamp() for name, text in self.times.items()}
        known["complete"] = self.completed
        if self.job_seen is not None:
            known["job"] = self.job_seen
        return {stage: known[stage] - self.created for stage in stages if stage in known}


def seconds(singles: list[Single]) -> list[float]:
    return [each.seconds for each in singles]


def rate(singles: list[Single]) -> Rate:
    """From the first create request to the last one complete."""
    return Rate(len(singles), max(each.completed for each in singles) - min(each.created for each in singles))


def stage_spreads(singles: list[Single], stages: tuple[str, ...]) -> dict[str, tuple[Spread, float]]:
    """For each stage that all have: how long it took since the one before, and when it was reached (median)."""
    moments = [single.moments(stages) for single in singles]
    known = [stage for stage in stages if all(stage in each for each in moments)]
    found = {}
    for before, stage in zip([None, *known], known, strict=False):
        took = [each[stage] - (each[before] if before else 0.0) for each in moments]
        found[stage] = (Spread.of(took), median(each[stage] for each in moments))
    return found
