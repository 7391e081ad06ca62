"""The promotion protocol on real S3 servers: killed after every write, many at once, everything that can be wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from quantumjob_contract import keys, limits
from quantumjob_contract.keys import Owner
from quantumjob_contract.reader import Results
from quantumjob_contract.schema.program import encode
from quantumjob_contract.schema.results import StoredObject, decode_segment
from quantumjob_contract.store import Bucket, Store
from quantumjob_contract.store.aio import AsyncBucket, AsyncStore
from quantumjob_contract.store_errors import ObjectNotFound, StoreUnavailable, VerificationError
from quantumjob_contract.transfer import Put, sha256
from quantumjob_operator.results.collect import Corrupt, NotEnded
from quantumjob_operator.results.manifest import Failure
from quantumjob_operator.results.promotion import committed, promote
from support.jobs import TIME, only, owner, program, put, result, segment, write_job
from support.s3 import Server

BIG = 40_000


class Killed(BaseException):
    """The process dies here."""


class Dying(AsyncBucket):
    """A bucket whose process dies right after the n-th write has reached the store."""

    def __init__(self, bucket: Bucket, writes: int) -> None:
        super().__init__(bucket)
        self.left = writes

    async def put_once(self, key: str, data: bytes) -> Put:
        return await self._last(super().put_once(key, data))

    async def put_stream_once(self, key: str, chunks: AsyncIterator[bytes], length: int) -> Put:
        return await self._last(super().put_stream_once(key, chunks, length))

    async def _last(self, write: Coroutine[Any, Any, Put]) -> Put:
        if self.left == 0:
            write.close()
            raise Killed
        done = await write
        self.left -= 1
        if self.left == 0:
            raise Killed
        return done


@dataclass
class Half:
    """A store whose completed bucket is another."""

    whole: AsyncStore
    completed: AsyncBucket

    @property
    def circuits(self) -> AsyncBucket:
        return self.whole.circuits

    @property
    def pending(self) -> AsyncBucket:
        return self.whole.pending


def everything(bucket: Bucket, of: Owner) -> dict[str, str]:
    """The checksums of all objects of a job."""
    return {
        entry.key: sha256(bucket.get(entry.key, limits.MAX_MANIFEST_BYTES)) for entry in bucket.list(keys.prefix(of))
    }


async def test_a_small_job_is_one_object(store: Store, opened: AsyncStore) -> None:
    of = owner()
    write_job(store.pending, of, [[result(0)]])
    done = await promote(opened, of, TIME)
    assert done.manifest.outcome == "Succeeded"
    assert done.manifest.message == "1/1 pubs succeeded."
    assert list(everything(store.completed, of)) == [keys.manifest(of)]
    assert done.stored.sha256 == everything(store.completed, of)[keys.manifest(of)]
    inside = bytes(done.manifest.inline[keys.segment(only(of), keys.LAST)])
    assert sha256(inside) == done.manifest.segments[0].sha256
    assert decode_segment(inside).pubs == [result(0)]


async def test_the_reader_gives_what_the_worker_wrote_and_nothing_else(store: Store, opened: AsyncStore) -> None:
    for size in (0, BIG):
        of = owner()
        groups = [[result(0, size=size), result(1, size=size)], [result(2, failed=True)]]
        write_job(store.pending, of, groups)
        done = await promote(opened, of, TIME)
        read = Results(store.completed, of, done.stored.sha256)
        assert [*read.pubs()] == [each for group in groups for each in group]
        assert read.program() == program(of, 3)
    with pytest.raises(VerificationError):
        Results(store.completed, of, sha256(b"another"))
    store.completed.delete([keys.segment(only(of), keys.LAST)])
    store.completed.put_once(keys.segment(only(of), keys.LAST), b"x" * done.manifest.segments[-1].bytes)
    with pytest.raises(VerificationError):
        list(Results(store.completed, of).pubs())


async def test_a_large_job_lies_beside_its_manifest(store: Store, opened: AsyncStore) -> None:
    of = owner()
    write_job(store.pending, of, [[result(0, size=BIG)], [result(1, size=BIG)], [result(2, failed=True)]])
    done = await promote(opened, of, TIME)
    assert (done.manifest.outcome, done.manifest.message) == (
        "PartlyFailed",
        "2/3 pubs succeeded. Failed: p2 (SyntaxError).",
    )
    there = everything(store.completed, of)
    for stored in (done.manifest.program, *done.manifest.segments):
        assert there.pop(stored.key) == stored.sha256
    assert list(there) == [keys.manifest(of)]


@pytest.mark.parametrize("size", [0, BIG])
async def test_killed_after_every_write(store: Store, opened: AsyncStore, size: int) -> None:
    of = owner()
    write_job(store.pending, of, [[result(0, size=size)], [result(1, size=size)]])
    writes, manifest = 0, None
    for writes in range(1, 20):
        dying = Dying(store.completed, writes)
        try:
            await promote(Half(opened, dying), of, TIME)
        except Killed:
            if keys.manifest(of) in everything(store.completed, of):
                manifest = manifest or everything(store.completed, of)[keys.manifest(of)]
            continue
        finally:
            await dying.close()
        break
    assert writes == (5 if size else 2), "a new write needs a look at what happens when it is the last one"
    done = await promote(opened, of, TIME)
    assert done.manifest.succeeded == 2
    assert everything(store.completed, of)[keys.manifest(of)] == manifest == done.stored.sha256


@pytest.mark.parametrize("size", [0, BIG])
async def test_many_at_once_agree(store: Store, opened: AsyncStore, size: int) -> None:
    of = owner()
    write_job(store.pending, of, [[result(0, size=size)], [result(1, size=size)]])
    done = await asyncio.gather(*(promote(opened, of, TIME) for _ in range(6)))
    assert len({each.stored.sha256 for each in done}) == 1


async def test_not_ended_until_the_last_segment_is_there(store: Store, opened: AsyncStore) -> None:
    of = owner()
    write_job(store.pending, of, [[result(0)], [result(1)]], last=False)
    with pytest.raises(NotEnded):
        await promote(opened, of, TIME)
    with pytest.raises(ObjectNotFound):
        await committed(opened.completed, of)


async def test_a_failed_worker_leaves_what_it_has_done(store: Store, opened: AsyncStore) -> None:
    of = owner()
    put(store.pending, keys.program(of), encode(program(of, 3)))
    put(store.pending, keys.segment(only(of), "000000"), encode(segment(of, "000000", [result(1)], [])))
    done = await promote(opened, of, TIME, Failure("DeadlineExceeded", "Raise spec.activeDeadlineSeconds."))
    assert (done.manifest.outcome, done.manifest.reason) == ("Failed", "DeadlineExceeded")
    assert [(pub.name, pub.outcome, pub.reason) for pub in done.manifest.pubs] == [
        ("p0", "Failed", "NotRun"),
        ("p1", "Succeeded", None),
        ("p2", "Failed", "NotRun"),
    ]


async def test_a_worker_that_failed_after_its_last_segment_has_succeeded(store: Store, opened: AsyncStore) -> None:
    of = owner()
    write_job(store.pending, of, [[result(0)]])
    done = await promote(opened, of, TIME, Failure("OutOfMemory", "Raise it."))
    assert (done.manifest.outcome, done.manifest.reason) == ("Succeeded", "AllPubsSucceeded")


async def test_a_worker_that_failed_after_its_last_segment_has_the_outcome_of_its_pubs(
    store: Store, opened: AsyncStore
) -> None:
    of = owner()
    write_job(store.pending, of, [[result(0), result(1, failed=True)]])
    done = await promote(opened, of, TIME, Failure("DeadlineExceeded", "Raise it."))
    assert (done.manifest.outcome, done.manifest.reason) == ("PartlyFailed", "SomePubsFailed")


async def test_segments_of_two_attempts_count_once(store: Store, opened: AsyncStore) -> None:
    of = owner()
    put(store.pending, keys.program(of), encode(program(of, 2)))
    first = put(store.pending, keys.segment(only(of), "000000"), encode(segment(of, "000000", [result(0)], [])))
    again = segment(of, keys.LAST, [result(0), result(1)], [first])
    put(store.pending, keys.segment(only(of), keys.LAST), encode(again))
    done = await promote(opened, of, TIME)
    assert (done.manifest.total, done.manifest.succeeded) == (2, 2)


def _corruptions(of: Owner, store: Store) -> dict[str, tuple[str, bytes]]:
    """Last segments that must not be believed, and a word of why."""
    elsewhere = keys.segment(only(owner()), "000000")
    foreign = msgspec.structs.replace(segment(of, keys.LAST, [result(0)], []), uid="another")
    yesterday = msgspec.structs.replace(segment(of, keys.LAST, [], []).provenance, started="yesterday")
    many = msgspec.structs.replace(yesterday, started=TIME, versions={str(n): "1" for n in range(100)})
    of_times = msgspec.structs.replace(segment(of, keys.LAST, [result(0)], []), provenance=yesterday)
    of_versions = msgspec.structs.replace(segment(of, keys.LAST, [result(0)], []), provenance=many)
    return {
        "a time that is none": ("provenance", encode(of_times)),
        "too many versions": ("provenance", encode(of_versions)),
        "not json": ("not a segment", b"{"),
        "of another job": ("another segment", encode(foreign)),
        "a pub that is not there": ("not in its shard", encode(segment(of, keys.LAST, [result(5)], []))),
        "a pub is missing": ("not every pub", encode(segment(of, keys.LAST, [result(0)], []))),
        "names a foreign key": (
            "not a segment of its shard",
            encode(segment(of, keys.LAST, [result(0), result(1)], [StoredObject(elsewhere, 1, "0")])),
        ),
    }


@pytest.mark.parametrize("case", list(_corruptions(Owner("a", "b"), None)))  # type: ignore[arg-type]
async def test_what_is_not_right_is_never_committed(store: Store, opened: AsyncStore, case: str) -> None:
    of = owner()
    word, last = _corruptions(of, store)[case]
    put(store.pending, keys.program(of), encode(program(of, 2)))
    put(store.pending, keys.segment(only(of), keys.LAST), last)
    with pytest.raises(Corrupt, match=word):
        await promote(opened, of, TIME)
    assert everything(store.completed, of) == {}


async def test_a_named_segment_that_is_not_there_is_looked_for_again(store: Store, opened: AsyncStore) -> None:
    of = owner()
    put(store.pending, keys.program(of), encode(program(of, 2)))
    named = StoredObject(keys.segment(only(of), "000000"), 5, sha256(b"later"))
    put(
        store.pending,
        keys.segment(only(of), keys.LAST),
        encode(segment(of, keys.LAST, [result(0), result(1)], [named])),
    )
    with pytest.raises(ObjectNotFound):
        await promote(opened, of, TIME)
    assert everything(store.completed, of) == {}


async def test_a_segment_with_blanks_around_it_is_kept_as_it_is(store: Store, opened: AsyncStore) -> None:
    of = owner()
    put(store.pending, keys.program(of), encode(program(of, 1)))
    put(
        store.pending,
        keys.segment(only(of), keys.LAST),
        b"  " + encode(segment(of, keys.LAST, [result(0)], [])) + b"\n",
    )
    done = await promote(opened, of, TIME)
    assert list(Results(store.completed, of, done.stored.sha256).pubs()) == [result(0)]


async def test_a_segment_that_changed_is_never_committed(store: Store, opened: AsyncStore) -> None:
    of = owner()
    put(store.pending, keys.program(of), encode(program(of, 2)))
    first = put(store.pending, keys.segment(only(of), "000000"), encode(segment(of, "000000", [result(0)], [])))
    named = msgspec.structs.replace(first, sha256=sha256(b"something else"))
    put(store.pending, keys.segment(only(of), keys.LAST), encode(segment(of, keys.LAST, [result(1)], [named])))
    with pytest.raises(Corrupt, match="its worker wrote"):
        await promote(opened, of, TIME)


async def test_a_foreign_object_in_completed_is_found(store: Store, opened: AsyncStore) -> None:
    of = owner()
    write_job(store.pending, of, [[result(0, size=BIG)], [result(1, size=BIG)]])
    put(store.completed, keys.segment(only(of), keys.LAST), b"somebody else's")
    with pytest.raises(Corrupt, match="differs"):
        await promote(opened, of, TIME)
    assert keys.manifest(of) not in everything(store.completed, of)


@pytest.mark.parametrize("kind", ["seaweedfs", pytest.param("minio", marks=pytest.mark.long)])
async def test_the_store_goes_down_and_comes_back(tmp_path_factory: pytest.TempPathFactory, kind: str) -> None:
    own = Server(kind, tmp_path_factory.mktemp("restarted"))
    own.start()
    store = own.store()
    opened = AsyncStore(store)
    for bucket in (store.pending, store.completed):
        bucket.ensure()
    of = owner()
    write_job(store.pending, of, [[result(0, size=BIG)], [result(1, size=BIG)]])
    dying = Dying(store.completed, 2)
    with pytest.raises(Killed):
        await promote(Half(opened, dying), of, TIME)
    own.kill()
    with pytest.raises(StoreUnavailable):
        await promote(opened, of, TIME)
    own.start()
    assert (await promote(opened, of, TIME)).manifest.succeeded == 2
    own.kill()
    await dying.close()
    await opened.close()
