"""Figures of large jobs, relative to the same work with Qiskit and Aer alone in one process."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.figures.basic import Baseline, Target

PARENT_MIB = 150.0


@dataclass(frozen=True)
class LargeJobFigures:
    """One kind of large job."""

    name: str
    count: int
    """Pubs, or points."""
    alone: float
    """Seconds with Aer alone in one process, without its start."""
    seconds: float
    """Seconds from create to Complete, with a running worker."""
    minimum: float
    """Target for the ratio."""

    @property
    def ratio(self) -> float:
        return self.alone / self.seconds

    @property
    def target(self) -> Target:
        return Target(f"{self.name}, rate / Aer alone in one process", self.ratio, self.minimum, at_most=False)


@dataclass(frozen=True)
class AllLargeJobs:
    """All kinds, and the memory of their worker."""

    found: list[LargeJobFigures]
    parent_mib: float
    """Peak resident memory of a worker's parent process."""

    def targets(self, _: Baseline) -> list[Target]:
        memory = Target("resident memory of the worker's parent process after them", self.parent_mib, PARENT_MIB, "MiB")
        return [*(each.target for each in self.found), memory]
