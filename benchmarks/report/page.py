"""The whole page, in its order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from benchmarks.figures.run import Figures, targets
from benchmarks.figures.timing import COLD, DEDICATED, SHARED
from benchmarks.machine import Machine
from benchmarks.report import programs, service, stages, tables, together
from benchmarks.report.layout import Table, markdown

INTRODUCTION: Final = """\
# Benchmarks

Written by `make bench`, not by hand. The Bell circuit of `examples/bell.yaml` as a QuantumJob against raw batch/v1 Jobs
of the same run: same image, circuit, shots, resources and security context, and nothing else, so that the floor is low.
Times are the client's, from right before the create request until a watch brings the condition. What counts are the
ratios: seconds are this machine's.

A *dedicated* QuantumJob (`spec.dedicated: true`) has a batch/v1 Job of its own. A *shared* one takes its turn at a
worker that stands in its namespace, or is started there for the first that comes.
"""
REPRODUCE: Final = """\
## Again

```
make bench
```

On another cluster: `KUBECONFIG=... make bench`. Parts of it, once the quickstart is installed:
`python -m benchmarks --only standing,burst`.
"""


def shown(figures: Figures, machine: Machine) -> list[Table]:
    """Everything that there is to show, in its order."""
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
        together.backlog(figures.backlog, figures.floor) if figures.backlog else None,
        _machine(machine),
    ]
    return [table for table in found if table]


def _stages(figures: Figures) -> list[Table]:
    found, floor = [], figures.floor
    if figures.alone:
        found.append(stages.table("a dedicated QuantumJob", figures.alone.dedicated, DEDICATED, floor))
        found.append(stages.table("a shared one, no worker standing", figures.alone.cold, COLD, floor))
    if figures.standing:
        found.append(stages.table("a shared one, worker standing", figures.standing.singles, SHARED, floor))
    if figures.burst:
        name = f"each of {len(figures.burst.singles):,} shared ones at once"
        found.append(stages.table(name, figures.burst.singles, SHARED, floor))
    return found


def _machine(machine: Machine) -> Table:
    nodes = f"{machine.nodes} node{'s' if machine.nodes > 1 else ''}"
    rows = [
        ("date", machine.date),
        ("machine", f"{nodes}, {machine.cores} cores, {machine.memory_gib:.0f} GiB, Linux {machine.kernel}"),
        ("Kubernetes", f"{machine.kubernetes}, {machine.runtime}"),
        *sorted(machine.versions.items()),
    ]
    return Table("Measured on", ("", ""), rows)


def page(found: Iterable[Table]) -> str:
    """The whole of docs/benchmarks.md."""
    return "\n".join([INTRODUCTION, *(markdown(table) for table in found), REPRODUCE])
