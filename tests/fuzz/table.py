"""The findings of a run, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from fuzz.verdict import Verdict
from quantumjob_contract.limits import MIB

SHOWN: Final = 12
"""The number of most frequent failures of Qiskit and Aer that are listed."""


@dataclass
class Tally:
    """Counts the outcomes of one target."""

    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    largest: int = 0
    parent: int = 0
    findings: list[tuple[str, Path]] = field(default_factory=list)

    def add(self, verdict: Verdict) -> None:
        self.cases += 1
        self.outcomes[verdict.outcome] += 1
        if verdict.note:
            self.notes[verdict.note] += 1
        self.slowest = max(self.slowest, verdict.seconds)
        self.largest = max(self.largest, verdict.peak)


def show(tallies: Mapping[str, Tally]) -> None:
    console = Console(width=120, highlight=False)
    table = Table("target", "cases", "ended as", "slowest", "largest child", "parent", "findings")
    for target, tally in tallies.items():
        table.add_row(
            target,
            str(tally.cases),
            "\n".join(f"{count} {outcome}" for outcome, count in tally.outcomes.most_common()),
            f"{tally.slowest:.1f} s",
            f"{tally.largest // MIB} MiB",
            f"{tally.parent // MIB} MiB",
            str(len(tally.findings)),
        )
    console.print(table)
    for target, tally in tallies.items():
        for note, count in tally.notes.most_common(SHOWN):
            console.print(f"  {target}: {count} times {note}", markup=False)
    for tally in tallies.values():
        for wrong, path in tally.findings:
            console.print(f"{wrong}: make fuzz REPLAY={path}", markup=False, soft_wrap=True)
