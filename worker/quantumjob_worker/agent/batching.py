"""How many pubs share a child: a fork costs as much as several small pubs take.

Only a success counts there. A pub that has an error, or that its child died of, runs again in a child of its own, so
that none is blamed for another, and none suffers from another.
"""

from __future__ import annotations

from typing import Final

from quantumjob_contract.limits import MIB

SECONDS: Final = 0.5
"""What a child shall take for all of its pubs."""
PATIENCE_SECONDS: Final = 2.0
"""After which the pub that it is at goes to a child of its own."""
FETCH_SECONDS: Final = 1.0
"""After which those that are fetched by then run."""
PUBS: Final = 200
BYTES: Final = MIB
"""Circuits and arrays of one child."""


class Pace:
    """From how long the last ones took to how many go together next. The first one goes alone."""

    def __init__(self) -> None:
        self.pubs = 1

    def took(self, seconds: float, pubs: int) -> None:
        """A child took these seconds for so many pubs."""
        self.pubs = max(1, min(PUBS, int(SECONDS * max(1, pubs) / max(seconds, 1e-6))))
