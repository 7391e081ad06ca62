"""The table about the REST service."""

from __future__ import annotations

from statistics import median

from benchmarks.figures.basic import Rate, percentile
from benchmarks.figures.service import Rest
from benchmarks.report.layout import Table


def service(found: Rest) -> Table:
    floor = median(found.direct)
    kinds = (
        ("create at the API server", found.direct),
        ("submit by REST", found.submits),
        ("submit by REST with an Idempotency-Key", found.keyed),
        ("result by REST, after Complete", found.results),
    )
    rows = [
        (
            name,
            str(len(each)),
            f"{median(each) * 1000:.1f}",
            f"{percentile(each, 0.99) * 1000:.1f}",
            f"{median(each) / floor:.2f}",
        )
        for name, each in kinds
    ]
    rows += [
        _rate("creates at the API server", found.direct_rate, found),
        _rate("submits by REST", found.submit_rate, found),
    ]
    notes = (
        "The same token, kept connections, in turn, with the operator stopped: to run what was submitted before takes "
        "the processors. A result, with the operator and a worker there, is measured from the "
        "moment that a watch of the API server tells of Complete until a long poll and a request for it are answered."
    )
    return Table("REST", ("", "of", "median, ms", "99th percentile, ms", "ratio of medians"), rows, notes)


def _rate(name: str, rate: Rate, found: Rest) -> tuple[str, ...]:
    ratio = rate.each_second / found.direct_rate.each_second
    return f"{name}, {found.at_once} at once: {rate.each_second:.0f} a second", str(rate.count), "", "", f"{ratio:.2f}"
