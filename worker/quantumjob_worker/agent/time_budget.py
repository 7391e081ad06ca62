"""Divides the time to a deadline into shares, so that a pub that hangs does not use up the time of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

RESERVE_SECONDS: Final = 5.0
RESERVE_PART: Final = 0.05
MIN_RETRY_GROWTH: Final = 1.2
"""A pub that used up its share runs again only if its next share is larger by this factor."""
MIN_SHARE_SECONDS: Final = 0.05
"""A pub does not run with a smaller share."""


def run_seconds(seconds_left: float | None) -> float | None:
    """Returns how much of the time to the deadline pubs may use: the rest is reserved for storing results."""
    if seconds_left is None:
        return None
    reserve = max(RESERVE_SECONDS, RESERVE_PART * seconds_left)
    return max(0.0, seconds_left - min(reserve, seconds_left / 2))


class TimeBudget:
    """The run time that all pubs of an order share."""

    def __init__(self, seconds: float | None, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._end = None if seconds is None else clock() + seconds
        self._given: dict[int, float] = {}

    def remaining(self) -> float | None:
        return None if self._end is None else max(0.0, self._end - self._clock())

    def quota(self, waiting: int) -> float | None:
        """Returns seconds for each of the waiting pubs; None for no limit."""
        remaining = self.remaining()
        return None if remaining is None else remaining / waiting

    def share(self, index: int, waiting: int) -> float | None:
        """Returns this pub's seconds, of `waiting` pubs including it; 0 if the share is useless, None for no limit."""
        share = self.quota(waiting)
        if share is None:
            return None
        if not self.is_useful(index, share):
            return 0.0
        self._given[index] = share
        return share

    def is_useful(self, index: int, share: float) -> bool:
        """Whether the pub may get further with this share than with its previous one."""
        return share >= MIN_SHARE_SECONDS and share >= self._given.get(index, 0.0) * MIN_RETRY_GROWTH

    def given(self, index: int) -> float | None:
        """Returns the largest share that this pub had; None if it had none."""
        return self._given.get(index)
