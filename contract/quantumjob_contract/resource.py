"""What several parts read from a QuantumJob's JSON. Pure."""

from __future__ import annotations

from typing import Any

from quantumjob_contract.keys import shard_count

JSON = dict[str, Any]


def total(quantumjob: JSON) -> int:
    """How many pubs it has; 0 where an object lists them that nobody has looked at yet."""
    program = quantumjob["spec"]["program"]
    if "pubs" in program:
        return len(program["pubs"])
    found: int = ((quantumjob.get("status") or {}).get("pubsFrom") or {}).get("pubs", 0)
    return found


def shards(quantumjob: JSON) -> int:
    """How many shards its pubs are split into."""
    return shard_count(quantumjob["spec"].get("parallelism", 1), total(quantumjob))


def pubs_of(quantumjob: JSON, shard: int) -> int:
    """How many pubs a shard has."""
    return len(range(shard, total(quantumjob), shards(quantumjob)))
