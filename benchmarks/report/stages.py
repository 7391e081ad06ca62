"""Where the time of a QuantumJob goes."""

from __future__ import annotations

from typing import Final

from benchmarks.figures.basic import Floor
from benchmarks.figures.timing import Single, stage_spreads
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


def table(what: str, singles: list[Single], stages: tuple[str, ...], floor: Floor) -> Table:
    rows = [
        (
            TEXTS[stage],
            f"{took.median * 1000:.0f}",
            f"{took.least * 1000:.0f}",
            f"{took.most * 1000:.0f}",
            f"{reached * 1000:.0f}",
            f"{reached / floor.seconds:.2f}",
        )
        for stage, (took, reached) in stage_spreads(singles, stages).items()
    ]
    head = ("until", "median ms", "least", "most", "since create", "of a raw Job")
    return Table(f"Stages of {what} (each its own median, so they need not add up)", head, rows)
