"""Derives the seeds of a job's pubs and points. They depend on the job alone, so each attempt gives the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

from quantumjob_contract.limits import MAX_SEED

STEP: Final = 2113
"""Aer's step of the seed from one circuit of a run to the next."""


def job_seed(uid: str) -> int:
    """Returns the seed of a job whose spec has none: from 0 to MAX_SEED, a function of the resource's UID."""
    return int.from_bytes(hashlib.sha256(uid.encode()).digest()[:4], "big") & MAX_SEED


def pub_seeds(seed: int, points: Iterable[int]) -> list[int]:
    """Returns the seed of each pub, given the number of points of each. The first pub has the job's seed.

    Each point takes one step, so that a job of several pubs draws the samples of one call of Aer's primitives.
    """
    return [(seed + STEP * before) & MAX_SEED for before in accumulate(points, initial=0)][:-1]


def point_seed(pub_seed: int, point: int) -> int:
    """Returns the seed of a pub's point (from 0, in C order). It may exceed MAX_SEED, as Aer's does."""
    return pub_seed + STEP * point
