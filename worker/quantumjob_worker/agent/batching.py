"""How many pubs share a child: a fork costs as much as several small pubs take.

Only a success counts there. A pub that has an error, or that its child died of, runs again in a child of its own, so
that none is blamed for another, and none suffers from another.
"""

from __future__ import annotations

from typing import Final

from quantumjob_contract.limits import MIB

TARGET_SECONDS: Final = 0.5
"""What a child shall take for all of its pubs."""
TIMEOUT_SECONDS: Final = 2.0
"""After which the pub that it is at goes to a child of its own."""
FETCH_SECONDS: Final = 1.0
"""After which those that are fetched by then run."""
MAX_PUBS: Final = 200
MAX_BYTES: Final = MIB
"""Circuits and arrays of one child."""


class BatchSize:
    """From how long the last ones took to how many go together next. The first one goes alone."""

    def __init__(self) -> None:
        self.pubs = 1

    def record(self, seconds: float, pubs: int) -> None:
        """A child took these seconds for so many pubs."""
        self.pubs = max(1, min(MAX_PUBS, int(TARGET_SECONDS * max(1, pubs) / max(seconds, 1e-6))))
