"""Converts a circuit of standard gates to Aer's circuit in one pass.

Aer's own conversion creates a Python object for each gate, which takes as long as the simulation of a small circuit.
It is used for all other circuits.
"""

from __future__ import annotations

from typing import Final

from qiskit import QuantumCircuit
from qiskit_aer.backends.backend_utils import CircuitHeader
from qiskit_aer.backends.controller_wrappers import AerCircuit

from quantumjob_worker.passes import instruction_sets

KNOWN: Final = instruction_sets.PLAIN & instruction_sets.allowed("automatic")
UNCONDITIONAL: Final = -1


def assemble(circuit: QuantumCircuit) -> AerCircuit | None:
    """Returns Aer's circuit; None unless it has only bound standard gates of Aer, measurements and barriers."""
    if circuit.num_vars or circuit.parameters or not instruction_sets.names(circuit) <= KNOWN:
        return None
    qubit = {bit: index for index, bit in enumerate(circuit.qubits)}
    clbit = {bit: index for index, bit in enumerate(circuit.clbits)}
    made = AerCircuit()
    for instruction in circuit.data:
        name = instruction.name
        qubits = [qubit[bit] for bit in instruction.qubits]
        if instruction.is_standard_gate():
            made.gate(name, qubits, instruction.params, [], UNCONDITIONAL, None, instruction.label or name)
        elif name == "measure":
            made.measure(qubits, [clbit[bit] for bit in instruction.clbits], [])
        elif name != "barrier":
            return None
    made.num_qubits, made.num_memory = circuit.num_qubits, circuit.num_clbits
    made.global_phase_angle = float(circuit.global_phase)
    made.set_header(CircuitHeader(n_qubits=circuit.num_qubits, memory_slots=circuit.num_clbits))
    return made
