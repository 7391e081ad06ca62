"""Finds orphaned pending objects: their QuantumJob is finished or deleted, and a grace period has passed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from quantumjob_contract import keys
from quantumjob_contract.keys import Owner
from quantumjob_contract.store import Entry


def orphans(entries: Iterable[Entry], needed: set[Owner], served: set[str], now: datetime, grace: float) -> list[str]:
    """Returns the keys to delete, of a listing of the pending bucket.

    `needed` are the unfinished QuantumJobs, listed after the objects: a job created meanwhile has none among them.
    `served` are the namespaces of this installation; empty for all. Keys of another form are ignored.
    """
    old = now - timedelta(seconds=grace)
    return [
        entry.key
        for entry in entries
        if (owner := keys.owner_of(entry.key)) is not None
        and owner not in needed
        and (not served or owner.namespace in served)
        and entry.modified < old
    ]
