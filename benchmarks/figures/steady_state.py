"""When a process has come to rest, from readings of its processor time."""

from __future__ import annotations

from typing import Final, NamedTuple

REST_SECONDS: Final = 6.0
"""Longer than the operator pauses after its start, in which it hears of the workers that there are."""
REST_SHARE: Final = 0.05
"""Of one processor: what uses no more than this for REST_SECONDS is at rest."""


class Reading(NamedTuple):
    """Processor time since the process began."""

    at: float
    cpu_ms: float


def rest_since(readings: list[Reading]) -> float | None:
    """The time of the first reading after which the process used next to nothing for REST_SECONDS; None if none."""
    for index, first in enumerate(readings):
        later = next((each for each in readings[index:] if each.at - first.at >= REST_SECONDS), None)
        if later is None:
            return None
        if later.cpu_ms - first.cpu_ms <= (later.at - first.at) * 1000 * REST_SHARE:
            return first.at
    return None
