"""A whole run: its parts, as far as they were asked for, and all targets in their order."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.figures.basic import Cost, Floor, Target
from benchmarks.figures.parts import Alone, Burst, Many, Standing
from benchmarks.figures.programs import Programs
from benchmarks.figures.service import Rest
from benchmarks.figures.together import Backlog, Crowd, Mixed


@dataclass(frozen=True)
class Operator:
    """The operator's process."""

    idle_ms_per_s: float
    resident_mib: float
    peak_mib: float
    jobs: int
    """All QuantumJobs of the run, when the memory was read: before the part that restarts the operator."""
    restarted: bool
    """It is not the process that it was when the run began."""
    others: int
    """QuantumJobs in other namespaces that changed meanwhile: the operator worked for these too."""

    def targets(self, _: Floor) -> list[Target]:
        name = f"operator's memory after {self.jobs:,} jobs{' (restarted meanwhile)' if self.restarted else ''}"
        return [Target(name, self.resident_mib, 120, "MiB")]


@dataclass(frozen=True)
class Figures:
    """Everything that one run has found."""

    floor: Floor
    operator: Operator
    verified: int = 0
    """Results of `alone` that were read back."""
    alone: Alone | None = None
    many: Many | None = None
    standing: Standing | None = None
    series: Cost | None = None
    burst: Burst | None = None
    mixed: Mixed | None = None
    crowd: Crowd | None = None
    programs: Programs | None = None
    rest: Rest | None = None
    backlog: Backlog | None = None

    @property
    def cost(self) -> Cost | None:
        """Of shared jobs, series and burst together."""
        return self.series + self.burst.cost if self.series and self.burst else None


def targets(figures: Figures) -> list[Target]:
    """The targets of the project, in their order."""
    timed = (figures.alone, figures.many, figures.standing, figures.burst)
    found = [target for part in timed if part for target in part.targets(figures.floor)]
    if figures.cost:
        found.append(Target("operator's CPU a job, shared: series and burst", figures.cost.each, 10, "ms"))
    others = (figures.operator, figures.mixed, figures.crowd, figures.programs, figures.rest, figures.backlog)
    return found + [target for part in others if part for target in part.targets(figures.floor)]
