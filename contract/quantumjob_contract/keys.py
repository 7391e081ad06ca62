"""Object keys: pure functions, the only place where the layout of the three buckets is written down.

    circuits    <namespace>/<any key>                    what users upload
    pending     <namespace>/<uid>/program.json           the accepted program
                <namespace>/<uid>/<shard>/<n>.json       a segment; the last one of a shard is "last.json"
                <namespace>/<uid>/<shard>/<n>.npz        arrays of the pubs in the segment of that number
    completed   <namespace>/<uid>/...                    the same keys, verified, and
                <namespace>/<uid>/manifest.json          written last: the commit

A key is written once and never overwritten.
"""

from __future__ import annotations

from typing import Final, NamedTuple

LAST: Final = "last"
"""Name of a shard's last segment. It is known from the start, so a worker can finish without asking for its URL."""


class Owner(NamedTuple):
    """Whose object a key names."""

    namespace: str
    uid: str


class Shard(NamedTuple):
    """A part of a job's pubs: the pub of index i is of the shard whose number is i modulo how many there are."""

    owner: Owner
    number: int


INSIDE: Final = "must be relative to the namespace: no leading `/`, no empty part, no `.` and no `..`."
"""What is to be said of a key that does not stay inside."""


def shard_count(parallelism: int, pubs: int) -> int:
    """Into how many shards so many pubs are split."""
    return max(1, min(parallelism, pubs))


def circuit(namespace: str, key: str) -> str:
    """The full key of a circuit that a QuantumJob of this namespace references by `key`."""
    return f"{namespace}/{key}"


def stays_inside(key: str) -> bool:
    """Whether a key that a user gives stays inside the namespace's part of the circuits bucket."""
    return all(part not in {"", ".", ".."} for part in key.split("/")) and "\\" not in key


def prefix(owner: Owner) -> str:
    """What the keys of all objects of one QuantumJob begin with, in pending and in completed."""
    return f"{owner.namespace}/{owner.uid}/"


def program(owner: Owner) -> str:
    return prefix(owner) + "program.json"


def manifest(owner: Owner) -> str:
    return prefix(owner) + "manifest.json"


def segment_name(number: int) -> str:
    """The name of the n-th segment (from 0); fixed width, so that a listing is in order."""
    return f"{number:06d}"


def segment(shard: Shard, name: str) -> str:
    """The key of a segment; `name` is `segment_name(n)` or `LAST`."""
    return f"{prefix(shard.owner)}{shard.number}/{name}.json"


def arrays(shard: Shard, name: str) -> str:
    """The key of the arrays that belong to a numbered segment."""
    return f"{prefix(shard.owner)}{shard.number}/{name}.npz"


def beside(shard: Shard, name: str) -> str:
    """The key of a segment or of arrays, by the name that a reader gives: `last`, `000000` or `000000.npz`."""
    number = name.removesuffix(".npz")
    return segment(shard, name) if number == name else arrays(shard, number)


def owner_of(key: str) -> Owner | None:
    """The QuantumJob that a key of the pending or completed bucket belongs to; None for a foreign key."""
    parts = key.split("/")
    if len(parts) < 3 or not parts[0] or not parts[1]:
        return None
    return Owner(parts[0], parts[1])


def segment_of(key: str) -> tuple[int, str] | None:
    """Number of the shard and name of the segment that this key is; None for any other key."""
    parts = key.split("/")
    if len(parts) != 4 or not parts[2].isdecimal() or not parts[3].endswith(".json"):
        return None
    name = parts[3].removesuffix(".json")
    return (int(parts[2]), name) if name == LAST or name.isdecimal() else None
