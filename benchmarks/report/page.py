"""Puts the tables together to docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from benchmarks.figures.run import Figures, targets
from benchmarks.figures.timing import COLD, DEDICATED, SHARED
from benchmarks.machine import MachineInfo
from benchmarks.report import programs, service, stages, tables, together
from benchmarks.report.layout import Table, markdown

INTRODUCTION: Final = """\
# Benchmarks

Written by `make bench`, not by hand. The Bell circuit of `examples/bell.yaml` runs as a QuantumJob and as a raw
batch/v1 Job in the same run: same image, circuit, shots, resources and security context, and nothing else, so that the
baseline is low. Times are the client's, from right before the create request until a watch shows the condition. The
ratios are what to compare: seconds depend on the machine.

A *dedicated* QuantumJob (`spec.dedicated: true`) has its own batch/v1 Job. A *shared* one runs at a worker of its
namespace that is running already, or that is started for the first one.
"""
REPRODUCE: Final = """\
## How to repeat it

```
make bench
```

On another cluster: `KUBECONFIG=... make bench`. Parts of it, once the quickstart is installed:
`python -m benchmarks --only standing,burst`.
"""


def shown(figures: Figures, machine: MachineInfo) -> list[Table]:
    """Returns all tables, in order."""
    found = [
        tables.goals(targets(figures)),
        tables.latency(figures),
        tables.rates(figures),
        *_stages(figures),
        tables.burst(figures.burst) if figures.burst else None,
        tables.requests(figures),
        tables.operator(figures),
        together.mixed(figures.mixed) if figures.mixed else None,
        together.crowd(figures.crowd) if figures.crowd else None,
        programs.programs(figures.programs) if figures.programs else None,
        service.service(figures.rest) if figures.rest else None,
        together.backlog(figures.backlog, figures.baseline) if figures.backlog else None,
        _machine(machine),
    ]
    return [table for table in found if table]


def _stages(figures: Figures) -> list[Table]:
    found, baseline = [], figures.baseline
    if figures.alone:
        found.append(stages.table("a dedicated QuantumJob", figures.alone.dedicated, DEDICATED, baseline))
        found.append(stages.table("a shared one, no worker running", figures.alone.cold, COLD, baseline))
    if figures.standing:
        found.append(stages.table("a shared one, worker running", figures.standing.timings, SHARED, baseline))
    if figures.burst:
        name = f"each of {len(figures.burst.timings):,} shared ones at once"
        found.append(stages.table(name, figures.burst.timings, SHARED, baseline))
    return found


def _machine(machine: MachineInfo) -> Table:
    nodes = f"{machine.nodes} node{'s' if machine.nodes > 1 else ''}"
    rows = [
        ("date", machine.date),
        ("machine", f"{nodes}, {machine.cores} cores, {machine.memory_gib:.0f} GiB, Linux {machine.kernel}"),
        ("Kubernetes", f"{machine.kubernetes}, {machine.runtime}"),
        *sorted(machine.versions.items()),
    ]
    return Table("Measured on", ("", ""), rows)


def page(found: Iterable[Table]) -> str:
    """Returns the text of docs/benchmarks.md."""
    return "\n".join([INTRODUCTION, *(markdown(table) for table in found), REPRODUCE])
