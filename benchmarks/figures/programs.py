"""What the part `programs` has found: large jobs against the same work in one process, by Qiskit and Aer alone."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.figures.basic import Floor, Target

PARENT_MIB = 150.0


@dataclass(frozen=True)
class Program:
    """One kind of job."""

    name: str
    count: int
    """Pubs, or points."""
    bare: float
    """Seconds in one process, without what it takes to start that."""
    ours: float
    """Seconds from create to Complete, a worker standing."""
    least: float
    """What the ratio shall be."""

    @property
    def ratio(self) -> float:
        return self.bare / self.ours

    @property
    def target(self) -> Target:
        return Target(f"{self.name}, rate / Aer alone in one process", self.ratio, self.least, at_most=False)


@dataclass(frozen=True)
class Programs:
    """All of them."""

    found: list[Program]
    parent_mib: float
    """Resident memory of a worker's parent process, at its highest."""

    def targets(self, _: Floor) -> list[Target]:
        memory = Target("resident memory of the worker's parent process after them", self.parent_mib, PARENT_MIB, "MiB")
        return [*(each.target for each in self.found), memory]
