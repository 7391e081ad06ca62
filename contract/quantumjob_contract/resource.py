"""Reads the number of pubs and shards from a QuantumJob's JSON. Pure."""

from __future__ import annotations

from typing import Any

from quantumjob_contract.keys import shard_count

JSON = dict[str, Any]


def total(quantumjob: JSON) -> int:
    """Returns the number of pubs; 0 while the object of pubsFrom has not been read."""
    program = quantumjob["spec"]["program"]
    if "pubs" in program:
        return len(program["pubs"])
    found: int = ((quantumjob.get("status") or {}).get("pubsFrom") or {}).get("pubs", 0)
    return found


def shards(quantumjob: JSON) -> int:
    """Returns the number of shards."""
    return shard_count(quantumjob["spec"].get("parallelism", 1), total(quantumjob))


def pubs_of(quantumjob: JSON, shard: int) -> int:
    """Returns the number of pubs of a shard."""
    return len(range(shard, total(quantumjob), shards(quantumjob)))
