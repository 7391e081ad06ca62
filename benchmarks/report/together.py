"""Formats the tables of small jobs together with a long one, a large namespace, or many finished ones."""

from __future__ import annotations

from statistics import median

from benchmarks.figures.basic import Baseline
from benchmarks.figures.steady_state import STEADY_SECONDS, STEADY_SHARE
from benchmarks.figures.together import NOT_REACHED, Backlog, Crowd, Mixed
from benchmarks.report.layout import Table


def mixed(found: Mixed) -> Table:
    head = (
        "created",
        "small: median s",
        "maximum",
        "ratio of medians",
        "small ones completed before it",
        "long: s",
        "relative to it alone",
    )
    without = found.without
    rows = [("without a long one", f"{median(without):.2f}", f"{max(without):.2f}", "1", "", "", "")]
    for order, company in found.orders.items():
        row = (
            f"long one {order}",
            f"{median(company.small):.2f}",
            f"{max(company.small):.2f}",
            f"{found.ratio(order):.2f}",
            f"{company.overlap:.0%}",
            f"{company.long:.1f}",
            f"{company.long / found.long_alone:.2f}",
        )
        rows.append(row)
    notes = (
        "Each time in a new namespace without a worker; times are from create to Complete. The long one is a "
        f"statevector of 22 qubits in {found.layers} layers, {found.long_alone:.1f} s alone at a running worker."
    )
    return Table(f"{len(without)} small jobs at once, and a long one", head, rows, notes)


def crowd(found: Crowd) -> Table:
    last = max(map(max, found.few))
    rows = [
        (f"of {len(found.many)}", "1", f"{max(found.many):.1f}", str(found.ahead)),
        (f"of {len(found.few[0])}", str(len(found.few)), f"{last:.1f}", ""),
    ]
    head = ("namespaces", "", "last complete, s after the first create", "complete when the last of the small were")
    return Table("A large namespace and small ones, created at the same time", head, rows)


def backlog(found: Backlog, baseline: Baseline) -> Table:
    bell = median(found.new_jobs)
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(found.reasons.items()))
    rows = [
        ("reasons of the waiting ones", reasons),
        ("operator's memory before the restart", f"{found.memory_before:.0f} MiB"),
        ("its pod deleted, to Ready", _seconds(found.ready)),
        ("its pod deleted, to steady state", _seconds(found.steady)),
        ("status writes from the deletion until then", f"{found.restart_writes:,}"),
        ("operator's memory after the restart and new jobs", f"{found.memory_after:.0f} MiB"),
        ("operator's peak memory since the restart", f"{found.memory_peak:.0f} MiB"),
        ("new Bell at a running worker of another namespace, median", f"{bell:.3f} s"),
        ("the same / raw Job", f"{bell / baseline.seconds:.3f}"),
        ("quota deleted: waiting ones complete", f"{found.drained:,} after {found.drain_seconds:.1f} s"),
    ]
    notes = (
        "The finished ones are created, and get a status that the operator wrote, while no operator runs. A quota "
        "allows the namespace of the waiting ones no Job. *Steady state*: the operator is Ready, and from then on it "
        f"uses less than {STEADY_SHARE:.0%} of a processor for {STEADY_SECONDS:g} s. By then it has listed everything, "
        "looked in the store for results of each waiting one, and queued each."
    )
    return Table(f"{found.finished:,} finished QuantumJobs, {found.waiting:,} that wait", ("", "found"), rows, notes)


def _seconds(value: float) -> str:
    return "timed out" if value >= NOT_REACHED else f"{value:.1f} s"
