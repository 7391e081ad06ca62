"""Arrays on their way to the store: beside their segment, written before it, each once."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import numpy as np
import pytest
from worker_fakes import BELL, OWNER, Fake, job
from worker_tasks import InProcess

from quantumjob_contract import keys, transfer
from quantumjob_contract.schema.program import Program
from quantumjob_contract.schema.results import Segment, decode_segment
from quantumjob_worker.agent import npz, segments
from quantumjob_worker.errors import Stopped, WorkerExit

PLAIN = 'OPENQASM 2.0;include "qelib1.inc";qreg q[2];h q[0];cx q[0],q[1];'
STATE = [0.5**0.5, 0, 0, 0.5**0.5]


def saving(*which: bool) -> Program:
    """A job whose pubs save their statevector, or do not."""
    made = job(*(PLAIN if saves else BELL for saves in which))
    pubs = [
        msgspec.structs.replace(pub, save=["Statevector"] if saves else [])
        for pub, saves in zip(made.pubs, which, strict=True)
    ]
    return msgspec.structs.replace(made, pubs=pubs)


def arrays_of(fake: Fake, segment: Segment) -> dict[str, list[complex]]:
    """By name, from an object that is what the segment says."""
    assert segment.arrays is not None
    data = fake.objects[segment.arrays.key]
    assert segment.arrays.key == keys.arrays(keys.Shard(OWNER, 0), segment.name)
    assert (segment.arrays.bytes, segment.arrays.sha256) == (len(data), transfer.sha256(data))
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {name: file[name].tolist() for name in file.files}


def every_pub_once(fake: Fake) -> list[int]:
    """Their indices; each that has arrays has its state."""
    last = fake.segment(keys.LAST)
    assert last.arrays is None
    found = list(last.pubs)
    for stored in last.segments:
        segment = decode_segment(fake.objects[stored.key])
        saved = [pub.index for pub in segment.pubs if pub.arrays]
        if saved:
            states = arrays_of(fake, segment)
            assert list(states) == [f"{index}/statevector" for index in saved]
            assert all(np.allclose(state, STATE) for state in states.values())
        found += segment.pubs
    assert not any(pub.arrays for pub in last.pubs)
    return sorted(pub.index for pub in found)


def test_arrays_are_beside_a_numbered_segment_and_written_before_it(fake: Fake, carry_out: Any) -> None:
    fake.make_order(saving(False, True, True))
    carry_out()
    assert every_pub_once(fake) == [0, 1, 2]
    assert [key for method, key in fake.requests if method == "PUT"] == [
        keys.arrays(keys.Shard(OWNER, 0), "000000"), fake.pending("000000"), fake.pending(keys.LAST),
    ]  # fmt: skip
    assert fake.segment(keys.LAST).pubs == []


def test_a_job_that_saves_nothing_has_one_segment_as_ever(fake: Fake, carry_out: Any) -> None:
    fake.make_order(saving(False, False))
    carry_out()
    assert [key for method, key in fake.requests if method == "PUT"] == [fake.pending(keys.LAST)]


@pytest.mark.usefixtures("each_pub_a_segment")
def test_two_attempts_give_the_same_bytes(fake: Fake, carry_out: Any) -> None:
    fake.make_order(saving(True, False, True))
    carry_out()
    first = {key: data for key, data in fake.objects.items() if key.endswith(".npz")}
    fake.objects.clear()
    fake.make_order(saving(True, False, True))
    carry_out()
    assert {key: data for key, data in fake.objects.items() if key.endswith(".npz")} == first
    assert sorted(first) == [keys.arrays(keys.Shard(OWNER, 0), "000000"), keys.arrays(keys.Shard(OWNER, 0), "000002")]


def test_arrays_that_an_attempt_left_without_their_segment(fake: Fake, carry_out: Any) -> None:
    """Nobody has read what is in them: this segment has the pubs without any, and the next one the others."""
    taken = keys.arrays(keys.Shard(OWNER, 0), "000000")
    fake.objects[taken] = b"another attempt's"
    fake.make_order(saving(False, True))
    carry_out()
    assert fake.objects[taken] == b"another attempt's"
    assert every_pub_once(fake) == [0, 1]
    assert [pub.index for pub in fake.segment("000000").pubs] == [0]
    assert fake.segment("000000").arrays is None
    assert [pub.index for pub in fake.segment("000001").pubs] == [1]


def test_a_segment_that_another_attempt_has_written_meanwhile(fake: Fake, carry_out: Any) -> None:
    fake.objects[fake.pending("000000")] = b"another attempt's"
    fake.make_order(saving(True))
    fake.orders[0] = msgspec.structs.replace(
        fake.orders[0], found=[], next=[fake.next_url(f"00000{n}", keys.Shard(OWNER, 0), arrays=True) for n in range(3)]
    )
    carry_out()
    assert every_pub_once(fake) == [0]
    assert [stored.key for stored in fake.segment(keys.LAST).segments] == [fake.pending("000001")]


@pytest.mark.parametrize("which", ["000000.npz", "000000.json"])
@pytest.mark.usefixtures("fast")
def test_a_store_that_is_out_for_a_while(fake: Fake, carry_out: Any, which: str) -> None:
    fake.faults["PUT", f"{keys.prefix(OWNER)}0/{which}"] = [503] * 7
    fake.make_order(saving(True, False))
    carry_out()
    assert every_pub_once(fake) == [0, 1]


@pytest.mark.usefixtures("fast")
def test_a_store_that_stays_out(fake: Fake, carry_out: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quantumjob_worker.agent.order.STORE_SECONDS", 0.0)
    fake.faults["PUT", keys.arrays(keys.Shard(OWNER, 0), "")[:-4]] = [503] * 100
    fake.make_order(saving(True))
    with pytest.raises(WorkerExit, match="could not be reached"):
        carry_out()
    assert fake.pending(keys.LAST) not in fake.objects


@pytest.mark.usefixtures("each_pub_a_segment")
def test_more_urls_are_asked_for_with_those_of_arrays(fake: Fake, carry_out: Any) -> None:
    fake.make_order(saving(*[True] * 4), urls=1)
    carry_out()
    assert every_pub_once(fake) == [0, 1, 2, 3]


@pytest.mark.usefixtures("each_pub_a_segment")
def test_urls_that_were_asked_for_when_no_arrays_waited(
    fake: Fake, carry_out: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quantumjob_worker.agent.order.STORE_SECONDS", 0.0)
    fake.make_order(saving(False, False, False, True, False), urls=1)
    carry_out()
    assert every_pub_once(fake) == [0, 1, 2, 3, 4]
    assert fake.count("POST", f"/v1/orders/{OWNER.uid}/0/urls") == 2


@pytest.mark.usefixtures("each_pub_a_segment")
def test_resume_runs_only_the_rest(fake: Fake, carry_out: Any) -> None:
    work = saving(True, True, True)
    fake.make_order(work)
    with pytest.raises(Stopped):
        carry_out(InProcess(p2=[Stopped()]))
    before = {key: data for key, data in fake.objects.items() if key.endswith(".npz")}
    assert len(before) == 2
    fake.make_order(work)
    runner = InProcess()
    carry_out(runner)
    assert [index for index, _ in runner.seconds] == [2]
    assert every_pub_once(fake) == [0, 1, 2]
    assert before.items() <= fake.objects.items()


def test_stop_keeps_the_arrays_that_are_there(fake: Fake, carry_out: Any) -> None:
    fake.make_order(saving(True, True))
    with pytest.raises(Stopped):
        carry_out(InProcess(p1=[Stopped()]))
    assert list(arrays_of(fake, fake.segment("000000"))) == ["0/statevector"]


def test_what_waits_counts_with_its_arrays(fake: Fake, carry_out: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no more than a pub's arrays are held: the next pub waits until they are written."""
    monkeypatch.setattr(segments, "FULL", 64)
    fake.make_order(saving(True, True))
    carry_out()
    assert [stored.key for stored in fake.segment(keys.LAST).segments] == [fake.pending(f"00000{n}") for n in range(2)]
    assert every_pub_once(fake) == [0, 1]


def test_a_file_is_put_together_without_a_copy() -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.arange(100_000.0), version=(1, 0))
    data = buffer.getvalue()
    made = npz.pack([("0/a", memoryview(data)), ("12/b", memoryview(data))])
    assert sum(part.obj is data for part in made.parts) == 2
    whole = b"".join(made.parts)
    assert (made.bytes, made.sha256()) == (len(whole), transfer.sha256(whole))
    with np.load(io.BytesIO(whole), allow_pickle=False) as file:
        assert file.files == ["0/a", "12/b"]
        assert np.array_equal(file["12/b"], np.arange(100_000.0))
