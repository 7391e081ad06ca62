"""Formats the stages of a QuantumJob's time."""

from __future__ import annotations

from typing import Final

from benchmarks.figures.basic import Baseline
from benchmarks.figures.timing import JobTiming, stage_spreads
from benchmarks.report.layout import Table

TEXTS: Final = {
    "accepted": "the operator has accepted it",
    "job": "its worker's Job exists",
    "started": "the worker's process runs",
    "imported": "Qiskit is imported",
    "simulated": "the circuit has run",
    "stored": "the result is stored in pending, and the operator has found it",
    "promoted": "the result is verified, its commit begins",
    "complete": "the client sees `Complete=True`",
}


def table(what: str, timings: list[JobTiming], stages: tuple[str, ...], baseline: Baseline) -> Table:
    rows = [
        (
            TEXTS[stage],
            f"{took.median * 1000:.0f}",
            f"{took.minimum * 1000:.0f}",
            f"{took.maximum * 1000:.0f}",
            f"{reached * 1000:.0f}",
            f"{reached / baseline.seconds:.2f}",
        )
        for stage, (took, reached) in stage_spreads(timings, stages).items()
    ]
    head = ("until", "median ms", "minimum", "maximum", "since create", "of a raw Job")
    return Table(f"Stages of {what} (medians of each stage, which need not add up)", head, rows)
