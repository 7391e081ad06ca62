"""Samples a normalized circuit with the engine and method that the router chooses, within a child's limits."""

from __future__ import annotations

from typing import Final

import msgspec
from qiskit import QuantumCircuit

from quantumjob_contract.limits import DEADLINE_SLACK, MAX_RESULT_BYTES
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.results import PubMetadata, Register, Why
from quantumjob_worker.engines import engines
from quantumjob_worker.engines.aer_state import SERIAL
from quantumjob_worker.engines.base import Run
from quantumjob_worker.errors import PubFailed
from quantumjob_worker.ipc import Task
from quantumjob_worker.passes import features, final_measurements, to_clifford
from quantumjob_worker.passes.features import Profile
from quantumjob_worker.passes.insert_noise import NoiseChannels
from quantumjob_worker.primitives.bit_arrays import registers, result_bytes
from quantumjob_worker.routing import router
from quantumjob_worker.routing.router import Plan

SHOT_BYTES: Final = 200
"""Memory of Aer and Python for one shot besides its bits."""


def sample(
    circuit: QuantumCircuit, task: Task, base: PubMetadata, errors: NoiseChannels | None = None
) -> tuple[PubMetadata, dict[str, Register]]:
    """Runs the circuit. Returns metadata and the registers' samples. Raises PubFailed."""
    check_result(circuit, task)
    plan, runnable, run = plan_run(circuit, task, errors, shots=task.shots)
    sampled = engines()[plan.engine].sample(runnable, plan, run)
    return run_metadata(base, circuit, plan, sampled.method), registers(circuit, sampled.bits)


def plan_run(
    circuit: QuantumCircuit,
    task: Task,
    errors: NoiseChannels | None,
    *,
    shots: int,
    points: int = 1,
    averaged: bool = False,
) -> tuple[Plan, QuantumCircuit, Run]:
    """Returns the plan, the circuit (in Clifford gates for a stabilizer method) and the run's options.

    `averaged` is for values of the final state: only Aer computes them, and a measurement before the end needs a run
    for each shot. Raises PubFailed.
    """
    simple = to_clifford.rewrite(circuit)
    found = features.profile(
        circuit, shots, clifford=simple is not None, noise=errors.kind if errors is not None else ""
    )
    if averaged:
        found = found._replace(dynamic=not final_measurements.is_pure(circuit), shots=1)
        found = found._replace(shots=shots if found.dynamic or found.errors else 1)
    allowed = [engine for engine in engines().values() if engine.precision != "single" or task.amplitudes == "single"]
    bids = (bid for engine in allowed if not averaged and (bid := engine.bid(found)) is not None)
    plan = router.choose(found, task.memory, task.method, bids)
    if isinstance(plan, router.NoPlan):
        raise PubFailed(plan.reason, plan.message)
    check_time(plan, task, points)
    threads = threads_for(plan.method, found, task)
    run = Run(shots=shots, seed=task.seed, threads=threads, memory=task.memory, errors=errors)
    return plan, simple if simple is not None and plan.method == "stabilizer" else circuit, run


def threads_for(method: str, circuit: Profile, task: Task) -> int:
    """Returns the threads of a run; 1 for a small statevector, where Aer's other threads would be idle."""
    return 1 if method == "statevector" and circuit.qubits < SERIAL and not circuit.dynamic else task.threads


def run_metadata(base: PubMetadata, circuit: QuantumCircuit, plan: Plan, method: str) -> PubMetadata:
    """Returns the metadata with engine, method and size of the run."""
    engine = engines()[plan.engine]
    why = plan.why
    if plan.bond_limit is not None and plan.why == Why.FASTEST and method == "matrix_product_state":
        why = Why.LOW_ENTANGLEMENT
    return msgspec.structs.replace(
        base,
        engine=f"{engine.name} {engine.version}",
        method=method,
        why=why,
        precision=engine.precision,
        qubits=circuit.num_qubits,
        operations=sum(circuit.count_ops().values()),
    )


def check_time(plan: Plan, task: Task, points: int = 1) -> None:
    """Raises PubFailed, before the run, if the run cannot end before the job's deadline."""
    seconds = plan.seconds * points
    known = plan.bond_limit is None and plan.seconds != float("inf")
    if task.seconds_left is None or not known or seconds <= DEADLINE_SLACK * task.seconds_left:
        return
    raise PubFailed(
        PubReason.DEADLINE_EXCEEDED,
        f"By the method {plan.method} this pub takes about {seconds:.0f} s, and the job has "
        f"{task.seconds_left:.0f} s left. Raise spec.activeDeadlineSeconds, or use a smaller circuit or fewer shots.",
    )


def check_result(circuit: QuantumCircuit, task: Task, points: int = 1) -> None:
    """Raises PubFailed, before the run, if its samples would exceed the limit or the memory."""
    size = result_bytes(circuit, task.shots) * points
    if size > MAX_RESULT_BYTES:
        each = f" at each of {points} points" if points > 1 else ""
        raise PubFailed(
            PubReason.RESULT_TOO_LARGE,
            f"{task.shots} shots{each} would give {size} bytes of samples; the limit is {MAX_RESULT_BYTES}. "
            f"Take at most {task.shots * MAX_RESULT_BYTES // size} shots, or measure fewer bits.",
        )
    needed = task.shots * (SHOT_BYTES + circuit.num_clbits)
    if needed > task.memory:
        raise PubFailed(
            PubReason.MEMORY_LIMIT,
            f"The samples of {task.shots} shots need {needed >> 20} MiB while they are collected; the pod's memory "
            f"limit leaves {task.memory >> 20} MiB. Take fewer shots, or raise spec.resources.limits.memory.",
        )
