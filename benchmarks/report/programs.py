"""Formats the table of large jobs."""

from __future__ import annotations

from benchmarks.figures.programs import AllLargeJobs
from benchmarks.report.layout import Table


def programs(found: AllLargeJobs) -> Table:
    rows = [
        (each.name, f"{each.alone:.1f}", f"{each.seconds:.1f}", f"{each.count / each.seconds:.0f}", f"{each.ratio:.2f}")
        for each in found.found
    ]
    notes = (
        "Compared with Qiskit and Aer alone in one process: a plain Job with the worker's image and resources (one "
        "processor), timed inside, from a text, a circuit or values to counts or expectation values. The time of the "
        "QuantumJob is from create to Complete, with a running worker. The worker's parent process, which does all "
        f"I/O, had at most {found.parent_mib:.0f} MiB resident."
    )
    return Table("Large jobs", ("", "Aer alone, s", "QuantumJob, s", "pubs or points a second", "ratio"), rows, notes)
