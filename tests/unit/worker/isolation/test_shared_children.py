"""Pubs that share a child: what one does, or what is done to it, is not seen in another's result."""

from __future__ import annotations

import base64
from itertools import chain
from typing import Any

import msgspec
import pytest
from qiskit import QuantumCircuit
from random_pubs import dumped
from worker_fakes import BELL, Fake, job
from worker_tasks import task

from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.program import Circuit
from quantumjob_worker import ipc
from quantumjob_worker.agent import batching
from quantumjob_worker.errors import OrderFailed
from quantumjob_worker.isolation.runner import Runner

NO_CIRCUIT = "OPENQASM 2.0; qreg"


def together(runner: Runner, *circuits: bytes, seconds: float = 60.0) -> tuple[list[ipc.PubReport], ipc.ChildExit]:
    heard: list[ipc.PubReport] = []
    pubs = [(msgspec.structs.replace(task(memory=runner.memory), index=i), data) for i, data in enumerate(circuits)]
    end = runner.run_batch(pubs, seconds, lambda: None, heard.append)
    return heard, end


def test_each_has_the_bytes_that_it_has_alone(runner: Runner) -> None:
    heard, end = together(runner, BELL.encode(), BELL.replace("h q[0]", "x q[0]").encode(), BELL.encode())
    assert end.signal == 0
    alone = [
        runner.run(msgspec.structs.replace(task(memory=runner.memory), index=i), data, 60, lambda: None)[0]
        for i, data in enumerate([BELL.encode(), BELL.replace("h q[0]", "x q[0]").encode(), BELL.encode()])
    ]
    assert [report.result for report in heard] == [report.result for report in alone if report]


def test_reports_up_to_the_one_that_dies(hostile: Runner) -> None:
    heard, end = together(hostile, b"answer = 1", b"answer = 2", b"import os; os.kill(os.getpid(), 11)", b"answer = 4")
    assert [report.trace for report in heard] == ["1", "2"]
    assert end.signal == 11


def test_reports_up_to_the_one_that_never_ends(hostile: Runner) -> None:
    heard, end = together(hostile, b"answer = 1", b"import time; time.sleep(60)", b"answer = 3", seconds=0.5)
    assert [report.trace for report in heard] == ["1"]
    assert end.timed_out


def test_more_reports_than_pubs_are_not_heard(hostile: Runner) -> None:
    forged = """
import msgspec, os
from quantumjob_contract.schema.results import PubMetadata, PubResult
from quantumjob_worker import ipc
report = ipc.PubReport(result=PubResult(0, "", PubMetadata(0, 0)), load=0.0, run=0.0, trace="forged")
for _ in range(5):
    os.write(3, ipc.pack(msgspec.json.encode(report)))
"""
    heard, _ = together(hostile, forged.encode(), b"answer = 2")
    assert len(heard) == 2


def test_an_error_while_a_report_is_heard_ends_the_child(hostile: Runner) -> None:
    def hear(_report: ipc.PubReport) -> None:
        raise OrderFailed(Exit.TEMPORARY, "stopped")

    pubs = [(task(memory=hostile.memory), data) for data in (b"answer = 1", b"import time; time.sleep(60)")]
    with pytest.raises(OrderFailed):
        hostile.run_batch(pubs, 60, lambda: None, hear)
    heard, end = together(hostile, b"answer = 1")
    assert ([report.trace for report in heard], end.signal) == (["1"], 0)


def test_cpu_time_is_counted_from_pub_to_pub(hostile: Runner) -> None:
    """Two that parse for less than the limit each, and longer together."""
    busy = b"import time\nwhile time.process_time() < start + 0.8: pass"
    first = b"import time; start = time.process_time()\n" + busy
    tight = msgspec.structs.replace(task(memory=hostile.memory), parse_seconds=1.0)
    heard: list[ipc.PubReport] = []
    end = hostile.run_batch([(tight, first)] * 3, 60, lambda: None, heard.append)
    assert (len(heard), end.signal) == (3, 0)


def children(runner: Runner, carry_out: Any) -> list[list[int]]:
    """The pubs of each child that the order takes, in turn."""
    sent: list[list[int]] = []
    real = runner.run_batch

    def noted(pubs: Any, *rest: Any) -> Any:
        sent.append([task.index for task, _ in pubs])
        return real(pubs, *rest)

    runner.run_batch = noted  # type: ignore[method-assign]
    try:
        carry_out(runner)
    finally:
        runner.run_batch = real  # type: ignore[method-assign]
    return sent


def test_many_small_pubs_take_few_children(fake: Fake, runner: Runner, carry_out: Any) -> None:
    fake.make_order(job(*[BELL, NO_CIRCUIT] * 3, *[BELL] * 60))
    sent = list(map(len, children(runner, carry_out)))
    found = fake.all_results()
    errors = {index: result.error.reason for index, result in found.items() if result.error}
    assert errors == dict.fromkeys([1, 3, 5], PubReason.SYNTAX_ERROR)
    assert len(found) == 66
    assert sent[0] == 1
    assert len(sent) < 33


def test_pace() -> None:
    pace = batching.BatchSize()
    assert pace.pubs == 1
    pace.record(0.01, 1)
    assert pace.pubs == 50
    pace.record(0.1, 50)
    assert pace.pubs == batching.MAX_PUBS
    pace.record(2.0, 3)
    assert pace.pubs == 1
    pace.record(2.0, 0)
    assert pace.pubs == 1


UNENDING = "OPENQASM 3.0; qubit q; bit c; while (!c) { c = measure q; }"


def test_what_may_not_end_comes_after_its_neighbours(fake: Fake, runner: Runner, carry_out: Any) -> None:
    circuit = QuantumCircuit(1, 1)
    with circuit.while_loop((circuit.clbits[0], 0)):
        circuit.h(0)
        circuit.measure(0, 0)
    looped = Circuit("QPY", base64.b64encode(dumped(circuit)).decode())
    fake.make_order(job(Circuit("OpenQASM3", UNENDING), looped, *[BELL] * 3), seconds_left=12)
    order = list(chain.from_iterable(children(runner, carry_out)))
    assert order[:4] == [2, 3, 4, 0]
    found = fake.all_results()
    assert {index for index, result in found.items() if result.error is None} == {1, 2, 3, 4}
    assert found[0].error is not None
    assert found[0].error.reason == PubReason.DEADLINE_EXCEEDED
