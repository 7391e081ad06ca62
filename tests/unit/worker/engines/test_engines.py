"""Every engine and method against exact distributions of the same circuits, by a chi-square test."""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from engine_runs import MEMORY, SHOTS, sampled
from exact import ALARM, distribution, surprise
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter
from qiskit.circuit.library import DiagonalGate, PauliGate, UnitaryGate
from qiskit.quantum_info import Statevector, random_unitary
from random_pubs import dumped

from quantumjob_contract.pubs.counts import counts
from quantumjob_contract.schema.backend import Depolarizing, NoiseModel, Readout, Relaxation
from quantumjob_contract.schema.results import PubMetadata, Register, Why
from quantumjob_worker import child
from quantumjob_worker.engines import aer, engines, qsim
from quantumjob_worker.engines.base import Run
from quantumjob_worker.ipc import Task
from quantumjob_worker.passes import normalize
from quantumjob_worker.primitives import sampler
from quantumjob_worker.routing.router import Plan

ANY = ("statevector", "density_matrix", "matrix_product_state")
CLIFFORD = (*ANY, "stabilizer", "stim")
IDEAL = (*ANY, "qsim")
"""Where nothing follows on a measurement."""
PAULI = NoiseModel(depolarizing=Depolarizing(0.1, 0.2), readout=Readout(0.05, 0.15))
DECAY = NoiseModel(
    depolarizing=Depolarizing(0.02, 0.05), readout=Readout(0.01, 0.03), relaxation=Relaxation(100, 80, 10, 30, 40)
)
SLOW_PHASE = NoiseModel(relaxation=Relaxation(100, 150, 10, 30, 40))
"""T2 above T1: no mixture of unitaries and resets."""


def random(seed: int, gates: Iterable[str], *, middle: bool = False) -> QuantumCircuit:
    """Four qubits, two registers, some gates; in the middle a measurement and a reset."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(QuantumRegister(4, "q"), ClassicalRegister(2, "m"), ClassicalRegister(4, "c"))
    names = list(gates)
    for step in range(18):
        name = names[rng.integers(len(names))]
        angles = [float(angle) for angle in rng.uniform(0, 2 * math.pi, {"rx": 1, "cp": 1, "u": 3}.get(name, 0))]
        arity = {"cx": 2, "cz": 2, "cp": 2, "swap": 2, "ecr": 2, "ccx": 3}.get(name, 1)
        where = [int(qubit) for qubit in rng.permutation(4)[:arity]]
        getattr(circuit, name)(*angles, *where)
        if middle and step in (6, 12):
            circuit.measure(int(rng.integers(4)), step // 12)
            circuit.reset(int(rng.integers(4)))
    circuit.measure(range(4), range(2, 6))
    return circuit


def fed_back(*, turn: str) -> QuantumCircuit:
    circuit = QuantumCircuit(QuantumRegister(3, "q"), ClassicalRegister(1, "m"), ClassicalRegister(3, "c"))
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.cregs[0], 1)) as otherwise:
        getattr(circuit, turn)(2)
        circuit.cx(2, 1)
    with otherwise:
        circuit.h(1)
    circuit.measure(range(3), range(1, 4))
    return circuit


CIRCUITS = {
    "clifford": (random(1, ["h", "s", "sx", "cx", "cz", "swap", "ecr", "y"]), (*CLIFFORD, "qsim")),
    "clifford, measured and reset": (random(2, ["h", "s", "sxdg", "cx", "cz"], middle=True), CLIFFORD),
    "any gates": (random(3, ["h", "t", "rx", "u", "cx", "cp", "ccx"]), IDEAL),
    "any gates, measured and reset": (random(4, ["h", "t", "rx", "u", "cx", "cp", "ccx"], middle=True), ANY),
    "clifford, fed back": (fed_back(turn="h"), (*ANY, "stabilizer")),
    "any gates, fed back": (fed_back(turn="t"), ANY),
}
CASES = [(name, method) for name, (_, methods) in CIRCUITS.items() for method in methods]
MODELS = {"": None, "pauli": PAULI, "decay": DECAY, "slow phase": SLOW_PHASE}


@cache
def exact(name: str, noise: str) -> dict[str, float]:
    """The distribution that all methods are compared with; it takes longer than any of them."""
    return distribution(CIRCUITS[name][0], MODELS[noise])


@pytest.mark.parametrize(("name", "method"), CASES)
def test_ideal(name: str, method: str) -> None:
    assert surprise(sampled(method, CIRCUITS[name][0]), exact(name, "")) > ALARM


NOISY = [
    (name, method, noise)
    for name, method in CASES
    if method != "qsim"
    if "ccx" not in CIRCUITS[name][0].count_ops()
    for noise in (["pauli"] if method in ("stabilizer", "stim") else ["pauli", "decay", "slow phase"])
]


@pytest.mark.parametrize(("name", "method", "noise"), NOISY)
def test_noisy(name: str, method: str, noise: str) -> None:
    assert surprise(sampled(method, CIRCUITS[name][0], noise=MODELS[noise]), exact(name, noise)) > ALARM


def test_the_test_sees_a_wrong_engine() -> None:
    """One gate more, one noise less: of such mistakes it must not think well."""
    circuit, _ = CIRCUITS["clifford"]
    assert surprise(sampled("stim", circuit), distribution(circuit, PAULI)) < ALARM
    more = circuit.copy_empty_like()
    more.s(0)
    more.h(0)
    more.compose(circuit, inplace=True)
    assert surprise(sampled("statevector", more), distribution(circuit)) < ALARM


@pytest.mark.parametrize(
    ("method", "noise"), [*((method, noise) for method in CLIFFORD for noise in (None, PAULI)), ("qsim", None)]
)
def test_the_same_seed_gives_the_same_bits(method: str, noise: NoiseModel | None) -> None:
    circuit, _ = CIRCUITS["clifford"]
    first = sampled(method, circuit, shots=200, noise=noise)
    assert sampled(method, circuit, shots=200, noise=noise) == first
    assert sampled(method, circuit, shots=200, noise=noise, seed=2) != first


def test_stim_unpacks_many_shots_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit, _ = CIRCUITS["clifford, measured and reset"]
    monkeypatch.setattr("quantumjob_worker.engines.stim.BITS", 1000)
    assert surprise(sampled("stim", circuit, noise=PAULI), distribution(circuit, PAULI)) > ALARM


def test_wide_clifford_circuits() -> None:
    """GHZ on a thousand qubits: all equal."""
    circuit = QuantumCircuit(1000, 1000)
    circuit.h(0)
    for qubit in range(999):
        circuit.cx(qubit, qubit + 1)
    circuit.measure(range(1000), range(1000))
    counts = sampled("stim", circuit, shots=1000)
    assert set(counts) == {"0" * 1000, "1" * 1000}
    assert surprise(counts, {"0" * 1000: 0.5, "1" * 1000: 0.5}) > ALARM


def task(**changes: Any) -> Task:
    given: dict[str, Any] = {"index": 0, "name": "p", "format": "QPY", "shots": SHOTS, "seed": 3, "threads": 1}
    return Task(**given | {"memory": MEMORY, "parse_seconds": 60} | changes)


def simulated(circuit: QuantumCircuit, **changes: Any) -> tuple[PubMetadata, dict[str, Register]]:
    return sampler.sample(normalize.normalize(circuit.copy()), task(**changes), PubMetadata(3, SHOTS))


def entangled(qubits: int) -> QuantumCircuit:
    """Deep, on random pairs; three of its qubits are measured."""
    rng = np.random.default_rng(qubits)
    circuit = QuantumCircuit(qubits, 3)
    for _ in range(8):
        for qubit in range(qubits):
            circuit.u(*rng.uniform(0, 2 * math.pi, 3), qubit)
        order = [int(qubit) for qubit in rng.permutation(qubits)]
        for pair in zip(order[::2], order[1::2], strict=False):
            circuit.cx(*pair)
    circuit.measure([5, 0, 12], [0, 1, 2])
    return circuit


def test_single_precision_is_for_whoever_asks_for_it() -> None:
    double, _ = simulated(entangled(14))
    single, registers_ = simulated(entangled(14), amplitudes="single")
    assert (double.engine.split()[0], double.precision) == ("aer", "double")
    assert (single.engine.split()[0], single.method, single.precision) == ("qsim", "statevector", "single")
    exact = Statevector(entangled(14).remove_final_measurements(inplace=False)).probabilities_dict([5, 0, 12])
    assert surprise(counts(registers_["c"]), exact) > ALARM
    assert simulated(entangled(14), amplitudes="single", threads=2)[1] == registers_, "however many threads"


@pytest.mark.parametrize(
    "change",
    [
        lambda circuit: circuit.reset(0),
        lambda circuit: circuit.measure(0, 0),
        lambda circuit: circuit.initialize([0, 1], 0),
        lambda circuit: circuit.mcx([0, 1, 2, 3], 4),
    ],
)
def test_what_is_not_for_qsim_runs_as_ever(change: Callable[[QuantumCircuit], object]) -> None:
    circuit = entangled(14)
    change(circuit)
    circuit.measure([5, 0, 12], [0, 1, 2])
    metadata, _ = simulated(circuit, amplitudes="single", shots=20)
    assert (metadata.engine.split()[0], metadata.precision) == ("aer", "double")


def test_gates_of_up_to_four_qubits_and_bits_that_are_measured_twice() -> None:
    circuit = QuantumCircuit(5, 9)
    circuit.h(range(5))
    circuit.append(PauliGate("XYZ"), [4, 0, 2])
    circuit.append(DiagonalGate([1, 1j, -1, 1j, 1, 1, 1, -1j]), [3, 1, 0])
    circuit.mcx([0, 1, 2], 3)
    circuit.append(UnitaryGate(random_unitary(16, seed=1)), [4, 2, 0, 1])
    circuit.rz(0.3, 0)
    circuit.h(range(5))
    circuit.measure([0, 1, 2, 3, 4], [8, 0, 3, 1, 3])
    assert surprise(sampled("qsim", circuit), distribution(circuit)) > ALARM


def test_a_sweep_in_single_precision_is_of_one_engine() -> None:
    """Also where its first point is a Clifford circuit, which stim would take."""
    circuit = QuantumCircuit(14, 3)
    angle = Parameter("t")
    for step in range(14):
        circuit.ry(angle, step)
        circuit.cx(step, (5 * step + 3) % 14) if (5 * step + 3) % 14 != step else circuit.h(step)
    circuit.measure([5, 0, 12], [0, 1, 2])
    values = [0.0, 0.7, 1.9]
    about = msgspec.structs.replace(task(amplitudes="single", seed=5), parameter_values={"t": values})
    report = child.run(about, dumped(circuit))
    assert report.result.error is None, report.trace
    assert (report.result.metadata.engine.split()[0], report.result.metadata.precision) == ("qsim", "single")
    register = (report.result.data or {})["c"]
    raw = np.frombuffer(base64.b64decode(register.samples), np.uint8).reshape(3, SHOTS)
    for value, shots in zip(values, raw, strict=True):
        pure = circuit.assign_parameters({angle: value}).remove_final_measurements(inplace=False)
        exact = Statevector(pure).probabilities_dict([5, 0, 12])
        assert surprise(Counter(f"{shot:03b}" for shot in shots.tolist()), exact) > ALARM


def test_a_package_that_is_for_another_machine_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qsim, "EXTENSION_SUFFIXES", [".of-another.so"])
    assert qsim.installed() == []
    monkeypatch.setattr(qsim, "PACKAGE", "no_such_package")
    assert qsim.installed() == []


def test_a_trial_that_fails_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its beginning shows it, though Aer leaves out of that what no measurement would show."""
    ran: list[tuple[str, int]] = []
    run = aer._run

    def noted(circuit: QuantumCircuit, method: str, *rest: Any, **options: Any) -> Any:
        ran.append((method, circuit.size()))
        return run(circuit, method, *rest, **options)

    monkeypatch.setattr(aer, "_run", noted)
    rng = np.random.default_rng(5)
    circuit = QuantumCircuit(12)
    for _ in range(24):
        for qubit in circuit.qubits:
            circuit.u(*rng.uniform(0, math.tau, 3), qubit)
        order = rng.permutation(12).tolist()
        for pair in zip(order[::2], order[1::2], strict=True):
            circuit.cx(*pair)
    circuit.measure_all()
    plan = Plan("aer", "matrix_product_state", Why.FASTEST, bond_limit=16, fallback="statevector")
    sampled = engines()["aer"].sample(circuit, plan, Run(shots=100, seed=1, threads=1, memory=1 << 30))
    assert sampled.method == "statevector"
    (trial, beginning), (method, whole) = ran
    assert (trial, method) == ("matrix_product_state", "statevector")
    assert beginning < whole / 4
