"""Exit codes of the worker: a contract with the child Job's pod failure policy.

0 means that the last segment is stored. 64 to 69 are permanent: another attempt would end the same way.
75 is temporary: another pod continues from the segments that are stored. Names and numbers follow sysexits.h.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a worker's process ends."""

    DONE = 0
    BAD_PROGRAM = 65
    """The program of the order cannot be read: operator and worker are of different versions, or it was damaged."""
    INTERNAL = 69
    """A defect of the worker itself."""
    TEMPORARY = 75
    """The store or the order endpoint could not be reached or refused this worker, or the pod was told to stop.

    A refusal may be of the moment: keys are renewed, an operator has just started. `backoffLimit` ends it."""


PERMANENT = range(64, 70)
