"""Entry point of the sandboxed child: loads circuits, runs pubs, sends reports. The parent trusts none of these."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterable
from typing import Final

import msgspec

from quantumjob_contract.limits import MIB
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.backend import Depolarizing, NoiseModel, Readout, Relaxation
from quantumjob_contract.schema.program import Format
from quantumjob_contract.schema.results import PubError, PubMetadata, PubResult
from quantumjob_worker import ipc, loaders
from quantumjob_worker.engines import engines
from quantumjob_worker.engines.base import Run
from quantumjob_worker.errors import InternalError, PubFailed, describe, out_of_memory
from quantumjob_worker.isolation import limits
from quantumjob_worker.isolation.scratch_dir import ScratchDir
from quantumjob_worker.passes import features, normalize, to_clifford
from quantumjob_worker.primitives import pub
from quantumjob_worker.routing import router

BELL: Final = b'OPENQASM 2.0;include "qelib1.inc";qreg q[2];creg c[2];h q[0];cx q[0],q[1];measure q->c;'
HALF: Final = BELL.replace(b"measure q->c", b"measure q[0]->c[0]")
"""Measures one of two qubits, so that Aer's simulator runs it instead of Aer's state."""
WARM_UP: Final[tuple[tuple[Format, bytes], ...]] = (
    ("OpenQASM2", b'OPENQASM 2.0;include "qelib1.inc";qreg q[2];creg c[2];ch q[0],q[1];measure q->c;'),
    ("OpenQASM3", b'OPENQASM 3.0;include "stdgates.inc";qubit[2] q;bit[2] c;h q[0];ch q[0],q[1];c=measure q;'),
    ("OpenQASM2", BELL),
)
WARM_UP_SWEEP: Final = b'OPENQASM 3.0;include "stdgates.inc";input float a;qubit q;bit c;rx(a) q;c=measure q;'
WARM_UP_HALF: Final = b'OPENQASM 3.0;include "stdgates.inc";input float a;qubit[2] q;bit c;rx(a) q;c=measure q[0];'
WARM_UP_ESTIMATE: Final = b'OPENQASM 3.0;include "stdgates.inc";input float a;qubit[2] q;rx(a) q[0];cx q[0],q[1];'
"""Has no measurement: otherwise each point would be run 1024 times."""
WARM_UP_NOISE: Final = NoiseModel(
    depolarizing=Depolarizing(0.1, 0.1), readout=Readout(0.1, 0.1), relaxation=Relaxation(1.0, 1.0, 0.1, 0.1)
)


def smoke_test() -> None:
    """Runs two Bell circuits in the fork server. Raises InternalError if Aer does not run.

    This also loads what every run needs.
    """
    for text in (BELL, HALF):
        report = run(_task("OpenQASM2"), text)
        if report.result.error is not None:
            defect = InternalError("Aer fails to run a Bell circuit in this image. See the worker's log.")
            defect.add_note(report.trace)
            raise defect


def _task(format_: Format, noise: NoiseModel | None = None) -> ipc.Task:
    """Returns a task with one thread: a fork copies only the calling thread."""
    return ipc.Task(
        index=0, name="", format=format_, shots=16, seed=1, threads=1, memory=MIB << 10, parse_seconds=1.0, noise=noise
    )


def warm_up() -> None:
    """Initializes in the fork server what every child would initialize again."""
    for format_, text in WARM_UP:
        circuit = normalize.normalize(loaders.load(format_, text))
        for method in router.METHODS:
            normalize.for_method(circuit, method)
        found = features.profile(circuit, 16, clifford=to_clifford.rewrite(circuit) is not None)
        for engine in engines().values():
            if (plan := engine.bid(found)) is not None:
                engine.sample(circuit, plan, Run(shots=16, seed=1, threads=1, memory=MIB << 10))
        for noise in (None, WARM_UP_NOISE) if text is BELL else (None,):
            task = _task(format_, noise)
            msgspec.json.encode(run(ipc.TASK.decode(msgspec.json.encode(task)), text))
    sweep = msgspec.structs.replace(_task("OpenQASM3"), parameter_values={"a": [0.1, 0.2]})
    for text in (WARM_UP_SWEEP, WARM_UP_HALF):
        run(sweep, text)
    run(msgspec.structs.replace(sweep, save=["Statevector", "DensityMatrix", "Probabilities"]), WARM_UP_SWEEP)
    run(msgspec.structs.replace(sweep, primitive="Estimator", observables="ZZ", shots=0), WARM_UP_ESTIMATE)


def import_parsers(formats: Iterable[Format]) -> None:
    """Imports the parsers of these formats in the fork server, before it forks a child.

    The OpenQASM 3 parser is imported only when needed: that takes a tenth of the time of Qiskit and Aer.
    """
    if "OpenQASM3" in formats:
        from quantumjob_worker.loaders import qasm3  # noqa: F401, PLC0415


def main(channel: int, start: ipc.ForkRequest, scratch: ScratchDir) -> None:
    """Runs in the forked child, whose only descriptors are the channel to the parent and the Landlock ruleset."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    os.setsid()
    limits.redirect_to_null(0, 1, 2)
    os.chdir(scratch.path)
    tempfile.tempdir = scratch.path
    with open(channel, "rb", closefd=False) as received:
        pairs = ipc.read_pairs(received)
    limits.volunteer_for_oom()
    limits.limit_memory(start.memory, start.threads)
    scratch.confine()
    with open(channel, "wb", closefd=False) as reports:
        for head, circuit in pairs:
            task = ipc.TASK.decode(head)
            limits.limit_cpu(task.parse_seconds)
            ipc.write_report(reports, run(task, circuit))


def run(task: ipc.Task, data: bytes) -> ipc.PubReport:
    """Loads and runs a pub. Every exception becomes an error in the report."""
    began = time.perf_counter()
    loaded = None
    trace = ""
    metadata = PubMetadata(seed=task.seed, shots=task.shots)  # the parent adds the sha256
    result = None
    arrays: list[memoryview] = []
    try:
        prepared = pub.PreparedPub(task, data)
        limits.limit_cpu(None)
        loaded = time.perf_counter()
        result, arrays = prepared.run()
    except PubFailed as failed:
        error = failed.error
    except MemoryError as failed:
        error = PubError(PubReason.MEMORY_LIMIT, out_of_memory(task.memory))
        trace = describe(failed)
    except RecursionError as failed:
        error = PubError(PubReason.CIRCUIT_TOO_LARGE, "The circuit is nested too deeply. Use fewer levels.")
        trace = describe(failed)
    except BaseException as failed:  # noqa: BLE001  a Rust panic is a BaseException
        where = "loaded" if loaded is None else "simulated"
        error = PubError(
            PubReason.INVALID_CIRCUIT if loaded is None else PubReason.SIMULATION_FAILED,
            f"Qiskit failed, so the circuit cannot be {where}. Check that it runs with Qiskit Aer alone.",
        )
        trace = describe(failed)
    ended = time.perf_counter()
    if result is None:
        result = PubResult(index=task.index, name=task.name, metadata=metadata, error=error)
    loaded = loaded or ended
    return ipc.PubReport(result=result, load=loaded - began, run=ended - loaded, trace=trace, arrays=arrays)
