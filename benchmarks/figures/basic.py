"""Spread, rate, cost and target: the numbers of which figures consist."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import Any

JSON = dict[str, Any]


@dataclass(frozen=True)
class Spread:
    """Median, minimum and maximum of several measurements."""

    median: float
    minimum: float
    maximum: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(median(values), min(values), max(values))


def percentile(values: list[float], share: float) -> float:
    """Returns the percentile by nearest rank: of 50 values the 99th is the largest."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


@dataclass(frozen=True)
class Rate:
    """A count in a time."""

    count: int
    seconds: float

    @property
    def each_second(self) -> float:
        return self.count / self.seconds

    def __add__(self, other: Rate) -> Rate:
        return Rate(self.count + other.count, self.seconds + other.seconds)


@dataclass(frozen=True)
class Cost:
    """Processor time of a number of jobs."""

    ms: float
    jobs: int

    @property
    def each(self) -> float:
        """Milliseconds a job."""
        return self.ms / self.jobs if self.jobs else 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.ms + other.ms, self.jobs + other.jobs)


@dataclass(frozen=True)
class Baseline:
    """Raw batch/v1 Jobs, to which QuantumJobs are compared."""

    timings: list[float]
    """Seconds from create to Complete, one Job at a time."""

    @property
    def seconds(self) -> float:
        """The median, by which every latency is divided."""
        return median(self.timings)


@dataclass(frozen=True)
class Target:
    """A promised limit and the measured value."""

    name: str
    value: float
    limit: float
    unit: str = ""
    """Empty for a ratio."""
    at_most: bool = True
    below: bool = False
    """The value must be below the limit, not equal to it."""

    @property
    def met(self) -> bool:
        if self.below:
            return self.value < self.limit
        return self.value <= self.limit if self.at_most else self.value >= self.limit
