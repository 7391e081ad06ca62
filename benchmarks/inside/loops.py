"""Runs many circuits, points or observables with Qiskit and Aer alone, and prints the seconds as JSON.

Run by `python -c` in a pod with Qiskit and without this project, and imported where the same circuits become pubs. The
time is from the user's input (a text, a circuit, values) to counts or expectation values.
"""

import json
import math
import sys
import time

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit, qasm3
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import Pauli
from qiskit_aer import AerSimulator

BELL = 'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[2] c; h q[0]; cx q[0], q[1]; c = measure q;'
SHOTS = 1024
WIDTH = 5
OBSERVED = 12
OBSERVABLES = 100


def ansatz(qubits: int, *, measured: bool) -> QuantumCircuit:
    """Returns two layers of RY and RZ with a ring of CX between them."""
    angles = ParameterVector("t", 4 * qubits)
    circuit = QuantumCircuit(qubits)
    for layer in range(2):
        for qubit in range(qubits):
            circuit.ry(angles[2 * qubits * layer + qubit], qubit)
            circuit.rz(angles[2 * qubits * layer + qubits + qubit], qubit)
        if not layer:
            for qubit in range(qubits):
                circuit.cx(qubit, (qubit + 1) % qubits)
    if measured:
        circuit.measure_all()
    return circuit


def values(points: int, count: int) -> NDArray[np.float64]:
    """Returns a value of each parameter at each point, with few digits: the speed of JSON is not compared."""
    return np.random.default_rng(1).uniform(0, 2 * math.pi, (points, count)).round(4)


def observables() -> list[str]:
    rng = np.random.default_rng(2)
    return ["".join(rng.choice(list("IXYZ"), OBSERVED)) for _ in range(OBSERVABLES)]


def texts(count: int) -> None:
    """Runs each circuit from its text to its counts."""
    simulator = AerSimulator(max_parallel_threads=1)
    for index in range(count):
        simulator.run(qasm3.loads(BELL), shots=SHOTS, seed_simulator=index).result().get_counts()


def sweep(points: int) -> None:
    """Runs one circuit at all points, a hundred in each call: the fastest of the sizes that were tried."""
    simulator, circuit = AerSimulator(max_parallel_threads=1), ansatz(WIDTH, measured=True)
    table = values(points, circuit.num_parameters)
    for start in range(0, points, 100):
        part = table[start : start + 100].T
        binds = {name: column.tolist() for name, column in zip(circuit.parameters, part, strict=True)}
        simulator.run(circuit, parameter_binds=[binds], shots=SHOTS, seed_simulator=start).result().get_counts()


def estimates(points: int) -> None:
    """Computes all observables of one circuit in one run for each point."""
    simulator, circuit = AerSimulator(method="statevector", max_parallel_threads=1), ansatz(OBSERVED, measured=False)
    for index, pauli in enumerate(observables()):
        circuit.save_expectation_value(Pauli(pauli), range(OBSERVED), label=str(index))
    table = values(points, circuit.num_parameters)
    for start in range(0, points, 100):
        part = table[start : start + 100].T
        binds = {name: column.tolist() for name, column in zip(circuit.parameters, part, strict=True)}
        simulator.run(circuit, parameter_binds=[binds]).result()


def main() -> None:
    work, count = {"texts": texts, "sweep": sweep, "estimates": estimates}[sys.argv[1]], int(sys.argv[2])
    work(2)
    began = time.perf_counter()
    work(count)
    print(json.dumps(time.perf_counter() - began))


if __name__ == "__main__":
    main()
