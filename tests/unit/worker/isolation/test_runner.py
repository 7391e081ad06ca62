"""A worker whose fork server still imports Qiskit: its order must not be taken for a dead worker's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from worker_fakes import BELL, Fake, job
from worker_tasks import task

from quantumjob_contract import keys
from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_contract.schema.orders import HeartbeatResponse
from quantumjob_contract.schema.program import Circuit
from quantumjob_worker import ipc
from quantumjob_worker.agent import heartbeat
from quantumjob_worker.errors import OrderFailed, Stopped, WorkerExit
from quantumjob_worker.isolation.runner import Runner

READY = ipc.ServerReady(imported="2026-01-01T00:00:00Z")
END = ipc.ChildExit(signal=9, timed_out=False, peak=0)
MISSING = Circuit("OpenQASM2", object=ObjectRef("none"))


class Importing:
    """A runner, and the other end of its control socket, whose reads and writes have a limit."""

    def __init__(self, ours: socket.socket, theirs: socket.socket) -> None:
        ours.settimeout(5)  # a wait without signs of life would be for ever
        self.runner = Runner(ours, memory=1 << 30, threads=1)
        self.theirs = theirs
        self.ticks = 0

    def say(self, *messages: ipc.ServerReady | ipc.ChildExit) -> None:
        for message in messages:
            self.theirs.send(msgspec.json.encode(message))

    def tick(self) -> float:
        """The third one sees the import's end, and a child's after it."""
        self.ticks += 1
        if self.ticks == 3:
            self.say(READY, END)
        return 0.001


@pytest.fixture
def importing() -> Iterator[Importing]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield Importing(ours, theirs)


@pytest.fixture
def signs(fake: Fake, importing: Importing, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Signs of life every 10 ms; the third one sees the import's end."""
    monkeypatch.setattr(heartbeat, "ALIVE_SECONDS", 0.01)
    given = heartbeat.Heartbeat.tick

    def tick(self: heartbeat.Heartbeat) -> float:
        due = given(self)
        if len(fake.alive) == 3:
            importing.say(READY, END)
            fake.alive.append("ready")
        return due

    monkeypatch.setattr(heartbeat.Heartbeat, "tick", tick)
    return fake


def test_signs_of_life_are_given_while_qiskit_is_imported(importing: Importing) -> None:
    _, end = importing.runner.run(task(), b"", None, importing.tick)
    assert end == END
    assert importing.ticks >= 3


def test_an_order_that_is_stopped_while_qiskit_is_imported(importing: Importing) -> None:
    """No child is waited for, and the next order finds the server ready."""

    def stopped() -> float:
        raise OrderFailed(Exit.TEMPORARY, "stopped")

    with pytest.raises(OrderFailed):
        importing.runner.run(task(), b"", None, stopped)
    importing.say(READY, END)
    assert importing.runner.run(task(), b"", None, lambda: None)[1] == END


def test_the_server_warms_up_before_its_second_child(importing: Importing) -> None:
    """And once: the first child, often the only one, does without."""
    importing.say(READY, END, END, END)
    for _ in range(3):
        importing.runner.run(task(), b"", None, lambda: None)
    importing.runner.warm_up()
    importing.theirs.settimeout(0.1)
    packets = [importing.theirs.recv(ipc.MAX_PACKET) for _ in range(4)]
    with pytest.raises(TimeoutError):
        importing.theirs.recv(ipc.MAX_PACKET)
    assert [packet == ipc.WARM_UP for packet in packets] == [False, True, False, False]
    assert [msgspec.json.decode(packets[at], type=ipc.ForkRequest).formats for at in (0, 2, 3)] == [["OpenQASM2"]] * 3


def test_a_server_that_dies_while_it_imports(importing: Importing) -> None:
    importing.theirs.close()
    with pytest.raises(WorkerExit) as end:
        importing.runner.run(task(), b"", None, importing.tick)
    assert end.value.code == Exit.TEMPORARY


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("pubs", [1, 2])
def test_a_segment_that_needs_no_child_waits_with_signs_of_life(
    signs: Fake, importing: Importing, carry_out: Any, pubs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its provenance says when Qiskit was imported. With one pub it is the last one, with two it is due before."""
    monkeypatch.setattr("quantumjob_contract.limits.SEGMENT_BYTES", 1)
    signs.make_order(job(*[MISSING, BELL][:pubs]))
    carry_out(importing.runner)
    assert len(signs.alive) >= 3
    assert signs.segment(keys.LAST).provenance.imported == READY.imported


@pytest.mark.usefixtures("fast")
def test_an_order_that_is_stopped_before_its_first_child(signs: Fake, importing: Importing, carry_out: Any) -> None:
    signs.told = [HeartbeatResponse(stop=True)]
    signs.make_order(job(BELL))
    with pytest.raises(WorkerExit) as end:
        carry_out(importing.runner)
    assert "stopped" in end.value.message
    assert len(signs.alive) == 1


@pytest.mark.usefixtures("fast")
def test_sigterm_before_the_first_child(
    signs: Fake, importing: Importing, carry_out: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was computed, so nothing is stored, nor waited for."""
    ends = [Stopped(), OrderFailed(Exit.TEMPORARY, "A later word, which must not hide the signal.")]

    def tick(_self: heartbeat.Heartbeat) -> float:
        importing.ticks += 1
        if importing.ticks > 3:
            raise ends.pop(0)
        return 0.0

    monkeypatch.setattr(heartbeat.Heartbeat, "tick", tick)
    signs.make_order(job(MISSING, BELL))
    with pytest.raises(Stopped):
        carry_out(importing.runner)
    assert importing.theirs.recv(ipc.MAX_PACKET) == ipc.KILL
    assert not signs.objects
