"""Programs as Qiskit's tutorials write them give the same with Aer's primitives and with the client's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from namespaces import Namespace
from qiskit_aer.primitives import EstimatorV2, SamplerV2
from rest import account, authority, connected

from quantumjob import Client, Estimator, Sampler

SEED = 42
STATEVECTOR = {"method": "statevector"}
"""Aer's automatic choice depends on the circuit, and the samples of a seed depend on the choice."""

CHSH = """
import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp

angle = Parameter("angle")
circuit = QuantumCircuit(2)
circuit.h(0)
circuit.cx(0, 1)
circuit.ry(angle, 0)

angles = np.linspace(0, 2 * np.pi, 21)
witnesses = [
    [SparsePauliOp.from_list([("ZZ", 1), ("ZX", -1), ("XZ", 1), ("XX", 1)])],
    [SparsePauliOp.from_list([("ZZ", 1), ("ZX", 1), ("XZ", -1), ("XX", 1)])],
]
job = estimator.run([(circuit, witnesses, angles[:, None])])
result = job.result()
found = [result[0].data.evs, result[0].data.stds]
assert result[0].data.evs.shape == (2, 21)
assert np.abs(result[0].data.evs).max() > 2  # no classical correlation is stronger
"""

PRECISION = """
import numpy as np
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

angles = ParameterVector("a", 6)
ansatz = QuantumCircuit(3)
for qubit in range(3):
    ansatz.ry(angles[qubit], qubit)
ansatz.cx(0, 1)
ansatz.cx(1, 2)
for qubit in range(3):
    ansatz.rz(angles[3 + qubit], qubit)
ising = SparsePauliOp.from_sparse_list(
    [("ZZ", [0, 1], 1.0), ("ZZ", [1, 2], 1.0), ("X", [0], 0.5), ("X", [1], 0.5), ("X", [2], 0.5)], num_qubits=3
)
job = estimator.run([(ansatz, [ising, "ZZZ", "XIX"], np.linspace(0, 1, 6))], precision=0.02)
found = [each for pub in job.result() for each in (pub.data.evs, pub.data.stds)]
"""

REGISTERS = """
import numpy as np
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter

qubits, alpha, beta = QuantumRegister(3), ClassicalRegister(1, "alpha"), ClassicalRegister(2, "beta")
angle = Parameter("angle")
circuit = QuantumCircuit(qubits, alpha, beta)
circuit.rx(angle, 0)
circuit.t(0)
circuit.cx(0, 1)
circuit.ry(0.7, 2)
circuit.measure(0, alpha[0])
circuit.measure([1, 2], beta)

job = sampler.run([(circuit, [[0.1], [0.5], [2.5]]), (circuit, 1.1)], shots=200)
first, second = job.result()
assert first.data.alpha.shape == (3,) and first.data.beta.num_bits == 2
assert sum(second.join_data().get_counts().values()) == 200
assert set(first.data.alpha.get_counts(0)) <= {"0", "1"}
assert first.data.beta.slice_bits([1]).num_bits == 1
found = [first.data.alpha.array, first.data.beta.array, second.join_data().array]
"""


@pytest.fixture
def client(namespace: Namespace) -> Iterator[Client]:
    """A client with the right to edit the namespace."""
    token = account(namespace.name, "scientist", "edit")
    with connected() as url, Client(url, token=token, namespace=namespace.name, ca=authority()) as opened:
        yield opened


def run(program: str, **primitive: Any) -> list[np.ndarray[Any, Any]]:
    """Executes a program with this primitive; returns its variable `found`."""
    names: dict[str, Any] = dict(primitive)
    exec(program, names)  # noqa: S102
    found: list[np.ndarray[Any, Any]] = names["found"]
    return found


def estimators(client: Client) -> tuple[Any, Any]:
    """The client's Estimator, and Aer's."""
    options = {"backend_options": STATEVECTOR, "run_options": {"seed_simulator": SEED}}
    return Estimator(client, seed=SEED), EstimatorV2(options=options)


@pytest.mark.parametrize("program", [CHSH, PRECISION], ids=["chsh", "precision"])
def test_expectation_values(client: Client, program: str) -> None:
    ours, theirs = (run(program, estimator=each) for each in estimators(client))
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        assert np.allclose(one, other, atol=1e-12)


def test_registers(client: Client) -> None:
    ours = run(REGISTERS, sampler=Sampler(client, seed=SEED))
    theirs = run(REGISTERS, sampler=SamplerV2(seed=SEED, options={"backend_options": STATEVECTOR}))
    for one, other in zip(ours, theirs, strict=True):
        assert np.array_equal(one, other)
