"""From figures to tables, and from tables to the terminal or to Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from rich.table import Table as RichTable

from benchmarks.figures import Figures, Spread, Target, stage_spreads, targets
from benchmarks.machine import Machine

STAGE_TEXTS: Final = {
    "accepted": "the operator has accepted it",
    "job": "its worker's Job exists",
    "started": "the worker's process runs",
    "imported": "Qiskit is imported",
    "simulated": "the circuit has run",
    "stored": "the result is stored in pending, and the operator knows",
    "promoted": "the result is verified, its commit begins",
    "complete": "the client sees `Complete=True`",
}
INTRODUCTION: Final = """\
# Benchmarks

Written by `make bench`, not by hand. The Bell circuit of `examples/bell.yaml` as a QuantumJob against raw batch/v1 Jobs
of the same run: same image, circuit, shots, resources and security context, and nothing else, so that the floor is low.
Times are the client's, from right before the create request until a watch brings the condition. What counts are the
ratios: seconds are this machine's.
"""
REPRODUCE: Final = """\
## Again

```
make bench
```

On another cluster: `KUBECONFIG=... make bench`. Smaller, once the quickstart is installed:
`python -m benchmarks --runs 3 --burst 10 --jobs 30 --output /dev/null`.
"""


@dataclass(frozen=True)
class Table:
    """A title, a head, and rows of as many cells."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def tables(figures: Figures, machine: Machine) -> list[Table]:
    """Everything that there is to show, in its order."""
    return [
        _targets(targets(figures)),
        _latency(figures),
        _stages(figures),
        _bursts(figures),
        _operator(figures),
        _machine(machine),
    ]


def _targets(found: list[Target]) -> Table:
    rows = [
        (each.name, _value(each.value, each.unit), _limit(each), "met" if each.met else "**missed**") for each in found
    ]
    return Table("Targets", ("what", "found", "target", ""), rows)


def _value(value: float, unit: str) -> str:
    return f"{value:.1f} {unit}" if unit else f"{value:.2f}"


def _limit(target: Target) -> str:
    return f"{'at most' if target.at_most else 'at least'} {target.limit:g} {target.unit}".rstrip()


def _latency(figures: Figures) -> Table:
    quantum, raw = Spread.of([each.seconds for each in figures.singles]), Spread.of(figures.raw)
    rows = [
        ("QuantumJob, to `Complete=True`", *_seconds(quantum), f"{quantum.median / raw.median:.2f}"),
        ("raw Job, to `Complete=True`", *_seconds(raw), "1"),
    ]
    title = f"One at a time: {len(figures.raw)} of each, in turn; results read back and verified: {figures.verified}"
    return Table(title, ("seconds", "median", "least", "most", "ratio"), rows)


def _seconds(spread: Spread) -> tuple[str, str, str]:
    return f"{spread.median:.2f}", f"{spread.least:.2f}", f"{spread.most:.2f}"


def _stages(figures: Figures) -> Table:
    floor = median(figures.raw)
    rows = [
        (
            STAGE_TEXTS[stage],
            f"{took.median * 1000:.0f}",
            f"{took.least * 1000:.0f}",
            f"{took.most * 1000:.0f}",
            f"{reached * 1000:.0f}",
            f"{reached / floor:.2f}",
        )
        for stage, (took, reached) in stage_spreads(figures.singles).items()
    ]
    head = ("until", "median ms", "least", "most", "since create", "of a raw Job")
    return Table("Stages of a QuantumJob (each its own median, so they need not add up)", head, rows)


def _bursts(figures: Figures) -> Table:
    quantum, raw = figures.burst, figures.raw_burst
    rows = [
        ("QuantumJobs", f"{quantum.seconds:.1f}", f"{quantum.rate:.2f}", f"{quantum.rate / raw.rate:.2f}"),
        ("raw Jobs", f"{raw.seconds:.1f}", f"{raw.rate:.2f}", "1"),
    ]
    return Table(f"{quantum.count} at once", ("", "seconds, first create to last complete", "a second", "ratio"), rows)


def _operator(figures: Figures) -> Table:
    cost = figures.cost
    rows = [
        ("CPU a second when idle (subtracted below)", f"{cost.idle_ms_per_s:.1f} ms"),
        (f"CPU a job, {cost.burst_jobs} at once", _per_job(cost.burst_ms, cost.burst_jobs)),
        (f"CPU a job, {cost.series_jobs} in a series", _per_job(cost.series_ms, cost.series_jobs)),
        ("CPU a job, both", f"{cost.ms_per_job:.1f} ms"),
        ("CPU a job to see it deleted (not in the above)", _per_job(cost.cleaning_ms, cost.cleaned_jobs)),
        (f"memory, resident, after {cost.total_jobs} jobs", f"{cost.resident_mib:.0f} MiB"),
        ("memory, at its most since its start", f"{cost.peak_mib:.0f} MiB"),
    ]
    if figures.others:
        rows.append(("QuantumJobs of others meanwhile: its figures are too high", str(figures.others)))
    return Table("The operator", ("", "found"), rows)


def _per_job(ms: float, jobs: int) -> str:
    return f"{ms / jobs:.1f} ms" if jobs else "not measured"


def _machine(machine: Machine) -> Table:
    nodes = f"{machine.nodes} node{'s' if machine.nodes > 1 else ''}"
    rows = [
        ("date", machine.date),
        ("machine", f"{nodes}, {machine.cores} cores, {machine.memory_gib:.0f} GiB, Linux {machine.kernel}"),
        ("Kubernetes", f"{machine.kubernetes}, {machine.runtime}"),
        *sorted(machine.versions.items()),
    ]
    return Table("Measured on", ("", ""), rows)


def markdown(shown: Iterable[Table]) -> str:
    """The whole of docs/benchmarks.md."""
    return "\n".join([INTRODUCTION, *(_markdown(table) for table in shown), REPRODUCE])


def _markdown(table: Table) -> str:
    lines = [table.head, tuple("---" for _ in table.head), *table.rows]
    return f"## {table.title}\n\n" + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def for_terminal(table: Table) -> RichTable:
    """The same, for people at a terminal."""
    shown = RichTable(*(_plain(cell) for cell in table.head), title=table.title, title_justify="left")
    for cells in table.rows:
        style = "bold red" if "**missed**" in cells else "green" if "met" in cells else None
        shown.add_row(*(_plain(cell) for cell in cells), style=style)
    return shown


def _plain(cell: str) -> str:
    return cell.replace("**", "").replace("`", "")
