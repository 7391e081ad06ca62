"""Sweeping: pending objects go when their QuantumJob is finished or gone, and a grace period has passed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from quantumjob_contract import keys
from quantumjob_contract.keys import Owner
from quantumjob_contract.store import Entry


def orphans(entries: Iterable[Entry], needed: set[Owner], served: set[str], now: datetime, grace: float) -> list[str]:
    """Keys to delete, of a listing of the pending bucket.

    `needed` are the unfinished QuantumJobs, listed after the objects were: one that is created meanwhile has none
    among them. `served` are the namespaces that this installation serves; empty for all. A key of another form than
    ours is left alone.
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
