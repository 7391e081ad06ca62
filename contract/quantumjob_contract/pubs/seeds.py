"""Seeds, fixed when a job is accepted: each attempt of a pub gives the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

from quantumjob_contract.limits import MAX_SEED

STEP: Final = 2113
"""By which Aer steps from one circuit of a run to the next."""


def job_seed(uid: str) -> int:
    """The seed of a job whose user gave none: from 0 to MAX_SEED, a function of the resource's UID."""
    return int.from_bytes(hashlib.sha256(uid.encode()).digest()[:4], "big") & MAX_SEED


def pub_seeds(seed: int, points: Iterable[int]) -> list[int]:
    """The seed of each pub, given how many points each has. The first pub's is the job's own.

    Each point takes a step, so that a job of several pubs and one call of Aer's own primitives draw the same samples.
    """
    return [(seed + STEP * before) & MAX_SEED for before in accumulate(points, initial=0)][:-1]


def point_seed(pub_seed: int, point: int) -> int:
    """The seed of a pub's point (from 0, in C order); may exceed MAX_SEED, as Aer's own."""
    return pub_seed + STEP * point
