"""The figures of a whole run, of the chosen parts, and all targets in order."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.figures.basic import Baseline, Cost, Target
from benchmarks.figures.parts import Alone, Burst, Many, Standing
from benchmarks.figures.programs import AllLargeJobs
from benchmarks.figures.service import RestFigures
from benchmarks.figures.together import Backlog, Crowd, Mixed


@dataclass(frozen=True)
class OperatorFigures:
    """The operator's process."""

    idle_ms_per_s: float
    resident_mib: float
    peak_mib: float
    jobs: int
    """All QuantumJobs of the run up to when the memory was read, before the part that restarts the operator."""
    restarted: bool
    """It is another process than at the start of the run."""
    others: int
    """QuantumJobs of other namespaces that changed during the run, which also cost the operator time."""

    def targets(self, _: Baseline) -> list[Target]:
        name = f"operator's memory after {self.jobs:,} jobs{' (restarted during the run)' if self.restarted else ''}"
        return [Target(name, self.resident_mib, 120, "MiB")]


@dataclass(frozen=True)
class Figures:
    """All figures of one run."""

    baseline: Baseline
    operator: OperatorFigures
    verified: int = 0
    """Results of `alone` that were read back."""
    alone: Alone | None = None
    many: Many | None = None
    standing: Standing | None = None
    series: Cost | None = None
    burst: Burst | None = None
    mixed: Mixed | None = None
    crowd: Crowd | None = None
    programs: AllLargeJobs | None = None
    rest: RestFigures | None = None
    backlog: Backlog | None = None

    @property
    def cost(self) -> Cost | None:
        """The operator's cost of shared jobs, series and burst together."""
        return self.series + self.burst.cost if self.series and self.burst else None


def targets(figures: Figures) -> list[Target]:
    """Returns the targets of the project, in order."""
    timed = (figures.alone, figures.many, figures.standing, figures.burst)
    found = [target for part in timed if part for target in part.targets(figures.baseline)]
    if figures.cost:
        found.append(Target("operator's CPU a job, shared: series and burst", figures.cost.each, 10, "ms"))
    others = (figures.operator, figures.mixed, figures.crowd, figures.programs, figures.rest, figures.backlog)
    return found + [target for part in others if part for target in part.targets(figures.baseline)]
