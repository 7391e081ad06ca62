"""Which method, for which circuit and memory."""

from __future__ import annotations

import pytest
from qiskit import QuantumCircuit

from quantumjob_worker.route import (
    Plan,
    Profile,
    choose,
    largest_bond,
    mps_bytes,
    probe_bond,
    profile,
    statevector_bytes,
)

GIB = 1 << 30
BASE = Profile(
    qubits=20,
    clbits=20,
    gates=100,
    long_gates=50,
    bond_bits=10,
    clifford=False,
    dynamic=False,
    control_flow=False,
    shots=1000,
)


@pytest.mark.parametrize(
    ("change", "memory", "plan"),
    [
        ({"qubits": 2, "bond_bits": 1, "clifford": True}, GIB, Plan("statevector")),
        ({}, GIB, Plan("statevector")),
        ({"qubits": 100, "bond_bits": 50, "clifford": True}, GIB, Plan("stabilizer")),
        ({"qubits": 500, "bond_bits": 1, "clifford": True}, GIB, Plan("matrix_product_state")),
        ({"qubits": 100, "bond_bits": 2}, GIB, Plan("matrix_product_state")),
        ({"gates": 171_000, "long_gates": 150_000}, GIB, Plan("matrix_product_state", 32, "statevector")),
        ({"gates": 171_000, "long_gates": 300_000, "dynamic": True}, GIB, Plan("statevector")),
        ({"qubits": 40, "bond_bits": 20}, GIB, Plan("matrix_product_state", 128)),
        ({"qubits": 40, "bond_bits": 20, "dynamic": True}, GIB, Plan("matrix_product_state")),
        ({"qubits": 40, "bond_bits": 20}, 1 << 12, None),
        ({"qubits": 26, "gates": 10, "long_gates": 5, "bond_bits": 2}, 1 << 20, Plan("matrix_product_state")),
    ],
)
def test_choice(change: dict[str, int], memory: int, plan: Plan | None) -> None:
    assert choose(BASE._replace(**change), memory) == plan


def test_figures() -> None:
    assert statevector_bytes(30) == 16 * GIB
    assert mps_bytes(40, largest_bond(40, GIB)) <= GIB
    assert probe_bond(1e-3) == 32
    assert probe_bond(0) == 1


def test_profile() -> None:
    circuit = QuantumCircuit(6, 6)
    circuit.h(0)
    for i in range(5):
        circuit.cx(i, i + 1)
    circuit.barrier()
    circuit.measure(range(6), range(6))
    found = profile(circuit, 10)
    assert found == Profile(6, 6, 6, 5, 1, clifford=True, dynamic=False, control_flow=False, shots=10)
    circuit.t(0)
    again = profile(circuit, 10)
    assert (again.clifford, again.dynamic) == (False, True)


def test_profile_looks_into_blocks() -> None:
    circuit = QuantumCircuit(3, 1)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.t(2)
        circuit.cz(0, 2)
    found = profile(circuit, 1)
    assert (found.clifford, found.control_flow, found.long_gates, found.bond_bits) == (False, True, 2, 1)
