"""Runs a normalised circuit by the engine and method that the router names, within the memory and time of a child."""

from __future__ import annotations

from typing import Final

import msgspec
from qiskit import QuantumCircuit

from quantumjob_contract.limits import DEADLINE_SLACK, MAX_RESULT_BYTES
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.results import PubMetadata, Register, Why
from quantumjob_worker import clifford, profile, route
from quantumjob_worker.engines import engines
from quantumjob_worker.engines.base import Run
from quantumjob_worker.errors import PubFailed
from quantumjob_worker.noise import Errors
from quantumjob_worker.protocol import Task
from quantumjob_worker.route import Plan
from quantumjob_worker.samples import registers, result_bytes

SHOT_BYTES: Final = 200
"""What Aer and Python hold for one shot besides its bits."""
SERIAL: Final = 14
"""Below this many qubits Aer updates and samples a statevector by one thread, however many it has."""


def sample(
    circuit: QuantumCircuit, task: Task, base: PubMetadata, errors: Errors | None = None
) -> tuple[PubMetadata, dict[str, Register]]:
    """The registers' samples and how they were made. Raises PubFailed."""
    check_result(circuit, task)
    plan, runnable, found = planned(circuit, task, errors)
    serial = plan.method == "statevector" and found.qubits < SERIAL and not found.dynamic
    run = Run(
        shots=task.shots,
        seed=task.seed,
        threads=1 if serial else task.threads,  # Aer would start more, and give them nothing
        memory=task.memory,
        errors=errors,
    )
    engine = engines()[plan.engine]
    sampled = engine.sample(runnable, plan, run)
    why = plan.why
    if plan.bond_limit is not None and plan.why == Why.FASTEST and sampled.method == "matrix_product_state":
        why = Why.LOW_ENTANGLEMENT
    metadata = msgspec.structs.replace(
        base,
        engine=f"{engine.name} {engine.version}",
        method=sampled.method,
        why=why,
        precision=engine.precision,
        qubits=found.qubits,
        operations=sum(circuit.count_ops().values()),
    )
    return metadata, registers(circuit, sampled.bits)


def planned(circuit: QuantumCircuit, task: Task, errors: Errors | None) -> tuple[Plan, QuantumCircuit, profile.Profile]:
    """The plan, the circuit in the gates that its method wants, and its figures. Raises PubFailed."""
    simple = clifford.rewritten(circuit)
    found = profile.profile(
        circuit, task.shots, clifford=simple is not None, noise=errors.kind if errors is not None else ""
    )
    bids = (bid for engine in engines().values() if (bid := engine.bid(found)) is not None)
    plan = route.choose(found, task.memory, task.method, bids)
    if isinstance(plan, route.Refusal):
        raise PubFailed(plan.reason, plan.message)
    check_time(plan, task)
    return plan, simple if simple is not None and plan.method == "stabilizer" else circuit, found


def check_time(plan: Plan, task: Task) -> None:
    """Refuse before the run what cannot end before the job's deadline. Raises PubFailed."""
    known = plan.bond_limit is None and plan.seconds != float("inf")
    if task.seconds_left is None or not known or plan.seconds <= DEADLINE_SLACK * task.seconds_left:
        return
    raise PubFailed(
        PubReason.DEADLINE_EXCEEDED,
        f"By the method {plan.method} this pub takes about {plan.seconds:.0f} s, and the job has "
        f"{task.seconds_left:.0f} s left. Raise spec.activeDeadlineSeconds, or make the circuit or its shots smaller.",
    )


def check_result(circuit: QuantumCircuit, task: Task) -> None:
    """Refuse before the run what could not be stored or held after it. Raises PubFailed."""
    size = result_bytes(circuit, task.shots)
    if size > MAX_RESULT_BYTES:
        raise PubFailed(
            PubReason.RESULT_TOO_LARGE,
            f"{task.shots} shots would be {size} bytes of samples; the limit is {MAX_RESULT_BYTES}. "
            f"Take at most {task.shots * MAX_RESULT_BYTES // size} shots, or measure fewer bits.",
        )
    needed = task.shots * (SHOT_BYTES + circuit.num_clbits)
    if needed > task.memory:
        raise PubFailed(
            PubReason.MEMORY_LIMIT,
            f"The samples of {task.shots} shots need {needed >> 20} MiB while they are collected; the pod's memory "
            f"limit leaves {task.memory >> 20} MiB. Take fewer shots, or raise spec.resources.limits.memory.",
        )
