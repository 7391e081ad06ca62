"""Holds the soft state of a QuantumJob between two reconciliations."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class JobMemory:
    """Soft state of one QuantumJob. It is rebuilt from API server, store and workers' reports."""

    accepted_here: bool = False
    """This process accepted the job, so the store holds no data of an earlier attempt."""
    program_sha256: str = ""
    """SHA-256 of the program, where this process has stored it."""
    ordered: set[int] = field(default_factory=set)
    """Shards for which this process has built an order: they may have stored segments."""
    reported_ended: set[int] = field(default_factory=set)
    """Shards whose dedicated worker has reported the end of its order."""
    store_checked: bool = False
    misses: int = 0
    refused: str = ""
    """Why the object of `pubsFrom` is invalid."""
    done: dict[int, int] = field(default_factory=dict)
    """Pubs of each shard that have a result, by the worker's report."""
    expected: float = 0.0
    """The estimated seconds of the longest shard; 0 where not yet estimated."""
    reported_done: int = 0
    """Pubs of all shards in the last progress update."""
    reported_at: float = 0.0
    """When progress was last updated, by the event loop's clock."""
