"""Runs the chosen measurements in order."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import Final, TypeVar

from benchmarks import operator_usage
from benchmarks.figures.run import Figures, OperatorFigures
from benchmarks.measure import alone, many, programs, service, small, together
from benchmarks.measure.backlog import backlog
from benchmarks.measure.bench import Bench
from benchmarks.operator_usage import Usage

T = TypeVar("T")

PARTS: Final = ("alone", "many", "standing", "series", "burst", "mixed", "crowd", "programs", "rest", "backlog")


def measure(bench: Bench, chosen: Namespace) -> Figures:
    """Measures the chosen parts, in this order. Parts that restart the operator come last, so that its memory is read
    while it is one process and has had small jobs only."""

    def part(name: str, work: Callable[[], T]) -> T | None:
        return work() if name in chosen.only else None

    first = operator_usage.read()
    if "alone" in chosen.only:
        baseline, found, verified = alone.alone(bench, chosen.runs, chosen.warm_up)
    else:
        baseline, found, verified = alone.baseline(bench, chosen.runs), None, 0
    return Figures(
        baseline=baseline,
        alone=found,
        verified=verified,
        many=part("many", lambda: many.dedicated(bench, chosen.many)),
        standing=part("standing", lambda: small.standing(bench, chosen.standing)),
        series=part("series", lambda: small.series(bench, chosen.series, chosen.at_once)),
        burst=part("burst", lambda: small.burst(bench, chosen.burst, chosen.many)),
        mixed=part("mixed", lambda: together.mixed(bench, chosen.small, chosen.long)),
        crowd=part("crowd", lambda: together.crowd(bench, chosen.crowd, chosen.few)),
        operator=_operator(bench, first),
        programs=part("programs", lambda: programs.programs(bench, chosen.pubs, chosen.points, chosen.estimates)),
        rest=part("rest", lambda: service.rest(bench, chosen.submits, chosen.submitters, chosen.submits_at_once)),
        backlog=part("backlog", lambda: backlog(bench, chosen.finished, chosen.waiting, chosen.runs)),
    )


def _operator(bench: Bench, first: Usage) -> OperatorFigures:
    now = operator_usage.read()
    own, others = bench.cluster.changed_jobs()
    return OperatorFigures(
        idle_ms_per_s=bench.idle.cpu_ms / bench.idle.seconds,
        resident_mib=now.resident_mib,
        peak_mib=now.peak_mib,
        jobs=own,
        restarted=now.started != first.started,
        others=others,
    )
