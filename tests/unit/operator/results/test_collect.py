"""A job in shards: promotion takes what all of them have, and from each only what is its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from quantumjob_contract import keys
from quantumjob_contract.keys import Owner, Shard
from quantumjob_contract.reader import Results
from quantumjob_contract.reasons import PubReason, Reason
from quantumjob_contract.schema.program import encode
from quantumjob_contract.schema.results import PubResult, StoredObject
from quantumjob_operator.results.collect import Corrupt, NotEnded, collect
from quantumjob_operator.results.manifest import Failure
from quantumjob_operator.results.promotion import Promoted, promote
from support.jobs import TIME, owner, program, put, result, segment, write_shard
from support.memory import MemoryStore

OF = owner()
SHARDS, PUBS = 3, 7
DEAD = Failure(Reason.DEADLINE_EXCEEDED, "Raise it.")
LATER = "2026-01-02T03:04:06Z"


def shard(number: int, of: Owner = OF) -> Shard:
    return Shard(of, number)


def results(number: int, size: int = 0) -> list[PubResult]:
    """Of a shard's pubs."""
    return [result(index, size=size) for index in range(number, PUBS, SHARDS)]


def write(store: MemoryStore, number: int, groups: list[list[PubResult]], **how: Any) -> None:
    write_shard(store.pending, shard(number), groups, **how)  # type: ignore[arg-type]


@pytest.fixture
def store() -> MemoryStore:
    """It has the program."""
    made = MemoryStore()
    made.pending.put_once(keys.program(OF), encode(program(OF, PUBS, SHARDS)))
    return made


async def promoted(store: MemoryStore, failure: Failure | None = None) -> Promoted:
    return await promote(store.opened, OF, TIME, failure)  # type: ignore[arg-type]


def read(store: MemoryStore) -> list[PubResult]:
    """By their index, as a reader has them from the completed bucket alone."""
    return sorted(Results(store.completed, OF).pubs(), key=lambda pub: pub.index)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, 40_000], ids=["inside the manifest", "beside it"])
async def test_all_shards_together_are_the_result(store: MemoryStore, size: int) -> None:
    for number in range(SHARDS):
        first, *rest = results(number, size)
        write(store, number, [[first], rest])
    done = await promoted(store)
    assert (done.manifest.outcome, done.manifest.total, done.manifest.succeeded) == ("Succeeded", PUBS, PUBS)
    assert [pub.name for pub in done.manifest.pubs] == [f"p{index}" for index in range(PUBS)]
    assert [each.key for each in done.manifest.segments] == [
        keys.segment(shard(number), name) for number in range(SHARDS) for name in (keys.segment_name(0), keys.LAST)
    ]
    assert bool(done.manifest.inline) == (size == 0)
    store.pending.objects.clear()
    assert read(store) == [result(index, size=size) for index in range(PUBS)]


@pytest.mark.parametrize("missing", range(SHARDS))
async def test_without_the_last_segment_of_each_shard_the_job_has_not_ended(store: MemoryStore, missing: int) -> None:
    for number in range(SHARDS):
        write(store, number, [results(number)], last=number != missing)
    with pytest.raises(NotEnded, match=keys.segment(shard(missing), keys.LAST)):
        await promoted(store)
    assert store.completed.objects == {}


async def test_where_nobody_goes_on_each_shard_gives_what_it_has(store: MemoryStore) -> None:
    """The first has ended, the second was stopped after two of its segments, of the third there is nothing."""
    write(store, 0, [results(0)])
    write(store, 1, [[each] for each in results(1)], last=False)
    done = await promoted(store, DEAD)
    there = {each.index for each in results(0) + results(1)}
    assert (done.manifest.outcome, done.manifest.reason, done.manifest.succeeded) == ("Failed", DEAD.reason, len(there))
    assert {index for index, pub in enumerate(done.manifest.pubs) if pub.outcome == "Succeeded"} == there
    assert {pub.reason for pub in done.manifest.pubs if pub.outcome == "Failed"} == {PubReason.NOT_RUN}
    assert read(store) == [result(index) for index in sorted(there)]


async def test_a_failure_that_came_too_late_costs_nothing(store: MemoryStore) -> None:
    for number in range(SHARDS):
        write(store, number, [results(number)], last=number != 1)
    done = await promoted(store, DEAD)
    assert (done.manifest.outcome, done.manifest.succeeded) == ("Succeeded", PUBS)


async def test_a_shard_that_ended_without_one_of_its_pubs_is_no_result(store: MemoryStore) -> None:
    for number in range(SHARDS):
        write(store, number, [results(number)[: 1 if number == 2 else PUBS]])
    with pytest.raises(Corrupt, match="not every pub"):
        await promoted(store)
    assert store.completed.objects == {}


def last(of: Shard, pubs: list[PubResult], others: list[StoredObject] | None = None) -> bytes:
    return encode(segment(of, keys.LAST, pubs, others or []))


FORGED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a pub of another shard": ("that is not in its shard", lambda: last(shard(1), [*results(1), result(0)])),
    "a pub beyond the last": ("that is not in its shard", lambda: last(shard(1), [*results(1), result(PUBS)])),
    "a pub before the first": ("that is not in its shard", lambda: last(shard(1), [*results(1), result(-2)])),
    "another shard's segment": ("contains another segment", lambda: last(shard(0), results(0))),
    "it names another shard's segment": (
        "not a segment of its shard",
        lambda: last(shard(1), results(1), [StoredObject(keys.segment(shard(0), keys.LAST), 1, "0")]),
    ),
    "it names another job's segment": (
        "not a segment of its shard",
        lambda: last(shard(1), results(1), [StoredObject(keys.segment(shard(1, owner()), keys.LAST), 1, "0")]),
    ),
}


@pytest.mark.parametrize("case", FORGED)
async def test_what_is_not_a_shard_s_own_is_not_believed(store: MemoryStore, case: str) -> None:
    """A shard's worker has URLs of its own segments alone; what it puts there must not speak for another's."""
    why, data = FORGED[case]
    write(store, 0, [results(0)])
    write(store, 2, [results(2)])
    put(store.pending, keys.segment(shard(1), keys.LAST), data())  # type: ignore[arg-type]
    for failure in (None, DEAD):
        with pytest.raises(Corrupt, match=why):
            await promoted(store, failure)
    assert store.completed.objects == {}


async def test_a_pub_of_another_shard_is_not_believed_where_nobody_goes_on(store: MemoryStore) -> None:
    write(store, 2, [results(2), [result(1)]], last=False)
    with pytest.raises(Corrupt, match="that is not in its shard"):
        await promoted(store, DEAD)


@pytest.mark.parametrize("newest", range(SHARDS))
async def test_the_job_s_times_and_versions_are_those_of_its_newest_segment(store: MemoryStore, newest: int) -> None:
    for number in range(SHARDS):
        made = segment(shard(number), keys.LAST, results(number), [], simulated=LATER if number == newest else TIME)
        versions = {"worker": f"of shard {number}"}
        made = msgspec.structs.replace(made, provenance=msgspec.structs.replace(made.provenance, versions=versions))
        put(store.pending, keys.segment(shard(number), keys.LAST), encode(made))  # type: ignore[arg-type]
    done = await promoted(store)
    assert done.manifest.times["simulated"] == LATER
    assert done.manifest.versions == {"worker": f"of shard {newest}"}


async def test_a_job_that_is_known_is_read_without_its_program(store: MemoryStore) -> None:
    """The first question is of a last segment: a job that has not ended costs one request."""
    with pytest.raises(NotEnded):
        await collect(store.opened.pending, OF, partial=False)  # type: ignore[arg-type]
    assert store.requests[1:] == [f"GET pending/{keys.segment(shard(0), keys.LAST)}"]
