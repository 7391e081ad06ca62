"""Finds when a process has reached its steady state, from readings of its processor time."""

from __future__ import annotations

from typing import Final, NamedTuple

STEADY_SECONDS: Final = 6.0
"""Longer than the operator's pause after its start, in which workers report their orders."""
STEADY_SHARE: Final = 0.05
"""Share of one processor. A process that uses no more for STEADY_SECONDS is in its steady state."""


class CpuReading(NamedTuple):
    """Processor time since the start of the process."""

    at: float
    cpu_ms: float


def steady_since(readings: list[CpuReading]) -> float | None:
    """Returns the time of the first reading that begins the steady state; None if there is none."""
    for index, first in enumerate(readings):
        later = next((each for each in readings[index:] if each.at - first.at >= STEADY_SECONDS), None)
        if later is None:
            return None
        if later.cpu_ms - first.cpu_ms <= (later.at - first.at) * 1000 * STEADY_SHARE:
            return first.at
    return None
