"""Formats the tables of QuantumJobs of one kind, and of the operator."""

from __future__ import annotations

from statistics import median
from typing import Final

from benchmarks.figures.basic import Baseline, Cost, Rate, Spread, Target, percentile
from benchmarks.figures.parts import BURST_CPU_MS, Alone, Burst, Standing, Writes
from benchmarks.figures.run import Figures
from benchmarks.figures.timing import seconds
from benchmarks.report.layout import MET, MISSED, Table

SHOWN_FROM: Final = 0.005
"""Requests a job from which a row is shown."""
STORE_REQUESTS: Final = 4
"""The operator's requests for a small job; its worker makes one more."""
ORDER_REQUESTS: Final = 1


def goals(found: list[Target]) -> Table:
    rows = [(each.name, _value(each), _limit(each), MET if each.met else MISSED) for each in found]
    return Table("Targets", ("what", "found", "target", ""), rows)


def _value(target: Target) -> str:
    if target.unit == "jobs":
        return f"{target.value:.0f} {target.unit}"
    if target.unit:
        return f"{target.value:.1f} {target.unit}"
    return f"{target.value:.3f}" if target.limit < 0.5 else f"{target.value:.2f}"


def _limit(target: Target) -> str:
    words = "below" if target.below else "at most" if target.at_most else "at least"
    return f"{words} {target.limit:g} {target.unit}".rstrip()


def latency(figures: Figures) -> Table:
    """One at a time: every kind relative to the raw Job."""
    baseline = figures.baseline
    kinds = [
        *_alone(figures.alone),
        *([("shared, worker running", seconds(figures.standing.timings))] if figures.standing else []),
        *([("raw Job", baseline.timings)]),
    ]
    rows = [_spread(name, found, baseline) for name, found in kinds]
    head = ("seconds to `Complete=True`", "of", "median", "99th percentile", "minimum", "maximum", "ratio of medians")
    read_back = f"Results read back and verified: {figures.verified}. " if figures.alone else ""
    notes = f"{read_back}The 99th percentile is by nearest rank: of 50 the largest."
    return Table("One at a time", head, rows, notes)


def _alone(found: Alone | None) -> list[tuple[str, list[float]]]:
    if found is None:
        return []
    return [("dedicated", seconds(found.dedicated)), ("shared, no worker running", seconds(found.cold))]


def _spread(name: str, found: list[float], baseline: Baseline) -> tuple[str, ...]:
    spread = Spread.of(found)
    figures = (spread.median, percentile(found, 0.99), spread.minimum, spread.maximum)
    return name, str(len(found)), *(f"{each:.3f}" for each in figures), f"{spread.median / baseline.seconds:.3f}"


def rates(figures: Figures) -> Table | None:
    """All at once: every kind relative to the raw Jobs right before and after it."""
    rows = []
    if figures.many:
        rows += _with_raw("dedicated QuantumJobs", figures.many.rate, figures.many.raw)
    if figures.burst:
        rows += _with_raw("shared QuantumJobs, from no worker", figures.burst.rate, figures.burst.raw)
    if not rows:
        return None
    return Table("At once", ("", "of", "seconds, first create to last complete", "a second", "ratio"), rows)


def _with_raw(name: str, found: Rate, raw: Rate) -> list[tuple[str, ...]]:
    both = {name: found, "raw Jobs, half before and half after these": raw}
    return [
        (
            kind,
            f"{each.count:,}",
            f"{each.seconds:.1f}",
            f"{each.each_second:.2f}",
            f"{each.each_second / raw.each_second:.2f}",
        )
        for kind, each in both.items()
    ]


def burst(found: Burst) -> Table:
    """The progress of the burst."""
    first = min(each.created for each in found.timings)
    ends = sorted(each.completed - first for each in found.timings)
    rows = [
        ("all created, seconds after the first create", f"{found.creation.seconds:.1f}"),
        ("creates a second", f"{found.creation.each_second:.0f}"),
        ("the first complete, seconds after the first create", f"{ends[0]:.1f}"),
        ("half complete", f"{median(ends):.1f}"),
        ("all complete", f"{ends[-1]:.1f}"),
        ("verified in the completed bucket", f"{found.verified:,}"),
    ]
    return Table(f"{len(ends):,} at once, from no worker", ("", "found"), rows)


def operator(figures: Figures) -> Table:
    """The operator's usage."""
    process = figures.operator
    rows = [("CPU a second when idle (subtracted below)", f"{process.idle_ms_per_s:.1f} ms"), *_costs(figures)]
    rows += [
        (f"memory, resident, after {process.jobs:,} jobs", f"{process.resident_mib:.0f} MiB"),
        ("memory, peak since its start", f"{process.peak_mib:.0f} MiB"),
    ]
    if process.restarted:
        rows.append(("restarted during the run: its memory is that of a newer process", ""))
    if process.others:
        rows.append(("QuantumJobs of other namespaces during the run: its figures are too high", str(process.others)))
    return Table("The operator", ("", "found"), rows, _why(figures.burst) if figures.burst else "")


def _why(found: Burst) -> str:
    """Returns what the processor time of the burst was used for, if the target was missed."""
    if found.cost.each <= BURST_CPU_MS:
        return ""
    jobs = len(found.timings)
    writes = (found.writes["quantumjobs/status", "APPLY"] + found.writes["events", "POST"]) / jobs
    exchanges = writes + STORE_REQUESTS + ORDER_REQUESTS
    return (
        f"More than {BURST_CPU_MS:g} ms in the burst: for each job the operator makes {writes:.1f} writes to the API "
        f"server, which its watch returns as events, and {STORE_REQUESTS} requests to the store (the program, the "
        "segment, the manifest, and the manifest again to verify it), and answers its worker once: "
        f"{found.cost.each / exchanges:.1f} ms for each of these, including TLS, signature, JSON and decision."
    )


def _costs(figures: Figures) -> list[tuple[str, str]]:
    costs = {
        "dedicated, all at once": figures.many and figures.many.cost,
        "dedicated, its deletion (not included above)": figures.many and figures.many.cleaning,
        "shared, one after another": figures.standing and figures.standing.cost,
        "shared, in a series, some at a time": figures.series,
        "shared, all at once": figures.burst and figures.burst.cost,
        "shared, series and all at once together": figures.cost,
    }
    return [(_of(name, cost), f"{cost.each:.1f} ms") for name, cost in costs.items() if cost]


def _of(name: str, cost: Cost) -> str:
    return f"CPU a job, {name} ({cost.jobs:,})"


def requests(figures: Figures) -> Table | None:
    """The writes of a small job to the API server."""
    columns: dict[str, Standing | Burst] = {}
    if figures.standing:
        columns["one after another"] = figures.standing
    if figures.burst:
        columns["all at once"] = figures.burst
    if not columns:
        return None
    total: Writes = Writes()
    for each in columns.values():
        total.update(each.writes)
    rows = [
        (f"{resource} {verb}", *(_each(part, part.writes[resource, verb]) for part in columns.values()))
        for resource, verb in sorted(total)
        if any(part.writes[resource, verb] >= SHOWN_FROM * len(part.timings) for part in columns.values())
    ]
    rows.append(("CPU of the benchmark's process, ms", *(_each(part, part.client_ms) for part in columns.values())))
    notes = (
        "Counted by the API server: `quantumjobs POST` is the client's; Jobs and pods are the workers'. `(409)` is a "
        "conflict, after which the operator reads and writes again. The benchmark creates and watches on the same "
        "processors as everything else."
    )
    return Table("Writes to the API server for each shared job", ("", *columns), rows, notes)


def _each(part: Standing | Burst, value: float) -> str:
    return f"{value / len(part.timings):.2f}"
