"""The numbers that figures are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import Any

JSON = dict[str, Any]


@dataclass(frozen=True)
class Spread:
    """Of several measurements."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(median(values), min(values), max(values))


def percentile(values: list[float], share: float) -> float:
    """The least value that so large a share of all does not exceed (nearest rank): of 50, the 99th is the largest."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


@dataclass(frozen=True)
class Rate:
    """So many in so long."""

    count: int
    seconds: float

    @property
    def each_second(self) -> float:
        return self.count / self.seconds

    def __add__(self, other: Rate) -> Rate:
        return Rate(self.count + other.count, self.seconds + other.seconds)


@dataclass(frozen=True)
class Cost:
    """Processor time of so many jobs."""

    ms: float
    jobs: int

    @property
    def each(self) -> float:
        """ms a job."""
        return self.ms / self.jobs if self.jobs else 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.ms + other.ms, self.jobs + other.jobs)


@dataclass(frozen=True)
class Floor:
    """Raw batch/v1 Jobs."""

    singles: list[float]
    """One at a time, create to Complete."""

    @property
    def seconds(self) -> float:
        """Of one, by the median: what every latency is divided by."""
        return median(self.singles)


@dataclass(frozen=True)
class Target:
    """What was promised, and what was found."""

    name: str
    value: float
    limit: float
    unit: str = ""
    """Empty for a ratio."""
    at_most: bool = True
    below: bool = False
    """The limit itself is missed too."""

    @property
    def met(self) -> bool:
        if self.below:
            return self.value < self.limit
        return self.value <= self.limit if self.at_most else self.value >= self.limit
