"""Exit codes of the worker, which the pod failure policy of its Job matches.

0: the last segment is stored. 64 to 69 are permanent: another attempt would end the same way. 75 is temporary: another
pod continues from the stored segments. Names and numbers follow sysexits.h.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit code of a worker's process."""

    DONE = 0
    BAD_PROGRAM = 65
    """The program of the order cannot be read: operator and worker differ in version, or it is damaged."""
    INTERNAL = 69
    """A defect of the worker itself."""
    TEMPORARY = 75
    """The store or the order service could not be reached or refused this worker, or the pod received SIGTERM.

    A refusal may be temporary: keys are renewed, or an operator has just started. `backoffLimit` bounds it."""


PERMANENT = range(64, 70)
