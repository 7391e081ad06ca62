"""Our way from a circuit to Aer's simulator against Aer's own: the same bits from the same seed."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Clbit, Parameter
from qiskit.circuit.classical import expr
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit_aer import AerSimulator

from quantumjob_contract.reasons import PubReason
from quantumjob_worker.engines import aer
from quantumjob_worker.engines.aer_assembly import assemble
from quantumjob_worker.engines.base import Run
from quantumjob_worker.errors import PubFailed
from quantumjob_worker.passes import instruction_sets

SHOTS = 200
METHODS = ("statevector", "density_matrix", "stabilizer", "matrix_product_state")
GATES = [
    (name, method) for method in METHODS for name in sorted(instruction_sets.STANDARD & instruction_sets.basis(method))
]


def memory(circuit: QuantumCircuit, method: str) -> list[str]:
    """Each shot's bits, by our way, which must be the one that is taken."""
    assert assemble(circuit) is not None
    run = Run(shots=SHOTS, seed=7, threads=1, memory=1 << 30)
    (part,) = aer.execute(circuit, {}, method, run, memory=True)
    return list(part["data"]["memory"])


def own_memory(circuit: QuantumCircuit, method: str) -> list[str]:
    """The same as whoever has Aer alone gets it."""
    answer = AerSimulator(method=method).run(circuit, shots=SHOTS, seed_simulator=7, memory=True).result()
    return list(answer.data()["memory"])


@pytest.mark.parametrize(("name", "method"), GATES)
def test_every_gate(name: str, method: str) -> None:
    """With angles that all show, between gates that make them show; a label makes no difference."""
    gate = get_standard_gate_name_mapping()[name].to_mutable()
    first = math.pi / 2 if method == "stabilizer" else 0.3
    gate.params = [first + 0.4 * at for at in range(len(gate.params))]
    gate.label = "mine"
    circuit = QuantumCircuit(gate.num_qubits, gate.num_qubits)
    circuit.h(circuit.qubits)
    circuit.s(circuit.qubits)
    circuit.append(gate, circuit.qubits[::-1])
    circuit.sx(circuit.qubits)
    circuit.h(circuit.qubits)
    circuit.measure(circuit.qubits, circuit.clbits)
    assert memory(circuit, method) == own_memory(circuit, method)


def shapes(circuit: QuantumCircuit) -> None:
    """Registers in another order than their bits are measured, a bit that nothing sets, one measured twice."""
    circuit.add_register(QuantumRegister(2, "b"), QuantumRegister(1, "a"))
    circuit.add_register(ClassicalRegister(2, "y"), ClassicalRegister(3, "x"))
    circuit.h(0)
    circuit.barrier()
    circuit.cx(0, 2)
    circuit.measure([2, 1, 0], [0, 4, 3])
    circuit.measure(2, 1)


def in_between(circuit: QuantumCircuit) -> None:
    """Measured, then used: each shot is a run of its own."""
    circuit.add_register(QuantumRegister(1), ClassicalRegister(2))
    circuit.h(0)
    circuit.measure(0, 0)
    circuit.h(0)
    circuit.measure(0, 1)


def shared_bits(circuit: QuantumCircuit) -> None:
    """Two registers over the same bits."""
    bits = [Clbit(), Clbit()]
    circuit.add_bits(bits)
    circuit.add_register(QuantumRegister(2), ClassicalRegister(name="p", bits=bits))
    circuit.add_register(ClassicalRegister(name="q", bits=bits[::-1]))
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.x(1)
    circuit.measure([0, 1], [0, 1])


@pytest.mark.parametrize("build", [shapes, in_between, shared_bits])
@pytest.mark.parametrize("method", METHODS)
def test_every_shape(build: Callable[[QuantumCircuit], None], method: str) -> None:
    circuit = QuantumCircuit(global_phase=0.7)
    build(circuit)
    assert memory(circuit, method) == own_memory(circuit, method)


def conditional(circuit: QuantumCircuit) -> None:
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)


@pytest.mark.parametrize(
    "more",
    [
        conditional,
        lambda circuit: circuit.reset(0),
        lambda circuit: circuit.initialize([1, 0], 0),
        lambda circuit: circuit.unitary([[0, 1], [1, 0]], 0),
        lambda circuit: circuit.mcx([0, 1, 2, 3], 4),
        lambda circuit: circuit.rx(Parameter("a"), 0),
        lambda circuit: circuit.add_var("v", expr.lift(False)),
        lambda circuit: circuit.save_statevector(),
    ],
)
def test_what_is_not_plain_is_left_to_aer(more: Callable[[QuantumCircuit], object]) -> None:
    circuit = QuantumCircuit(5, 1)
    assert assemble(circuit) is not None
    more(circuit)
    assert assemble(circuit) is None


def test_a_run_that_fails_says_why() -> None:
    circuit = QuantumCircuit(24, 1)
    circuit.h(range(24))
    for qubit in circuit.qubits:
        circuit.measure(qubit, 0)
    assert assemble(circuit) is not None
    with pytest.raises(PubFailed) as caught:
        aer.execute(circuit, {}, "statevector", Run(shots=1, seed=1, threads=1, memory=1 << 20))
    assert caught.value.error.reason == PubReason.MEMORY_LIMIT
