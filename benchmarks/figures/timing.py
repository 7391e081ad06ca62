"""The times of one QuantumJob, and the stages between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Final

from benchmarks.figures.basic import Rate, Spread

DEDICATED: Final = ("accepted", "job", "started", "imported", "simulated", "stored", "promoted", "complete")
"""Stages of a job with a dedicated worker, in order."""
COLD: Final = tuple(stage for stage in DEDICATED if stage != "job")
"""Stages where a shared worker is started; its Job belongs to no QuantumJob."""
SHARED: Final = tuple(stage for stage in COLD if stage not in {"started", "imported"})
"""Stages where the worker may have run before."""


@dataclass(frozen=True)
class JobTiming:
    """The times of one QuantumJob, by the client's clock."""

    created: float
    completed: float
    times: dict[str, str]
    """`status.times`."""
    job_seen: float | None = None
    """When the client's watch showed its dedicated worker's Job."""

    @property
    def seconds(self) -> float:
        return self.completed - self.created

    def reached(self, stages: tuple[str, ...]) -> dict[str, float]:
        """Returns the seconds since the create request by stage; unknown stages are left out."""
        known = {name: datetime.fromisoformat(text).timestamp() for name, text in self.times.items()}
        known["complete"] = self.completed
        if self.job_seen is not None:
            known["job"] = self.job_seen
        return {stage: known[stage] - self.created for stage in stages if stage in known}


def seconds(timings: list[JobTiming]) -> list[float]:
    return [each.seconds for each in timings]


def rate(timings: list[JobTiming]) -> Rate:
    """Returns the rate from the first create request to the last completion."""
    return Rate(len(timings), max(each.completed for each in timings) - min(each.created for each in timings))


def stage_spreads(timings: list[JobTiming], stages: tuple[str, ...]) -> dict[str, tuple[Spread, float]]:
    """Returns, for each stage that all have, the time since the stage before, and the median time since the create."""
    reached = [timing.reached(stages) for timing in timings]
    known = [stage for stage in stages if all(stage in each for each in reached)]
    found = {}
    for before, stage in zip([None, *known], known, strict=False):
        took = [each[stage] - (each[before] if before else 0.0) for each in reached]
        found[stage] = (Spread.of(took), median(each[stage] for each in reached))
    return found
