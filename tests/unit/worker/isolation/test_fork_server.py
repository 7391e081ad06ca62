"""Real children of a real fork server: results, crashes, hangs, memory."""

from __future__ import annotations

import io
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from qiskit import QuantumCircuit, qasm2, qasm3, qpy
from worker_fakes import BELL
from worker_servers import fork_server
from worker_tasks import HEAD3, in_child, only, run, task

from quantumjob_contract.exit_codes import Exit
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.program import Format
from quantumjob_worker import child, ipc
from quantumjob_worker.errors import OrderFailed, WorkerExit
from quantumjob_worker.ipc import LENGTH
from quantumjob_worker.isolation.limits import ADDRESS_SPACE_RESERVE
from quantumjob_worker.isolation.runner import Runner, child_error


def test_a_result_is_the_same_in_every_child(runner: Runner) -> None:
    reports = [in_child(runner, BELL)[0] for _ in range(2)]
    assert reports[0] is not None
    assert reports[1] is not None
    assert reports[0].result == reports[1].result == run(BELL).result
    assert sum((only(reports[0].result.data).counts or {}).values()) == 100


def test_an_endless_loop_is_killed_at_its_deadline_and_the_next_pub_runs(runner: Runner) -> None:
    endless = HEAD3 + "qubit q; bit b; x q; b = measure q; while (b) {x q; x q; b = measure q;}"
    report, end = in_child(runner, endless, "OpenQASM3", seconds=0.3)
    assert report is None
    assert end.timed_out
    report, end = in_child(runner, BELL)
    assert report is not None
    assert not end.signal


def test_parsing_has_a_limit_of_its_own(runner: Runner) -> None:
    long = HEAD3 + "qubit q; bit b;" + "x q;" * 200_000
    report, end = in_child(runner, long, "OpenQASM3", seconds=None, parse=1.0)
    assert report is None
    assert end.signal == signal.SIGXCPU
    assert child_error(end, runner.memory, 1.0).reason == PubReason.DEADLINE_EXCEEDED


def test_definitions_nested_too_deeply(runner: Runner) -> None:
    """Not many operations, but more levels than a stack has."""
    chain = "".join(f"gate a{i} q{{a{i - 1} q;}}" for i in range(1, 5000))
    source = f"OPENQASM 2.0; gate a0 q{{U(0,0,0) q;}} {chain} qreg q[1]; creg c[1]; a4999 q[0]; measure q->c;"
    report, _ = in_child(runner, source)
    assert report is not None
    assert report.result.error is not None
    assert report.result.error.reason == PubReason.CIRCUIT_TOO_LARGE


def test_mutated_qpy_never_harms_the_next_pub(runner: Runner) -> None:
    circuit = QuantumCircuit(3, 3)
    circuit.h(0)
    circuit.append(QuantumCircuit(2, name="own").to_gate(), [0, 1])
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.rx(0.3, 1)
    circuit.measure(range(3), range(3))
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    good = buffer.getvalue()
    rng = random.Random(5)  # noqa: S311  a fuzzer's
    for _ in range(40):
        data = bytearray(good)
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        report, end = in_child(runner, bytes(data), "QPY", seconds=20, parse=5.0)
        if report is None and not end.timed_out:
            assert child_error(end, runner.memory, 5.0).reason
    assert in_child(runner, BELL)[0] is not None


def test_memory(hostile: Runner) -> None:
    """Beyond the budget an allocation fails; it does not hang, and the kernel kills nobody."""
    report, _ = in_child(hostile, "answer = len(bytearray(600 << 20)) >> 20")
    assert report is not None
    assert report.trace == "600"
    report, _ = in_child(hostile, "bytearray(1500 << 20)")
    assert report is not None
    assert report.trace.startswith("MemoryError")


def test_no_memory_waits_outside_the_budget(runner: Runner) -> None:
    """What the fork server has mapped and not touched, a child could fill without any limit: Rust's allocator takes
    a GiB in advance if it may."""
    untouched = 0
    for area in re.split(r"(?m)^(?=[0-9a-f]+-)", Path(f"/proc/{runner.pid}/smaps").read_text()):  # type: ignore[attr-defined]
        if " rw-p " in area.partition("\n")[0]:
            size, resident = (int(re.search(rf"(?m)^{name}: +(\d+)", area)[1]) for name in ("Size", "Rss"))  # type: ignore[index]
            untouched += size - resident
    assert untouched < ADDRESS_SPACE_RESERVE >> 10


def test_a_crash_names_its_signal(hostile: Runner) -> None:
    report, end = in_child(hostile, "import ctypes; ctypes.string_at(0)")
    assert report is None
    error = child_error(end, hostile.memory, 1.0)
    assert error.reason == PubReason.CRASHED
    assert "SIGSEGV" in error.message
    _, end = in_child(hostile, "import os; os.kill(os.getpid(), 9)")
    assert child_error(end, hostile.memory, 1.0).reason == PubReason.MEMORY_LIMIT
    report, end = in_child(hostile, "import os; os._exit(3)")
    assert report is None
    assert child_error(end, hostile.memory, 1.0).reason == PubReason.CRASHED


def test_an_answer_that_is_no_report(hostile: Runner) -> None:
    report, end = in_child(hostile, "import os; os.write(3, b'{}'); os._exit(0)")
    assert report is None
    assert end.signal == 0


@pytest.mark.parametrize("inner", [b'"\xff"', b"[" * 5000 + b"]" * 5000], ids=["not UTF-8", "deep"])
def test_an_answer_that_no_decoder_takes(hostile: Runner, inner: bytes) -> None:
    """Errors of other types than of what is no JSON, which would end the parent."""
    answer = (
        b'{"result":{"index":0,"name":"","metadata":{"seed":1,"circuitMetadata":{"a":%s}},"load":0,"run":0}' % inner
    )
    block = LENGTH.pack(len(answer)) + answer
    report, end = in_child(hostile, f"import os, time; os.write(3, {block}); time.sleep(60)")
    assert report is None
    assert end.signal == signal.SIGKILL, "it says no more that could be heard"


def test_an_error_while_a_child_runs_ends_the_child(hostile: Runner) -> None:
    """And the next pub hears of its own child's end, not of that one's."""

    def tick() -> float:
        raise OrderFailed(Exit.TEMPORARY, "stopped")

    with pytest.raises(OrderFailed):
        hostile.run(task(memory=hostile.memory), b"import time; time.sleep(60)", 60, tick)
    report, end = in_child(hostile, "answer = 1")
    assert report is not None
    assert (report.trace, end.signal) == ("1", 0)


@pytest.mark.parametrize("format_", ["OpenQASM2", "OpenQASM3", "QPY"])
def test_the_first_child_does_without_a_warm_up(format_: Format) -> None:
    """What it needs more than Qiskit it loads itself, behind its doors; the result is that of every other child."""
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.ch(0, 1)
    circuit.measure([0, 1], [0, 1])
    file = io.BytesIO()
    qpy.dump(circuit, file, version=13)
    source = {"OpenQASM2": qasm2.dumps(circuit), "OpenQASM3": qasm3.dumps(circuit), "QPY": file.getvalue()}[format_]
    with fork_server() as fresh:
        mapped = Path(f"/proc/{fresh.pid}/maps").read_text()  # type: ignore[attr-defined]
        assert "controller_wrappers" in mapped, "Aer is there before any child is"
        reports = [in_child(fresh, source, format_)[0] for _ in range(2)]
    assert [report.result if report else None for report in reports] == [run(source, format_).result] * 2


def test_the_parser_of_openqasm_3_is_imported_for_who_needs_it() -> None:
    """In a process of its own: this one has it already."""
    look = "import sys; from quantumjob_worker import child; child.import_parsers(sys.argv[1:])"
    look += "; print('openqasm3' in sys.modules)"
    for format_, expected in (("OpenQASM2", "False"), ("QPY", "False"), ("OpenQASM3", "True")):
        found = subprocess.run([sys.executable, "-c", look, format_], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == expected


def broken(runner: Runner) -> WorkerExit:
    with pytest.raises(WorkerExit) as end:
        for _ in range(2):
            in_child(runner, BELL)
    return end.value


def test_a_thread_in_the_server_ends_the_worker() -> None:
    """A child would not have it, and might wait for it for ever."""
    thread = "import threading, time\nfrom quantumjob_worker import child\n"
    thread += "child.warm_up = lambda: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    with fork_server(thread, code=1) as fresh:
        end = broken(fresh)
    assert (end.code, "2 threads" in end.message) == (Exit.INTERNAL, True)


def test_a_worker_goes_on_without_its_warm_up() -> None:
    with fork_server("from quantumjob_worker import child\nchild.warm_up = lambda: 1 / 0") as fresh:
        for _ in range(3):
            report, _ = in_child(fresh, BELL)
            assert report is not None
            assert report.result.error is None


@pytest.mark.parametrize("broken", ["aer.execute = lambda *a, **k: 1 / 0", "aer.GateCalls.sample = lambda *a: 1 / 0"])
def test_a_simulator_that_does_not_run_is_a_defect_of_the_worker(broken: str) -> None:
    """And no circuit's."""
    with (
        pytest.raises(WorkerExit) as end,
        fork_server(f"from quantumjob_worker.engines import aer\n{broken}", code=1),
    ):
        pass
    assert (end.value.code, "Bell" in end.value.message) == (Exit.INTERNAL, True)


def test_the_warm_up_does_what_pubs_do_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that fails would warm nothing, and one for each of many shots would cost each worker's start."""
    done = []
    run = child.run

    def told(task: ipc.Task, data: bytes) -> ipc.PubReport:
        done.append(run(task, data))
        return done[-1]

    monkeypatch.setattr(child, "run", told)
    child.warm_up()
    assert [report.result.error for report in done] == [None] * len(done)
    assert max(report.result.metadata.shots or 0 for report in done) <= 16
    assert {report.result.data is None for report in done} == {True, False}, "samples, and values"
