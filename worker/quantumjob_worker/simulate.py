"""Runs a normalised circuit on Aer, by the method that the router names, within the child's memory and threads."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

import msgspec
import qiskit_aer
from qiskit import QuantumCircuit
from qiskit_aer import AerSimulator

from quantumjob_contract.limits import MAX_RESULT_BYTES, MIB
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.results import PubMetadata, Register
from quantumjob_worker import normalise, route
from quantumjob_worker.errors import PubFailed
from quantumjob_worker.protocol import Task
from quantumjob_worker.samples import registers, result_bytes

SHOT_BYTES: Final = 200
"""What Aer and Python hold for one shot besides its bits."""
SERIAL: Final = 14
"""Below this many qubits Aer updates and samples a statevector by one thread, however many it has."""
PROBE_PART: Final = 8
"""A run with a bond limit is first tried on this part of the circuit: one that will not do shows it early."""


def sample(circuit: QuantumCircuit, task: Task, base: PubMetadata) -> tuple[PubMetadata, dict[str, Register]]:
    """The registers' samples and how they were made. Raises PubFailed."""
    check_result(circuit, task)
    profile = route.profile(circuit, task.shots)
    plan = route.choose(profile, task.memory)
    if plan is None:
        raise PubFailed(PubReason.MEMORY_LIMIT, nothing_fits(profile.qubits, task.memory))
    if plan.method == "statevector" and profile.qubits < SERIAL and not profile.dynamic:
        task = msgspec.structs.replace(task, threads=1)  # Aer would start more, and give them nothing
    method, memory = _carry_out(circuit, plan, task)
    metadata = msgspec.structs.replace(
        base,
        engine=f"aer {qiskit_aer.__version__}",
        method=method,
        precision="double",
        qubits=profile.qubits,
        operations=sum(circuit.count_ops().values()),
    )
    return metadata, registers(circuit, memory)


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


def out_of_memory(memory: int) -> str:
    return (
        f"The pod's memory limit leaves {memory >> 20} MiB for one pub, and this pub ran out of it. "
        "Raise spec.resources.limits.memory."
    )


def nothing_fits(qubits: int, memory: int) -> str:
    return (
        f"A statevector of {qubits} qubits needs {_size(route.statevector_bytes(qubits))}; the pod's memory limit "
        f"leaves {_size(route.available(memory))}, and the circuit is too entangled for a matrix product state. "
        "Raise spec.resources.limits.memory, or use fewer qubits."
    )


def _size(number: int) -> str:
    mib = number >> 20
    return f"{mib} MiB" if mib < 2**20 else f"2^{number.bit_length() - 21} MiB"


def _carry_out(circuit: QuantumCircuit, plan: route.Plan, task: Task) -> tuple[str, list[str]]:
    translated = normalise.for_method(circuit, plan.method)
    if plan.bond_limit is None:
        return plan.method, _run(translated, plan.method, task)[0]
    limits = {"mps_log_data": True, "matrix_product_state_max_bond_dimension": plan.bond_limit}
    for part in (_beginning(translated, PROBE_PART), translated):
        memory, log = _run(part, plan.method, task, **limits)
        if reached(log, plan.bond_limit):
            break
    else:
        return plan.method, memory
    if plan.otherwise is None:
        raise PubFailed(PubReason.MEMORY_LIMIT, nothing_fits(circuit.num_qubits, task.memory))
    return plan.otherwise, _run(normalise.for_method(circuit, plan.otherwise), plan.otherwise, task)[0]


def reached(log: str, limit: int) -> bool:
    """Whether any bond in Aer's log is as large as the limit: then something may have been cut off."""
    return re.search(rf"[\[ ]{limit}[ \]]", log) is not None


def _beginning(circuit: QuantumCircuit, part: int) -> QuantumCircuit:
    gates = [instruction for instruction in circuit.data if instruction.name != "measure"]
    start = circuit.copy_empty_like()
    for instruction in gates[: len(gates) // part]:
        start._append(instruction)  # noqa: SLF001  append() checks each argument again
    start.measure(0, 0)  # Aer warns of a circuit without
    return start


def _run(circuit: QuantumCircuit, method: route.Method, task: Task, **options: Any) -> tuple[list[str], str]:
    """Each shot's bits in hexadecimal, and Aer's log. Raises PubFailed."""
    options |= {
        "shots": task.shots,
        "seed_simulator": task.seed,
        "memory": True,
        "max_memory_mb": max(1, route.available(task.memory) // MIB),
        "max_parallel_threads": task.threads,
    }
    # As run().result() does it, but in this thread, and without the objects that those make of the answer.
    result = _simulator(method)._execute_circuits_job([circuit], None, options, format_result=False)  # noqa: SLF001
    parts = result["results"]
    if not result["success"] or not parts[0]["success"]:
        statuses = [str(result["status"]), *(str(part["status"]) for part in parts)]
        if any("memory" in status.lower() or "bad_alloc" in status for status in statuses):
            raise PubFailed(PubReason.MEMORY_LIMIT, out_of_memory(task.memory))
        raise PubFailed(
            PubReason.SIMULATION_FAILED,
            f"Qiskit Aer could not run the circuit by the method {method}. Check that it runs with Aer on its own.",
        )
    return parts[0]["data"].get("memory", []), str(parts[0]["metadata"].get("MPS_log_data", ""))


@cache
def _simulator(method: route.Method) -> AerSimulator:
    """Made once, before a child is forked: it costs more than a small run."""
    return AerSimulator(method=method)
