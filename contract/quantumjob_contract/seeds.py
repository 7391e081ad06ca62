"""Seeds, fixed when a job is accepted: each attempt of a pub gives the same bytes."""

from __future__ import annotations

import hashlib

from quantumjob_contract.limits import MAX_SEED


def job_seed(uid: str) -> int:
    """The seed of a job whose user gave none: from 0 to MAX_SEED, a function of the resource's UID."""
    return int.from_bytes(hashlib.sha256(uid.encode()).digest()[:4], "big") & MAX_SEED


def pub_seed(seed: int, index: int) -> int:
    """The seed of the pub at `index` (from 0). The first pub's is the job's own.

    The step is the one by which Aer seeds the circuits of one run, so that a job of several pubs and one call of
    Aer's own primitives draw the same samples.
    """
    return (seed + 2113 * index) & MAX_SEED
