"""Formats the table of the REST service."""

from __future__ import annotations

from statistics import median

from benchmarks.figures.basic import Rate, percentile
from benchmarks.figures.service import RestFigures
from benchmarks.report.layout import Table


def service(found: RestFigures) -> Table:
    baseline = median(found.direct)
    kinds = (
        ("create at the API server", found.direct),
        ("submit by REST", found.submits),
        ("submit by REST with an Idempotency-Key", found.keyed),
        ("result by REST, after Complete", found.results),
    )
    rows: list[tuple[str, ...]] = [
        (
            name,
            str(len(each)),
            f"{median(each) * 1000:.1f}",
            f"{percentile(each, 0.99) * 1000:.1f}",
            f"{median(each) / baseline:.2f}",
        )
        for name, each in kinds
    ]
    rows += [
        _rate("creates at the API server", found.direct_rate, found),
        _rate("submits by REST", found.submit_rate, found),
    ]
    notes = (
        "Alternating requests with the same token over kept connections, with the operator stopped, since running the "
        "submitted jobs would take processor time. The time of a result, with the operator and a worker running, is "
        "from Complete by a watch of the API server until a long poll and a request for it are answered."
    )
    return Table("REST", ("", "of", "median, ms", "99th percentile, ms", "ratio of medians"), rows, notes)


def _rate(name: str, rate: Rate, found: RestFigures) -> tuple[str, ...]:
    ratio = rate.each_second / found.direct_rate.each_second
    return f"{name}, {found.at_once} at once: {rate.each_second:.0f} a second", str(rate.count), "", "", f"{ratio:.2f}"
