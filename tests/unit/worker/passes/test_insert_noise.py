"""Noise against what is worked out by hand; where it strikes and where it does not."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from engine_runs import sampled
from exact import ALARM, surprise
from qiskit import QuantumCircuit
from worker_tasks import HEAD2, HEAD3, error, run, task

from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.backend import (
    Depolarizing,
    NoiseModel,
    QubitNoise,
    Readout,
    Relaxation,
    decode_model,
)
from quantumjob_contract.schema.results import Why
from quantumjob_worker import child
from quantumjob_worker.errors import PubFailed
from quantumjob_worker.inputs import noise_model
from quantumjob_worker.isolation.runner import Runner
from quantumjob_worker.passes import normalize
from quantumjob_worker.passes.insert_noise import NoiseChannels

METHODS = ["statevector", "density_matrix", "matrix_product_state"]
PAULI_METHODS = [*METHODS, "stabilizer", "stim"]


def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


def one(*gates: str) -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1)
    for gate in gates:
        getattr(circuit, gate)(0)
    circuit.measure(0, 0)
    return circuit


@pytest.mark.parametrize("method", PAULI_METHODS)
def test_a_depolarized_bell_pair(method: str) -> None:
    """With probability p the pair is replaced by the mixed state, in which all four outcomes are alike."""
    p = 0.3
    even, odd = (1 - p) / 2 + p / 4, p / 4
    model = NoiseModel(depolarizing=Depolarizing(two_qubit=p))
    exact = {"00": even, "11": even, "01": odd, "10": odd}
    assert surprise(sampled(method, bell(), noise=model), exact) > ALARM


@pytest.mark.parametrize("method", PAULI_METHODS)
def test_each_gate_on_one_qubit_strikes_once(method: str) -> None:
    """Three flips: it is 1 where no gate was struck, and else one half."""
    p = 0.2
    kept = (1 - p) ** 3
    model = NoiseModel(depolarizing=Depolarizing(one_qubit=p))
    exact = {"1": kept + (1 - kept) / 2, "0": (1 - kept) / 2}
    assert surprise(sampled(method, one("x", "x", "x"), noise=model), exact) > ALARM


@pytest.mark.parametrize("method", PAULI_METHODS)
def test_readout_errors(method: str) -> None:
    model = NoiseModel(readout=Readout(prob_meas1_prep0=0.1, prob_meas0_prep1=0.3))
    assert surprise(sampled(method, one(), noise=model), {"0": 0.9, "1": 0.1}) > ALARM
    assert surprise(sampled(method, one("x"), noise=model), {"0": 0.3, "1": 0.7}) > ALARM
    equal, flipped = (0.9 * 0.9 + 0.3 * 0.3) / 2, (0.1 * 0.1 + 0.7 * 0.7) / 2
    mixed = (0.9 * 0.1 + 0.3 * 0.7) / 2
    exact = {"00": equal, "11": flipped, "01": mixed, "10": mixed}
    assert surprise(sampled(method, bell(), noise=model), exact) > ALARM


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("t2", [50, 100, 180])
def test_a_qubit_decays_by_t1_in_gates_delays_and_measurements(method: str, t2: float) -> None:
    model = NoiseModel(relaxation=Relaxation(100, t2, one_qubit_nanoseconds=20, measure_nanoseconds=30))
    circuit = QuantumCircuit(1, 1)
    circuit.x(0)
    circuit.delay(50, 0, unit="ns")
    circuit.measure(0, 0)
    excited = math.exp(-(20 + 50 + 30) / 100)
    assert surprise(sampled(method, circuit, noise=model), {"1": excited, "0": 1 - excited}) > ALARM


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("t2", [50, 180])
def test_a_phase_decays_by_t2(method: str, t2: float) -> None:
    model = NoiseModel(relaxation=Relaxation(100, t2, one_qubit_nanoseconds=0))
    circuit = QuantumCircuit(1, 1)
    circuit.h(0)
    circuit.delay(0.04, 0, unit="us")
    circuit.h(0)
    circuit.measure(0, 0)
    plus = (1 + math.exp(-40 / t2)) / 2
    assert surprise(sampled(method, circuit, noise=model), {"0": plus, "1": 1 - plus}) > ALARM


def test_a_qubit_that_waits_for_others_does_not_decay() -> None:
    model = NoiseModel(relaxation=Relaxation(1, 1, two_qubit_nanoseconds=1000))
    circuit = QuantumCircuit(3, 3)
    circuit.x(range(3))
    circuit.cz(0, 1)
    circuit.measure(range(3), range(3))
    assert set(sampled("density_matrix", circuit, noise=model, shots=100)) == {"100"}


def struck(source: str | QuantumCircuit, model: NoiseModel) -> int:
    from quantumjob_worker import loaders

    errors = NoiseChannels(model)
    circuit = loaders.load("OpenQASM3", (HEAD3 + source).encode()) if isinstance(source, str) else source
    return sum(part.name == "qerror_loc" for part in normalize.instructions(normalize.normalize(circuit, errors)))


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("h q[0];", 1),
        ("u2(0, pi) q[0];", 1),
        ("U(0, 0, 0) q[0];", 1),
        ("gate own a, b { h a; cx a, b; } own q[0], q[1];", 2),
        ("gate h2 a { h a; h a; } h2 q[0];", 2),
        ("ccx q[0], q[1], q[2];", 15),
        ("swap q[0], q[1];", 1),
        ("barrier q; reset q[0];", 0),
        ("delay[1ns] q[0];", 0),
        ("for int i in [0:3] { x q[0]; }", 4),
        ("b[0] = measure q[0]; if (b[0]) { x q[1]; cx q[0], q[1]; }", 2),
    ],
)
def test_gates_count_as_the_program_writes_them(text: str, places: int) -> None:
    model = NoiseModel(depolarizing=Depolarizing(0.1, 0.1))
    assert struck(f"qubit[3] q; bit[3] b; {text} b = measure q;", model) == places


def test_own_figures_of_qubits_and_pairs() -> None:
    """By the qubit's index in the program, also where qubits that nothing touches are left out."""
    model = NoiseModel(
        depolarizing=Depolarizing(0.0, 0.0),
        readout=Readout(0.0, 0.0),
        qubits={"2": QubitNoise(readout=Readout(1.0, 1.0)), "3": QubitNoise(depolarizing=1.0)},
        pairs={"5-4": 1.0},
    )
    circuit = QuantumCircuit(6, 3)
    circuit.x([1, 2])
    circuit.measure([1, 2], [0, 1])
    circuit.x(3)
    circuit.measure(3, 2)
    for method in PAULI_METHODS:
        assert surprise(sampled(method, circuit, noise=model), {"001": 0.5, "101": 0.5}) > ALARM
    pair = QuantumCircuit(6, 2)
    pair.cz(4, 5)
    pair.cz(0, 1)
    pair.measure([4, 0], [0, 1])
    assert surprise(sampled("density_matrix", pair, noise=model), {"00": 0.5, "01": 0.5}) > ALARM


def test_own_t1_of_a_qubit() -> None:
    model = NoiseModel(
        relaxation=Relaxation(1e9, 1e9, one_qubit_nanoseconds=100),
        qubits={"1": QubitNoise(t1_nanoseconds=100, t2_nanoseconds=100)},
    )
    circuit = QuantumCircuit(2, 2)
    circuit.x([0, 1])
    circuit.measure([0, 1], [0, 1])
    excited = math.exp(-1)
    assert surprise(sampled("statevector", circuit, noise=model), {"11": excited, "01": 1 - excited}) > ALARM


def test_noise_through_the_child() -> None:
    model = NoiseModel(depolarizing=Depolarizing(0.1, 0.1))
    source = f"{HEAD2}qreg q[2]; creg c[2]; ry(1) q[0]; cx q[0],q[1]; measure q->c;".encode()
    report = child.run(msgspec.structs.replace(task(), noise=model), source)
    metadata = report.result.metadata
    assert (metadata.engine.split()[0], metadata.method, metadata.why) == ("aer", "density_matrix", Why.FASTEST)
    again = child.run(msgspec.structs.replace(task(), noise=model), source)
    assert again.result == report.result


def test_a_delay_without_a_length_in_seconds() -> None:
    model = NoiseModel(relaxation=Relaxation(100, 100))
    source = f"{HEAD3}qubit q; bit b; delay[10dt] q; b = measure q;".encode()
    found = child.run(msgspec.structs.replace(task("OpenQASM3"), noise=model), source).result.error
    assert found is not None
    assert found.reason == PubReason.INVALID_CIRCUIT
    assert "dt" in found.message
    assert run(source, "OpenQASM3").result.error is None


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('{"version": 2}', "version"),
        ('{"depolarizing": {"oneQubit": 1.5}}', "1.0"),
        ('{"depolarizing": {"oneQubit": NaN}}', None),
        ('{"crosstalk": 1}', "crosstalk"),
        ('{"qubits": {"x": {}}}', "qubits"),
        ('{"qubits": {"01": {}}}', "qubits"),
        ('{"qubits": {"99999999999": {}}}', "qubits"),
        ('{"pairs": {"0-0": 0.1}}', "pairs"),
        ('{"pairs": {"0": 0.1}}', "pairs"),
        ('{"qubits": {"0": {"t1Nanoseconds": 5}}}', "relaxation"),
        ('{"relaxation": {"t1Nanoseconds": 10, "t2Nanoseconds": 21}}', "twice"),
        (
            '{"relaxation": {"t1Nanoseconds": 10, "t2Nanoseconds": 10}, "qubits": {"0": {"t2Nanoseconds": 30}}}',
            "twice",
        ),
        ("[]", None),
        ("{", None),
    ],
)
def test_models_that_cannot_be(text: str, wrong: str | None) -> None:
    with pytest.raises(ValueError, match=wrong):
        decode_model(text.encode())


def test_the_model_of_the_documentation() -> None:
    from pathlib import Path

    text = (Path(__file__).parents[4] / "docs/noise.md").read_text()
    example = text.split("```json\n")[1].split("```")[0]
    model = decode_model(example.encode())
    assert model.relaxation is not None
    assert model.qubits
    assert model.pairs


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"method": "stabilizer"}, PubReason.METHOD_UNSUITABLE),
        ({"method": "density_matrix", "memory": 1 << 12}, PubReason.MEMORY_LIMIT),
        ({"method": "statevector", "seconds_left": 0.0}, PubReason.DEADLINE_EXCEEDED),
    ],
)
def test_a_pub_is_refused_before_it_runs(change: dict[str, Any], reason: PubReason) -> None:
    gates = "".join(f"ry(1.{at}) q[{at}];" for at in range(8))
    source = f"{HEAD2}qreg q[8]; creg c[8]; {gates} measure q->c;".encode()
    found = child.run(msgspec.structs.replace(task(), **change), source).result.error
    assert found is not None
    assert found.reason == reason
    assert error(HEAD2 + "qreg q[1]; creg c[1];").reason == PubReason.NO_MEASUREMENT


@pytest.mark.parametrize("t2", [50, 150])
def test_noise_in_a_child_behind_shut_doors(runner: Runner, t2: float) -> None:
    """T2 above T1 takes a library that is loaded only there."""
    model = NoiseModel(depolarizing=Depolarizing(0.1, 0.1), relaxation=Relaxation(100, t2, 20, 20))
    noisy = msgspec.structs.replace(task(memory=runner.memory), noise=model)
    source = f"{HEAD2}qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q->c;".encode()
    report, end = runner.run(noisy, source, 60, lambda: None)
    assert report is not None, end
    assert report.result.error is None, report.trace
    again, _ = runner.run(noisy, source, 60, lambda: None)
    assert again is not None
    assert again.result == report.result


def test_stim_in_a_child_behind_shut_doors(runner: Runner) -> None:
    gates = " ".join(f"cx q[{at}],q[{at + 1}];" for at in range(999))
    source = f"{HEAD2}qreg q[1000]; creg c[1000]; h q[0]; {gates} measure q->c;".encode()
    report, end = runner.run(task(memory=runner.memory), source, 60, lambda: None)
    assert report is not None, end
    assert report.result.metadata.engine.startswith("stim "), report.result.error
    assert report.result.metadata.why == Why.CLIFFORD


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'{"version": 1, "secret-of-mine": 1}', "does not match the schema"),
        (b'{"version": 1, "readout": {"zeroAsOne": "secret-of-mine"}}', "does not match the schema"),
        (b'{"version": 1, "qubits": {"secret-of-mine": {}}}', "a key of qubits is not the index of a qubit"),
    ],
)
def test_what_is_wrong_with_a_noise_model_is_told_without_quoting_it(data: bytes, told: str) -> None:
    with pytest.raises(PubFailed, match=told) as failed:
        noise_model.decoded(data)
    assert "secret" not in failed.value.error.message
