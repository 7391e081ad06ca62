"""Chooses the next order of a namespace, and how many shared workers it should have. Pure.

A namespace has at most `max_workers` workers. Long jobs may occupy all of them but one, which is kept for short jobs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from quantumjob_operator.model.cost_estimate import SHORT_SECONDS

SECONDS_PER_WORKER: Final = 2.0
"""Seconds of short orders for each worker: a pod takes more than a second to start."""


def is_long(expected: float, taken: float = 0.0) -> bool:
    """Whether an order with this estimate and run time is long."""
    return max(expected, taken) > SHORT_SECONDS


def next_in(waiting: Iterable[float], long_running: int, max_workers: int) -> int | None:
    """Returns the index of the next order, of the estimates of waiting orders, oldest first; None if none may start."""
    first = None
    for index, expected in enumerate(waiting):
        if not is_long(expected) or long_running < max_workers - 1:
            return index
        first = index if first is None else first
    return first if max_workers <= 1 else None


def wanted(waiting: Iterable[float], long_running: int, max_workers: int) -> int:
    """Returns how many workers a namespace should have."""
    for_long, short = long_running, 0.0
    for expected in waiting:
        if is_long(expected):
            for_long += 1
        else:
            short += expected
        if (for_long >= max_workers and short > 0) or short > max_workers * SECONDS_PER_WORKER:
            return max_workers
    return min(max_workers, min(for_long, max(1, max_workers - 1)) + math.ceil(short / SECONDS_PER_WORKER))
