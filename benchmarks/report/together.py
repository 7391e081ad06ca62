"""The tables about small jobs beside a long one, beside a crowd, and beside many finished ones."""

from __future__ import annotations

from statistics import median

from benchmarks.figures.basic import Floor
from benchmarks.figures.steady_state import REST_SECONDS, REST_SHARE
from benchmarks.figures.together import NEVER, Backlog, Crowd, Mixed
from benchmarks.report.layout import Table


def mixed(found: Mixed) -> Table:
    head = (
        "created",
        "small: median s",
        "most",
        "ratio of medians",
        "small ones done before it",
        "long: s",
        "of itself alone",
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
        f"Each time a fresh namespace without a worker; times are create to Complete. The long one is a statevector of "
        f"22 qubits in {found.layers} layers, {found.long_alone:.1f} s alone at a standing worker."
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


def backlog(found: Backlog, floor: Floor) -> Table:
    bell = median(found.bells)
    told = ", ".join(f"{count:,} {reason}" for reason, count in sorted(found.told.items()))
    rows = [
        ("what the waiting ones say", told),
        ("operator's memory before the restart", f"{found.memory_before:.0f} MiB"),
        ("its pod deleted, to Ready", _seconds(found.ready)),
        ("its pod deleted, to level", _seconds(found.level)),
        ("status writes from the deletion until then", f"{found.restart_writes:,}"),
        ("operator's memory after the restart and new jobs", f"{found.memory_after:.0f} MiB"),
        ("operator's memory at its most since the restart", f"{found.memory_peak:.0f} MiB"),
        ("new Bell at a standing worker of another namespace, median", f"{bell:.3f} s"),
        ("the same / raw Job", f"{bell / floor.seconds:.3f}"),
        ("quota lifted: waiting ones complete", f"{found.drained:,} after {found.drain_seconds:.1f} s"),
    ]
    notes = (
        "The finished ones are created, and given a status that the operator wrote, while no operator runs. The "
        "waiting ones have a quota that lets their namespace have no Job. *Level*: the operator is Ready, and at rest: "
        f"from then on it uses less than {REST_SHARE:.0%} of a processor for {REST_SECONDS:g} s. By then it has listed "
        "everything, looked in the store for what each waiting one may have, and given each its place in the queue."
    )
    return Table(f"{found.finished:,} finished QuantumJobs, {found.waiting:,} that wait", ("", "found"), rows, notes)


def _seconds(value: float) -> str:
    return "not in time" if value >= NEVER else f"{value:.1f} s"
