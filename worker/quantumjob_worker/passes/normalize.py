"""Normalizes a loaded circuit, so that Aer runs it as written.

Aer identifies instructions by name: a user-defined `gate ecr` or `gate h` would silently run as Aer's. Every
instruction that is not of the class of its name is therefore replaced by its definition first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, Qubit

from quantumjob_contract.limits import MAX_QUBITS
from quantumjob_contract.reasons import PubReason
from quantumjob_worker.errors import PubFailed, too_large
from quantumjob_worker.passes import instruction_sets
from quantumjob_worker.passes.basis_translation import translator
from quantumjob_worker.passes.inline_definitions import Flattener
from quantumjob_worker.passes.insert_noise import NoiseChannels
from quantumjob_worker.passes.validate import check_operands

LOOPS: Final = ("while_loop", "for_loop")


def normalize(circuit: QuantumCircuit, errors: NoiseChannels | None = None) -> QuantumCircuit:
    """Inlines definitions, unrolls loops, inserts noise, removes unused qubits and validates. Raises PubFailed."""
    flat = inline(circuit, errors)
    _check_measured(flat)
    return compact(flat, used_qubits(flat, errors))


def inline(circuit: QuantumCircuit, errors: NoiseChannels | None = None) -> QuantumCircuit:
    """Inlines definitions and inserts noise; keeps all qubits, and accepts circuits without measurements.

    Removes the global phase, which no sample or expectation value depends on. Parameters may be unbound.
    Raises PubFailed.
    """
    flat = flatten(circuit, keep_delays=errors is not None)
    flat.global_phase = 0
    return with_noise(flat, errors)


def flatten(circuit: QuantumCircuit, *, keep_delays: bool) -> QuantumCircuit:
    """Inlines definitions and validates. Raises PubFailed."""
    if circuit.num_qubits > MAX_QUBITS or circuit.num_clbits > MAX_QUBITS:
        what = "qubits" if circuit.num_qubits > MAX_QUBITS else "classical bits"
        raise too_large(what, max(circuit.num_qubits, circuit.num_clbits), MAX_QUBITS)
    flat = Flattener(keep_delays=keep_delays).flatten(circuit)
    check_operands(instructions(flat))
    return flat


def with_noise(flat: QuantumCircuit, errors: NoiseChannels | None) -> QuantumCircuit:
    """Returns a flattened circuit with its noise."""
    return flat if errors is None else errors.insert(flat)


def used_qubits(circuit: QuantumCircuit, errors: NoiseChannels | None = None) -> list[int]:
    """Returns indices of the used qubits, and sets them in the noise."""
    found = used(circuit)
    if errors is not None:
        errors.place(found)
    return found


def for_method(circuit: QuantumCircuit, method: str, *, keep_phase: bool = False) -> QuantumCircuit:
    """Translates to the basis of this method of Aer. Raises PubFailed if that is not possible.

    The global phase that translation adds is removed unless `keep_phase`.
    """
    allowed = instruction_sets.allowed(method)
    if _is_runnable(circuit, allowed):
        return circuit
    translated = translator(allowed).run(circuit)
    if not keep_phase:
        translated.global_phase = 0
    if not _is_runnable(translated, allowed):
        raise PubFailed(
            PubReason.INVALID_CIRCUIT,
            "The circuit has an instruction that cannot be translated to gates that Aer runs. Decompose it first.",
        )
    return translated


def _is_runnable(circuit: QuantumCircuit, allowed: frozenset[str]) -> bool:
    """Whether all instructions are allowed and built-in ones, also inside control flow."""
    names = instruction_sets.names(circuit)
    if names.isdisjoint(instruction_sets.CONTROL_FLOW):
        return names <= allowed and all(map(instruction_sets.is_builtin, circuit.data))
    return all(
        instruction.name in allowed and instruction_sets.is_builtin(instruction)
        for instruction in instructions(circuit)
    )


def for_sweep(circuit: QuantumCircuit, method: str, *, keep_phase: bool = False) -> QuantumCircuit:
    """Translates to gates whose angles this method of Aer accepts as arrays. Raises PubFailed if impossible."""
    circuit = for_method(circuit, method, keep_phase=keep_phase)
    if any(each.name in instruction_sets.MISBOUND and each.is_parameterized() for each in circuit.data):
        circuit = translator(instruction_sets.allowed(method) - instruction_sets.MISBOUND).run(circuit)
        if not keep_phase:
            circuit.global_phase = 0
    return circuit


def instructions(circuit: QuantumCircuit) -> Iterator[CircuitInstruction]:
    """Yields all instructions, including those inside control flow."""
    for instruction in circuit.data:
        yield instruction
        if instruction.name in instruction_sets.CONTROL_FLOW:
            for block in instruction.operation.blocks:
                yield from instructions(block)


def used(circuit: QuantumCircuit) -> list[int]:
    """Returns indices of qubits with an instruction; all qubits if there is control flow or an assignment."""
    if not instruction_sets.CLASSICAL.isdisjoint(instruction_sets.names(circuit)):
        return list(range(circuit.num_qubits))
    found: set[Qubit] = set()
    for instruction in circuit.data:
        if instruction.name != "barrier":
            found.update(instruction.qubits)
            if len(found) == circuit.num_qubits:  # usually after a few gates
                break
    return [index for index, qubit in enumerate(circuit.qubits) if qubit in found]


def compact(circuit: QuantumCircuit, kept: list[int]) -> QuantumCircuit:
    """Removes all other qubits: each would double the statevector."""
    if len(kept) == circuit.num_qubits:
        return circuit
    qubits = {circuit.qubits[index]: Qubit() for index in kept}
    small = QuantumCircuit(list(qubits.values()), circuit.clbits, *circuit.cregs)
    for instruction in circuit.data:
        here = [qubits[qubit] for qubit in instruction.qubits if qubit in qubits]
        if instruction.name == "barrier":
            small.barrier(here)
        else:
            small._append(instruction.replace(qubits=here))  # noqa: SLF001  append() checks each argument again
    return small


def has_control_flow(circuit: QuantumCircuit) -> bool:
    return not instruction_sets.CONTROL_FLOW.isdisjoint(instruction_sets.names(circuit))


def has_loops(circuit: QuantumCircuit) -> bool:
    return has_control_flow(circuit) and any(instruction.name in LOOPS for instruction in instructions(circuit))


def _check_measured(circuit: QuantumCircuit) -> None:
    if "measure" not in instruction_sets.names(circuit) and not any(
        each.name == "measure" for each in instructions(circuit)
    ):
        raise PubFailed(
            PubReason.NO_MEASUREMENT, "The circuit has no measurement, so there is nothing to sample. Add measurements."
        )
    if not any(register.size for register in circuit.cregs):
        raise PubFailed(
            PubReason.NO_MEASUREMENT, "The circuit measures into bits without a register. Add a classical register."
        )
