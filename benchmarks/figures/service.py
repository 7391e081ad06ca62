"""Figures of the REST service, relative to alternating creates at the API server in the same run."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.figures.basic import Baseline, Rate, Target, percentile

SUBMITS_PER_SECOND: Final = 200


@dataclass(frozen=True)
class RestFigures:
    """Seconds of single requests, with the same token, over kept connections."""

    direct: list[float]
    """Creates at the API server."""
    submits: list[float]
    keyed: list[float]
    """Submits with an Idempotency-Key."""
    results: list[float]
    """From Complete, by a watch of the API server, until a long poll and a request have returned the result."""
    direct_rate: Rate
    submit_rate: Rate
    at_once: int

    def targets(self, _: Baseline) -> list[Target]:
        wanted = min(SUBMITS_PER_SECOND, self.direct_rate.each_second)
        ratio = median(self.submits) / median(self.direct)
        rate = f"submits a second by REST, {self.at_once} at once"
        return [
            Target("submit by REST / the API server's own create, median", ratio, 1.5),
            Target("the same, 99th percentile", percentile(self.submits, 0.99) / percentile(self.direct, 0.99), 1.5),
            Target(rate, self.submit_rate.each_second, round(wanted, 1), "a second", at_most=False),
            Target("result by REST after Complete, median", median(self.results) * 1000, 100, "ms"),
        ]
