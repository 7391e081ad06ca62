"""A job in shards: each worker runs its own pubs, and how many there are changes no byte of a result."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from worker_fakes import BELL, OWNER, Fake, job
from worker_tasks import InProcess

from quantumjob_contract import keys, limits
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_contract.schema.orders import EndedOrder
from quantumjob_contract.schema.program import Circuit, Program
from quantumjob_worker.errors import Stopped

SWEPT = 'OPENQASM 3.0; include "stdgates.inc"; input float a; qubit q; bit c; rx(a) q; c = measure q;'
WRONG = "OPENQASM 3.0; qubit q; nothing q;"
PUBS = 8

pytestmark = pytest.mark.usefixtures("fast")


def split(parallelism: int) -> Program:
    """Pubs of every kind: sweeps, whose points take seeds, one that fails, and one whose circuit is not there."""
    sweep, absent = Circuit("OpenQASM3", SWEPT), Circuit("OpenQASM3", object=ObjectRef("absent"))
    work = job(BELL, sweep, BELL, Circuit("OpenQASM3", WRONG), sweep, BELL, absent, BELL)
    values = {1: {"a": [0.1, 0.2, 0.3]}, 4: {"a": 0.4}}
    pubs = [msgspec.structs.replace(pub, parameter_values=values.get(n, {})) for n, pub in enumerate(work.pubs)]
    return msgspec.structs.replace(work, pubs=pubs, parallelism=parallelism)


def every_result(fake: Fake, shards: int) -> dict[int, bytes]:
    """The bytes of each pub's result, whichever shard has it."""
    found = {}
    for number in range(shards):
        of_shard = fake.all_results(number)
        assert sorted(of_shard) == list(range(number, PUBS, shards))
        found |= {index: msgspec.json.encode(result) for index, result in of_shard.items()}
    return found


@pytest.fixture
def alone(fake: Fake, carry_out: Any) -> dict[int, bytes]:
    """What the job's pubs come to where it is not split."""
    fake.make_order(split(1))
    carry_out()
    found = every_result(fake, 1)
    fake.objects.clear()
    fake.requests.clear()
    return found


@pytest.mark.parametrize("parallelism", [2, 3, 7, 8, 64])
def test_every_pub_has_the_same_bytes(fake: Fake, carry_out: Any, alone: dict[int, bytes], parallelism: int) -> None:
    work = split(parallelism)
    shards = min(parallelism, PUBS)
    for number in reversed(range(shards)):  # no shard needs another
        fake.make_order(work, shard=number)
        runner = InProcess()
        carry_out(runner)
        ran = {index for index, _ in runner.seconds}
        assert ran == set(range(number, PUBS, shards)) - {6}, "but the one whose circuit is not there"
    assert sorted(alone) == list(range(PUBS))
    assert every_result(fake, shards) == alone


def test_a_worker_writes_and_tells_of_its_own_shard_alone(fake: Fake, carry_out: Any) -> None:
    fake.make_order(split(3), shard=2)
    carry_out()
    assert list(fake.objects) == [f"team/{OWNER.uid}/2/last.json"]
    last = fake.segment(keys.LAST, 2)
    assert (last.shard, [pub.index for pub in last.pubs]) == (2, [2, 5])
    assert fake.asked[-1].ended == EndedOrder(OWNER.uid, 2, computed=2)
    assert fake.count("GET") == 0, "of other shards' circuits nothing is fetched"


def test_it_counts_the_pubs_of_its_own_shard(fake: Fake, carry_out: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quantumjob_worker.agent.heartbeat.ALIVE_SECONDS", 0.0)
    fake.told += [{}] * PUBS
    fake.make_order(split(3), shard=1, only=False)
    carry_out()
    assert {path for method, path in fake.requests if path.endswith("/alive")} == {f"/v1/orders/{OWNER.uid}/1/alive"}
    assert {said["total"] for said in fake.alive} == {3}
    assert [said["done"] for said in fake.alive] == sorted(said["done"] for said in fake.alive)
    assert fake.alive[-1]["done"] <= 3


def test_a_shard_that_was_stopped_goes_on_where_it_was(
    fake: Fake, carry_out: Any, alone: dict[int, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SEGMENT_BYTES", 1)
    work = split(3)
    fake.make_order(work, shard=0)
    carry_out()
    fake.make_order(work, shard=1)
    with pytest.raises(Stopped):
        carry_out(InProcess(p4=[Stopped()]))
    assert f"team/{OWNER.uid}/1/last.json" not in fake.objects
    again = InProcess()
    order = fake.make_order(work, shard=1)
    assert [found.url for found in order.found] == [fake.link(f"team/{OWNER.uid}/1/000000.json")]
    carry_out(again)
    assert [index for index, _ in again.seconds] == [4, 7], "1 was stored; 0, 3 and 6 are another's"
    fake.make_order(work, shard=2)
    carry_out()
    assert every_result(fake, 3) == alone


def test_a_segment_of_another_shard_is_not_taken_for_its_own(fake: Fake, carry_out: Any) -> None:
    work = split(2)
    fake.make_order(work, shard=0)
    carry_out()
    fake.objects[f"team/{OWNER.uid}/1/000000.json"] = fake.objects[f"team/{OWNER.uid}/0/last.json"]
    fake.make_order(work, shard=1)
    carry_out()
    assert sorted(fake.all_results(1)) == [1, 3, 5, 7]
    assert fake.segment(keys.LAST, 1).segments == []
