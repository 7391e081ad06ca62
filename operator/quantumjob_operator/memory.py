"""What the controller remembers of a QuantumJob between two looks at it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Memory:
    """Soft state of one QuantumJob: whatever is lost with it is found again."""

    fresh: bool = False
    """This process has accepted it, so that before its first order nothing of a worker can be in pending."""
    stored: str = ""
    """SHA-256 of the program, where this process was the first to store it."""
    ordered: bool = False
    hinted: bool = False
    looked: bool = False
    misses: int = 0
    done: int = 0
    """Pubs that have a result, as the worker has said."""
    told: float = 0.0
    """When that was told last, by the loop's clock."""
