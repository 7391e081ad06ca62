"""Fair shares of a deadline: a pub that hangs must not starve its neighbours. Pure functions and one small class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

RESERVE_SECONDS: Final = 5.0
RESERVE_PART: Final = 0.05
MIN_RETRY_GROWTH: Final = 1.2
"""A pub that ran out of its share runs again only if it gets this many times more than before."""
MIN_SHARE_SECONDS: Final = 0.05
"""A share below this many seconds is none."""


def run_seconds(seconds_left: float | None) -> float | None:
    """Of the time to the deadline, what pubs may run: the rest is kept for storing."""
    if seconds_left is None:
        return None
    reserve = max(RESERVE_SECONDS, RESERVE_PART * seconds_left)
    return max(0.0, seconds_left - min(reserve, seconds_left / 2))


class TimeBudget:
    """The time that all pubs of a shard have together."""

    def __init__(self, seconds: float | None, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._end = None if seconds is None else clock() + seconds
        self._given: dict[int, float] = {}

    def remaining(self) -> float | None:
        return None if self._end is None else max(0.0, self._end - self._clock())

    def quota(self, waiting: int) -> float | None:
        """Seconds for each of so many pubs; None for no limit."""
        remaining = self.remaining()
        return None if remaining is None else remaining / waiting

    def share(self, index: int, waiting: int) -> float | None:
        """Seconds for this pub while `waiting` pubs, itself included, want time; 0 for none; None for no limit."""
        share = self.quota(waiting)
        if share is None:
            return None
        if not self.is_useful(index, share):
            return 0.0
        self._given[index] = share
        return share

    def is_useful(self, index: int, share: float) -> bool:
        """Whether this pub may come further with this share than it did before."""
        return share >= MIN_SHARE_SECONDS and share >= self._given.get(index, 0.0) * MIN_RETRY_GROWTH

    def given(self, index: int) -> float | None:
        """The largest share that this pub had; None if it had none."""
        return self._given.get(index)
