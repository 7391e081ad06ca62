"""The table about large jobs."""

from __future__ import annotations

from benchmarks.figures.programs import Programs
from benchmarks.report.layout import Table


def programs(found: Programs) -> Table:
    rows = [
        (each.name, f"{each.bare:.1f}", f"{each.ours:.1f}", f"{each.count / each.ours:.0f}", f"{each.ratio:.2f}")
        for each in found.found
    ]
    notes = (
        "Against Qiskit and Aer alone in one process: a plain Job in the worker's image and with its resources (one "
        "processor), timed inside, from a text, a circuit or values to counts or expectation values. Of the QuantumJob "
        "it is the time from create to Complete, a worker standing. The worker's parent process, doing all I/O, had"
        f" {found.parent_mib:.0f} MiB resident at most."
    )
    return Table("Large jobs", ("", "Aer alone, s", "QuantumJob, s", "pubs or points a second", "ratio"), rows, notes)
