"""Circuits on Aer's state against Aer's simulator: the same bits from the same seed."""

from __future__ import annotations

import base64
import math
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import Clbit, Gate, Parameter, Qubit
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import Statevector
from qiskit_aer import AerSimulator

from quantumjob_contract.limits import MAX_SEED
from quantumjob_contract.schema.backend import Depolarizing, NoiseModel
from quantumjob_contract.schema.results import Why
from quantumjob_worker.engines import aer, engines
from quantumjob_worker.engines.aer_state import GATES, SERIAL, GateCalls
from quantumjob_worker.engines.base import Run
from quantumjob_worker.passes import instruction_sets
from quantumjob_worker.passes.bind_parameters import Values
from quantumjob_worker.passes.insert_noise import NoiseChannels
from quantumjob_worker.primitives.sweep import _sample_array
from quantumjob_worker.routing.router import Plan

PLAN = Plan("aer", "statevector", Why.SMALL)
STANDARD = get_standard_gate_name_mapping()


def own_bits(circuit: QuantumCircuit, shots: int, seed: int) -> list[int]:
    """Of each shot, as whoever has Aer alone gets them."""
    answer = AerSimulator(method="statevector").run(circuit, shots=shots, seed_simulator=seed, memory=True).result()
    return [int(number, 16) for number in answer.data()["memory"]]


def bits(circuit: QuantumCircuit, shots: int, seed: int) -> list[int]:
    """The same by the engine, which must take the way that is tested here."""
    run = Run(shots=shots, seed=seed, threads=1, memory=1 << 30)
    assert aer.gate_calls(circuit, PLAN, run) is not None
    sampled = engines()["aer"].sample(circuit, PLAN, run)
    return [int.from_bytes(shot.tobytes(), "big") for shot in sampled.bits]


def test_every_gate_that_the_simulator_knows_is_known() -> None:
    assert GATES.keys() == instruction_sets.STANDARD & instruction_sets.basis("statevector")


@pytest.mark.parametrize("name", sorted(GATES))
def test_every_gate(name: str) -> None:
    """With angles that all show, in both directions, between gates that make them show."""
    gate = STANDARD[name]
    circuit = QuantumCircuit(gate.num_qubits, gate.num_qubits)
    for turn in (1, -1):
        circuit.u(0.4, 0.7, 0.2, circuit.qubits)
        circuit.sx(0)
        circuit.append(gate.base_class(*(0.3 + 0.4 * at for at in range(len(gate.params)))), circuit.qubits[::turn])
    circuit.u(0.9, 0.1, 0.5, circuit.qubits)
    circuit.measure(circuit.qubits, circuit.clbits)
    assert bits(circuit, 2000, 7) == own_bits(circuit, 2000, 7)


def drawn(seed: int, qubits: int) -> QuantumCircuit:
    """Random gates on random qubits."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(qubits, global_phase=0.3)
    circuit.u(*rng.uniform(0, math.tau, 3), circuit.qubits)
    for name in rng.choice(sorted(GATES), 30):
        gate = STANDARD[str(name)]
        if gate.num_qubits <= qubits:
            angles = rng.uniform(0, math.tau, len(gate.params))
            circuit.append(gate.base_class(*angles), rng.permutation(qubits)[: gate.num_qubits].tolist())
    return circuit


@pytest.mark.parametrize("seed", range(40))
def test_any_circuit(seed: int) -> None:
    """All widths, gates on any qubits, measured in any order into some of the bits."""
    rng = np.random.default_rng(seed)
    qubits = seed % (SERIAL - 1) + 1
    circuit = drawn(seed, qubits)
    circuit.add_register(ClassicalRegister(qubits + int(rng.integers(0, 10))))
    circuit.measure(rng.permutation(qubits).tolist(), rng.permutation(circuit.num_clbits)[:qubits].tolist())
    shots = int(rng.choice([1, 2, 1000, 20_000]))
    assert bits(circuit, shots, seed) == own_bits(circuit, shots, seed)


@pytest.mark.parametrize("seed", range(SERIAL - 1))
def test_the_state_at_the_end(seed: int) -> None:
    circuit = drawn(seed, seed + 1)
    steps = GateCalls.of(circuit)
    assert steps is not None
    assert np.isclose(abs(np.vdot(Statevector(circuit).data, steps.vector({}))), 1)


def twice(circuit: QuantumCircuit) -> None:
    """A qubit into two bits, a bit from two qubits, barriers, a bit of no measurement."""
    circuit.h([0, 1])
    circuit.barrier()
    circuit.measure(0, 3)
    circuit.barrier()
    circuit.x(1)
    circuit.measure(0, 1)
    circuit.measure([0, 1], [4, 4])


def shared(circuit: QuantumCircuit) -> None:
    """Two registers over the same bits, in opposite orders."""
    loose = [Clbit(), Clbit()]
    circuit.add_bits(loose)
    circuit.add_register(ClassicalRegister(name="p", bits=loose), ClassicalRegister(name="q", bits=loose[::-1]))
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.x(1)
    circuit.measure([0, 1], loose)


@pytest.mark.parametrize("build", [twice, shared])
def test_every_shape(build: Callable[[QuantumCircuit], None]) -> None:
    circuit = QuantumCircuit(2, 5)
    build(circuit)
    assert bits(circuit, 500, 3) == own_bits(circuit, 500, 3)


@pytest.mark.parametrize("memory", [1 << 10, 1 << 17, 1 << 30])
@pytest.mark.parametrize("seed", [11, MAX_SEED])
def test_a_sweep_is_one_call_of_the_simulator(memory: int, seed: int) -> None:
    """Its angles may be expressions, shared by gates, or numbers; in chunks of one point, of three, and whole."""
    a, b = Parameter("a"), Parameter("b")
    circuit = QuantumCircuit(3, 3)
    circuit.ry(a, [0, 1])
    circuit.cp(a * b + 1, 0, 1)
    circuit.rzz(b, 1, 2)
    circuit.cu(0.1, a, b, 0.4, 2, 0)
    circuit.rx(1.5, 2)
    circuit.measure([2, 1, 0], [0, 1, 2])
    columns = {a: np.linspace(0.1, 3, 7), b: np.linspace(2, -1, 7)}
    run = Run(shots=50, seed=seed, threads=1, memory=memory)
    found = [part["c"] for part in _sample_array(circuit, Values((7,), columns), PLAN, run)]
    assert len(found) == {1 << 10: 7, 1 << 17: 3, 1 << 30: 1}[memory]
    whole = b"".join(base64.b64decode(register.samples) for register in found)
    binds = {name: column.tolist() for name, column in columns.items()}
    plain = circuit.decompose("cp").decompose("cu")  # the simulator ignores arrays of angles of these
    answer = AerSimulator(method="statevector").run(
        plain, parameter_binds=[binds], shots=50, seed_simulator=seed, memory=True
    )
    own = [int(number, 16) for point in answer.result().results for number in point.data.memory]
    assert list(whole) == own


def measured(circuit: QuantumCircuit) -> QuantumCircuit:
    """Each qubit into the same bit."""
    for qubit in circuit.qubits:
        circuit.measure(qubit, circuit.clbits[0])
    return circuit


@pytest.mark.parametrize(
    "more",
    [
        lambda circuit: circuit.reset(0),
        lambda circuit: circuit.initialize([1, 0], 0),
        lambda circuit: circuit.unitary([[0, 1], [1, 0]], 0),
        lambda circuit: circuit.mcx([0, 1, 2, 3], 4),
        lambda circuit: circuit.ch(0, 1),
        lambda circuit: circuit.cx(0, 1, ctrl_state=0),
        lambda circuit: circuit.save_statevector(),
        lambda circuit: circuit.if_test((circuit.clbits[0], 1), QuantumCircuit(5, 1), circuit.qubits, circuit.clbits),
    ],
)
def test_what_is_more_is_left_to_the_simulator(more: Callable[[QuantumCircuit], object]) -> None:
    circuit = QuantumCircuit(5, 1)
    assert GateCalls.of(measured(circuit.copy())) is not None
    more(circuit)
    assert GateCalls.of(measured(circuit)) is None


def test_what_only_bears_a_known_name_is_left_to_the_simulator() -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.append(Gate("h", 1, []), [0])
    assert GateCalls.of(measured(circuit)) is None


def test_what_follows_on_a_measurement_is_left_to_the_simulator() -> None:
    circuit = measured(QuantumCircuit(5, 1))
    circuit.h(0)
    assert GateCalls.of(circuit) is None


def test_what_is_not_measured_whole_is_left_to_the_simulator() -> None:
    circuit = measured(QuantumCircuit(4, 1))
    circuit.add_bits([Qubit()])
    assert GateCalls.of(circuit) is None


@pytest.mark.parametrize(("qubits", "taken"), [(SERIAL - 1, True), (SERIAL, False)])
def test_what_is_wider_is_left_to_the_simulator(qubits: int, taken: bool) -> None:
    assert (GateCalls.of(measured(QuantumCircuit(qubits, 1))) is not None) is taken


def test_noise_and_other_methods_are_left_to_the_simulator() -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    run = Run(shots=1, seed=1, threads=1, memory=1 << 30)
    assert aer.gate_calls(circuit, PLAN, run) is not None
    noise = NoiseModel(depolarizing=Depolarizing(0.1, 0.1))
    assert aer.gate_calls(circuit, PLAN, run._replace(errors=NoiseChannels(noise))) is None
    assert aer.gate_calls(circuit, PLAN._replace(method="density_matrix"), run) is None


def resident() -> int:
    """Bytes of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_states_are_given_back() -> None:
    """Each of these takes 128 KiB."""
    circuit = QuantumCircuit(13)
    circuit.measure_all()
    steps = GateCalls.of(circuit)
    assert steps is not None

    def rounds(count: int) -> None:
        for seed in range(count):
            steps.sample(1, seed, {})
            steps.vector({})

    rounds(10)
    before = resident()
    rounds(500)
    assert resident() - before < 16 << 20
