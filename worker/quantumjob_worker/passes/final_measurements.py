"""Finds the final measurements of a circuit, and removes them."""

from __future__ import annotations

from qiskit import QuantumCircuit

from quantumjob_worker.passes.instruction_sets import CONTROL_FLOW


def final_measurements(circuit: QuantumCircuit) -> list[bool]:
    """Returns for each instruction whether it is a measurement without later use of its qubit and bit."""
    busy: set[object] = set()
    final = [False] * len(circuit.data)
    for at in range(len(circuit.data) - 1, -1, -1):
        instruction = circuit.data[at]
        if instruction.name == "measure" and busy.isdisjoint([*instruction.qubits, *instruction.clbits]):
            final[at] = True
        elif instruction.name == "store":  # it may read any bit
            busy.update(circuit.clbits)
        elif instruction.name != "barrier":
            busy.update(instruction.qubits, instruction.clbits)
    return final


def without_final_measurements(circuit: QuantumCircuit) -> QuantumCircuit:
    """Returns the circuit without its final measurements."""
    unmeasured = circuit.copy_empty_like()
    for instruction, is_final in zip(circuit.data, final_measurements(circuit), strict=True):
        if not is_final:
            unmeasured._append(instruction)  # noqa: SLF001  append() checks each argument again
    return unmeasured


def is_pure(circuit: QuantumCircuit) -> bool:
    """Whether an ideal run ends in one known state: nothing is measured or reset, and there is no control flow."""
    touched: set[object] = set()
    for instruction in circuit.data:
        if instruction.name in CONTROL_FLOW or instruction.name in {"measure", "reset"}:
            return False
        if instruction.name == "initialize" and not touched.isdisjoint(instruction.qubits):
            return False  # it includes a reset
        if instruction.name != "barrier":
            touched.update(instruction.qubits)
    return True
