"""Builds and parses object keys. The only place that knows the layout of the three buckets.

    circuits    <namespace>/<any key>                    what users upload
    pending     <namespace>/<uid>/program.json           the accepted program
                <namespace>/<uid>/<shard>/<n>.json       a segment; the last one of a shard is "last.json"
                <namespace>/<uid>/<shard>/<n>.npz        arrays of the pubs in the segment of that number
    completed   <namespace>/<uid>/...                    the same keys, verified, and
                <namespace>/<uid>/manifest.json          written last: the commit

Each key is written once.
"""

from __future__ import annotations

from typing import Final, NamedTuple

LAST: Final = "last"
"""Name of a shard's last segment. An order holds its URL from the start."""


class Owner(NamedTuple):
    """The QuantumJob that an object belongs to."""

    namespace: str
    uid: str


class Shard(NamedTuple):
    """A shard of a job's pubs: pub i belongs to shard i modulo the number of shards."""

    owner: Owner
    number: int


INSIDE: Final = "must be relative to the namespace: no leading `/`, no empty part, no `.` and no `..`."
"""What a message says of a key for which `stays_inside` is false."""


def shard_count(parallelism: int, pubs: int) -> int:
    """Returns the number of shards: `parallelism`, but none without a pub."""
    return max(1, min(parallelism, pubs))


def circuit(namespace: str, key: str) -> str:
    """Returns the full key of an object in the circuits bucket; `key` is relative to the namespace."""
    return f"{namespace}/{key}"


def stays_inside(key: str) -> bool:
    """Whether a user's key stays inside the namespace's part of the circuits bucket."""
    return all(part not in {"", ".", ".."} for part in key.split("/")) and "\\" not in key


def prefix(owner: Owner) -> str:
    """Returns the common prefix of a QuantumJob's keys, in pending and in completed."""
    return f"{owner.namespace}/{owner.uid}/"


def program(owner: Owner) -> str:
    return prefix(owner) + "program.json"


def manifest(owner: Owner) -> str:
    return prefix(owner) + "manifest.json"


def segment_name(number: int) -> str:
    """Returns the name of the n-th segment (from 0). The width is fixed, so that a listing is in order."""
    return f"{number:06d}"


def segment(shard: Shard, name: str) -> str:
    """Returns the key of a segment; `name` is `segment_name(n)` or `LAST`."""
    return f"{prefix(shard.owner)}{shard.number}/{name}.json"


def arrays(shard: Shard, name: str) -> str:
    """Returns the key of the arrays of a numbered segment."""
    return f"{prefix(shard.owner)}{shard.number}/{name}.npz"


def named_object(shard: Shard, name: str) -> str:
    """Returns the key of a segment or of its arrays by its REST name: `last`, `000000` or `000000.npz`."""
    number = name.removesuffix(".npz")
    return segment(shard, name) if number == name else arrays(shard, number)


def owner_of(key: str) -> Owner | None:
    """Returns the QuantumJob that a key of pending or completed belongs to; None for a foreign key."""
    parts = key.split("/")
    if len(parts) < 3 or not parts[0] or not parts[1]:
        return None
    return Owner(parts[0], parts[1])


def segment_of(key: str) -> tuple[int, str] | None:
    """Returns the number of the shard and the name of the segment; None where the key is not a segment's."""
    parts = key.split("/")
    if len(parts) != 4 or not parts[2].isdecimal() or not parts[3].endswith(".json"):
        return None
    name = parts[3].removesuffix(".json")
    return (int(parts[2]), name) if name == LAST or name.isdecimal() else None
