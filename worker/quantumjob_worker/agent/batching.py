"""Decides how many pubs share a child: a fork takes as long as several small pubs.

Only successful results of a batch are kept. A pub that fails, or whose child dies, runs again alone, so that no pub
is affected by another.
"""

from __future__ import annotations

from typing import Final

from quantumjob_contract.limits import MIB

TARGET_SECONDS: Final = 0.5
"""Intended run time of a batch."""
TIMEOUT_SECONDS: Final = 2.0
"""After this the batch is stopped, and its current pub runs alone."""
FETCH_SECONDS: Final = 1.0
"""After this no further circuit is fetched for a batch."""
MAX_PUBS: Final = 200
MAX_BYTES: Final = MIB
"""Circuits and parameter values of one batch."""


class BatchSize:
    """Number of pubs in the next batch, from the duration of the last one. The first pub runs alone."""

    def __init__(self) -> None:
        self.pubs = 1

    def record(self, seconds: float, pubs: int) -> None:
        """Records the seconds that a child took for this number of pubs."""
        self.pubs = max(1, min(MAX_PUBS, int(TARGET_SECONDS * max(1, pubs) / max(seconds, 1e-6))))
