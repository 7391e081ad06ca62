"""Rotations by quarter turns are the Clifford gates that they are taken for, and others are not taken."""

from __future__ import annotations

import itertools
import math

import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import Operator

from quantumjob_worker.engines.stim import written
from quantumjob_worker.passes import to_clifford

GATES = get_standard_gate_name_mapping()
QUARTERS = {"rz": 1, "p": 1, "u1": 1, "rx": 1, "ry": 1, "u": 3, "u3": 3, "u2": 2, "r": 2, "rzz": 1, "rxx": 1, "ryy": 1}
CASES = [
    (name, turns)
    for name, angles in QUARTERS.items()
    for turns in itertools.product(range(-2, 6) if angles == 1 else range(-1, 4), repeat=angles)
] + [(name, (turns,)) for name in ("cp", "cu1") for turns in (-2, 0, 2, 4)]


def single(name: str, turns: tuple[int, ...]) -> QuantumCircuit:
    gate = type(GATES[name])(*(turn * math.pi / 2 for turn in turns))
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, circuit.qubits)
    return circuit


def test_quarter_turns() -> None:
    for name, turns in CASES:
        circuit = single(name, turns)
        found = to_clifford.rewrite(circuit)
        assert found is not None, (name, turns)
        assert {instruction.name for instruction in found.data} <= to_clifford.KEPT
        assert Operator(found).equiv(Operator(circuit)), (name, turns)


@pytest.mark.parametrize("name", [*QUARTERS, "cp"])
def test_other_angles_are_not_taken(name: str) -> None:
    gate = type(GATES[name])(*([1.0] * len(GATES[name].params)))
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, circuit.qubits)
    assert to_clifford.rewrite(circuit) is None


@pytest.mark.parametrize("name", ["t", "ccx", "crz", "csx", "ch"])
def test_other_gates_are_not_taken(name: str) -> None:
    gate = type(GATES[name])(*([math.pi] * len(GATES[name].params)))
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, circuit.qubits)
    assert to_clifford.rewrite(circuit) is None


def test_blocks_are_rewritten() -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.rz(math.pi / 2, 1)
    found = to_clifford.rewrite(circuit)
    assert found is not None
    assert [part.name for part in found.data[1].operation.blocks[0].data] == ["s"]
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.t(1)
    assert to_clifford.rewrite(circuit) is None


PLAIN = [*sorted(to_clifford.KEPT & GATES.keys() - {"measure", "reset"}), "pauli"]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(PLAIN), st.permutations([0, 1, 2])), max_size=12))
def test_stim_has_the_same_gates(chosen: list[tuple[str, list[int]]]) -> None:
    circuit = QuantumCircuit(3)
    for name, order in chosen:
        if name == "pauli":
            circuit.pauli("XYZ", order)
        else:
            circuit.append(GATES[name], order[: GATES[name].num_qubits])
    program, measured = written(circuit, None)
    assert measured == []
    tableau = stim.Circuit(program + "\nI 0 1 2").to_tableau()
    assert Operator(tableau.to_unitary_matrix(endian="little")).equiv(Operator(circuit), atol=1e-5)
