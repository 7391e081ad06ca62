"""What the controller remembers of a QuantumJob between two looks at it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class JobMemory:
    """Soft state of one QuantumJob: whatever is lost with it is found again."""

    accepted_here: bool = False
    """This process has accepted it, so that before its first order nothing of a worker can be in pending."""
    program_sha256: str = ""
    """SHA-256 of the program, where this process was the first to store it."""
    ordered: set[int] = field(default_factory=set)
    """Shards of which an order was made here: something of them may be in pending."""
    reported_ended: set[int] = field(default_factory=set)
    """Shards of which a dedicated worker has said that their last segment is stored."""
    store_checked: bool = False
    misses: int = 0
    refused: str = ""
    """Why the object that lists its pubs cannot be taken."""
    done: dict[int, int] = field(default_factory=dict)
    """Pubs of each shard that have a result, as its worker has said."""
    expected: float = 0.0
    """Seconds that the job will take, by its program alone; 0 where that was not asked yet."""
    reported_done: int = 0
    """How many of all shards are told of."""
    reported_at: float = 0.0
    """When that was told last, by the loop's clock."""
