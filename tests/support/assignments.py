"""A queue with orders of two namespaces, at a fixed time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.reasons import Reason
from quantumjob_operator.results.manifest import Failure
from quantumjob_operator.scheduling.assignment import (
    Assignment,
    Pod,
)
from quantumjob_operator.scheduling.queue import Queue
from support.jobs import only

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

LANES = 4

SHORT, LONG = 0.03, 60.0

A, B, C = (only(Owner("team", name)) for name in "abc")

ONE, TWO = (Pod("team", f"qj-shared-{name}", f"pod-{name}") for name in ("one", "two"))
WHY = Failure(Reason.BACKOFF_LIMIT_EXCEEDED, "It died.")


def later(seconds: float) -> datetime:
    """Returns the time this long after NOW."""
    return NOW + timedelta(seconds=seconds)


def assignment(**changes: Any) -> Assignment:
    """Returns an assignment with these fields."""
    return Assignment(**({"expected": SHORT, "deadline": 600.0, "retries": 3, "not_before": NOW} | changes))


def queue(*shards: Shard, max_workers: int = LANES, **changes: Any) -> Queue:
    """Returns a queue with these orders."""
    made = Queue(max_workers)
    for shard in shards:
        made.enqueue(shard.owner, [assignment(**changes)], NOW)
    return made


def found(of: Queue, shard: Shard) -> Assignment:
    """Returns the assignment of an enqueued shard."""
    there = of.assignment(shard)
    assert there is not None
    return there


def where(of: Queue, shard: Shard) -> str:
    """Returns which of the three a shard is in."""
    namespace_queue = of.of_namespace(shard.owner.namespace)
    (name,) = [name for name in ("waiting", "assigned", "finished") if shard in getattr(namespace_queue, name)]
    return name
