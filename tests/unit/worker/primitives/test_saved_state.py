"""Arrays of the state at a circuit's end: Qiskit's own numbers, and what is refused."""

from __future__ import annotations

import io
import math
from typing import Any

import msgspec
import numpy as np
import pytest
from exact import ending
from examples import thorough
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from qiskit import QuantumCircuit, qasm3
from qiskit.circuit import Parameter
from qiskit.circuit.library import UnitaryGate
from qiskit.circuit.library.standard_gates import get_standard_gate_name_mapping
from qiskit.quantum_info import DensityMatrix, Statevector, random_unitary
from random_pubs import Draw, Drawn, dumped, estimator_pubs
from worker_tasks import HEAD3, counts, task

from quantumjob_contract import limits
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.backend import Depolarizing, NoiseModel, Readout, Relaxation
from quantumjob_contract.schema.program import Format
from quantumjob_contract.schema.results import PubError, PubResult
from quantumjob_contract.schema.saved_arrays import KINDS, Save
from quantumjob_worker import child, ipc
from quantumjob_worker.passes import final_measurements

ALL: tuple[Save, ...] = tuple(KINDS)
MIXED: tuple[Save, ...] = ("DensityMatrix", "Probabilities")
NOISE = NoiseModel(
    depolarizing=Depolarizing(0.1, 0.2),
    readout=Readout(0.1, 0.1),
    relaxation=Relaxation(1000.0, 800.0, 35.0, 300.0, 900.0),
)
GATES = {
    name: gate for name, gate in get_standard_gate_name_mapping().items() if name not in {"measure", "reset", "delay"}
}
NAMES = tuple(sorted(GATES))


def report(data: bytes | str, form: Format = "QPY", save: tuple[Save, ...] = ALL, **more: Any) -> ipc.PubReport:
    found = msgspec.structs.replace(task(form), save=list(save), **more)
    return child.run(found, data.encode() if isinstance(data, str) else data)


def ran(
    data: bytes | str, form: Format = "QPY", save: tuple[Save, ...] = ALL, **more: Any
) -> tuple[PubResult, dict[str, NDArray[Any]]]:
    """The result, and the arrays by name."""
    found = report(data, form, save, **more)
    assert found.result.error is None, (found.result.error, found.trace)
    arrays = {
        name: np.load(io.BytesIO(file), allow_pickle=False)
        for name, file in zip(found.result.arrays, found.arrays, strict=True)
    }
    for name, array in arrays.items():
        assert (list(array.shape), array.dtype.str) == (
            found.result.arrays[name].shape,
            found.result.arrays[name].dtype,
        )
    return found.result, arrays


def refused(data: bytes | str, form: Format = "OpenQASM3", save: tuple[Save, ...] = ALL, **more: Any) -> PubError:
    found = report(data, form, save, **more)
    assert found.arrays == []
    assert found.result.arrays == {}
    assert found.result.error is not None
    return found.result.error


def is_state(arrays: dict[str, NDArray[Any]], circuit: QuantumCircuit) -> None:
    state = Statevector(circuit)
    assert np.allclose(arrays["statevector"], state.data, rtol=0, atol=1e-10)
    assert np.allclose(arrays["density_matrix"], DensityMatrix(circuit).data, rtol=0, atol=1e-10)
    assert np.allclose(arrays["probabilities"], state.probabilities(), rtol=0, atol=1e-10)


@st.composite
def gates(draw: Draw, names: tuple[str, ...] = NAMES, *, nested: bool = True) -> QuantumCircuit:
    """A circuit of standard gates, and of gates of its own with phases of their own."""
    circuit = QuantumCircuit(draw(st.integers(1, 4)), global_phase=draw(st.floats(-4, 4)))
    fitting = [name for name in names if GATES[name].num_qubits <= circuit.num_qubits]
    for name in draw(st.lists(st.sampled_from(fitting), min_size=1, max_size=6)):
        gate = GATES[name].to_mutable()
        gate.params = [draw(st.floats(-4, 4)) for _ in gate.params]
        qubits = draw(st.permutations(range(circuit.num_qubits)))
        circuit.append(gate, qubits[: gate.num_qubits])
    if nested:
        inner = draw(gates(names, nested=False))
        gate = inner.to_gate(label="own")
        if inner.num_qubits < circuit.num_qubits:
            outer = QuantumCircuit(inner.num_qubits)
            outer.append(gate, outer.qubits)
            gate = outer.to_gate().control(annotated=draw(st.booleans()))
        if gate.num_qubits <= circuit.num_qubits:
            circuit.append(gate, draw(st.permutations(range(circuit.num_qubits)))[: gate.num_qubits])
    return circuit


@thorough(20)
@given(gates())
def test_the_state_is_qiskit_s_with_its_global_phase(circuit: QuantumCircuit) -> None:
    found, arrays = ran(dumped(circuit))
    is_state(arrays, circuit.decompose("annotated", reps=2))
    assert found.data == {}
    assert (found.metadata.method, found.metadata.why) == ("statevector", "Saved")


@thorough(20)
@given(gates(tuple(name for name in NAMES if name != "global_phase")))
def test_the_state_of_a_circuit_in_openqasm_3(circuit: QuantumCircuit) -> None:
    """Qiskit's exporter does not know how to write the gate `global_phase`, but the phase of a circuit."""
    text = qasm3.dumps(circuit.decompose("annotated", reps=2))
    is_state(ran(text, "OpenQASM3")[1], qasm3.loads(text))


@thorough(20)
@given(estimator_pubs())
def test_a_sweep_has_the_state_at_each_point(pub: tuple[Drawn, Any]) -> None:
    drawn = pub[0]
    _, arrays = ran(dumped(drawn.circuit), parameter_values=drawn.values)
    at = {
        name: value
        for names, array in drawn.bindings.items()
        for name, value in zip(names, _last(names, array, drawn), strict=True)
    }
    for point in np.ndindex(drawn.shape):
        assigned = drawn.circuit.assign_parameters({name: float(value[point]) for name, value in at.items()})
        is_state({name: array[point] for name, array in arrays.items()}, assigned)
    assert arrays["statevector"].shape == (*drawn.shape, 2**drawn.circuit.num_qubits)


def _last(names: tuple[str, ...], array: NDArray[Any], drawn: Drawn) -> list[NDArray[Any]]:
    if len(names) == 1 and array.shape == drawn.shape:
        return [array]
    return [array[..., place] for place in range(len(names))]


def test_a_global_phase_that_is_a_parameter() -> None:
    angle = Parameter("angle")
    circuit = QuantumCircuit(1, global_phase=angle / 2)
    circuit.h(0)
    _, arrays = ran(dumped(circuit), parameter_values={"angle": [0.1, 0.4]})
    for state, value in zip(arrays["statevector"], (0.1, 0.4), strict=True):
        assert np.allclose(state, np.exp(0.5j * value) * np.sqrt([0.5, 0.5]))
    text = HEAD3 + "input float turn; qubit q; gphase(turn); for int i in [0:1] {gphase(0.1);}"
    assert np.allclose(ran(text, "OpenQASM3", parameter_values={"turn": 0.3})[1]["statevector"], [np.exp(0.5j), 0])


@pytest.mark.parametrize("phase", [math.nan, math.inf])
def test_a_global_phase_that_is_no_number_is_refused(phase: float) -> None:
    circuit = QuantumCircuit(1, global_phase=phase)
    circuit.h(0)
    assert refused(dumped(circuit), "QPY").reason == PubReason.INVALID_CIRCUIT
    angle = Parameter("angle")
    swept = QuantumCircuit(1, global_phase=1 / angle)
    swept.h(0)
    found = refused(dumped(swept), "QPY", parameter_values={"angle": [1.0, 0.0]})
    assert found.reason == PubReason.INVALID_CIRCUIT


def test_a_loop_that_is_unrolled_is_a_state() -> None:
    text = HEAD3 + "qubit[3] q; for int i in [0:2] {rx(i*pi) q[i];} box {x q[2];}"
    _, arrays = ran(text, "OpenQASM3")
    assert np.allclose(np.abs(arrays["statevector"][0b110]), 1)


def test_samples_are_the_same_with_and_without() -> None:
    text = HEAD3 + "qubit[3] q; bit[2] c; h q[0]; cx q[0], q[1]; c = measure q[0:1];"
    found, arrays = ran(text, "OpenQASM3")
    assert found.data is not None
    assert {name: register.counts for name, register in found.data.items()} == counts(text, "OpenQASM3")
    assert arrays["probabilities"].shape == (8,)
    assert np.allclose(arrays["statevector"][[0b000, 0b011]], math.sqrt(0.5))


@st.composite
def channels(draw: Draw) -> QuantumCircuit:
    """Gates, and measurements and resets on the way, on whose outcomes nothing depends."""
    circuit = QuantumCircuit(draw(st.integers(1, 3)), 3)
    for _ in range(draw(st.integers(1, 8))):
        qubits = draw(st.permutations(range(circuit.num_qubits)))
        kind = draw(st.sampled_from(["h", "rx", "cx", "measure", "reset", "unitary"]))
        if kind == "cx" and len(qubits) > 1:
            circuit.cx(*qubits[:2])
        elif kind == "rx":
            circuit.rx(draw(st.floats(-4, 4)), qubits[0])
        elif kind == "measure":
            circuit.measure(qubits[0], draw(st.integers(0, 2)))
        elif kind == "reset":
            circuit.reset(qubits[0])
        elif kind == "unitary":
            circuit.append(UnitaryGate(random_unitary(2, seed=draw(st.integers(0, 99)))), qubits[:1])
        else:
            circuit.h(qubits[0])
    circuit.h(range(circuit.num_qubits))
    return circuit


@thorough(20)
@given(channels(), st.sampled_from([None, NOISE]))
def test_what_is_measured_reset_or_noisy_is_an_exact_density_matrix(
    circuit: QuantumCircuit, noise: NoiseModel | None
) -> None:
    found, arrays = ran(dumped(circuit), save=MIXED, noise=noise)
    wanted = ending(circuit, noise)
    assert np.allclose(arrays["density_matrix"], wanted.data, rtol=0, atol=1e-10)
    assert np.allclose(arrays["probabilities"], wanted.probabilities(), rtol=0, atol=1e-10)
    assert {array.shots for array in found.arrays.values()} == {0}


def test_noise_at_each_point_of_a_sweep() -> None:
    text = HEAD3 + "input float a; qubit[2] q; bit[2] c; rx(a) q[0]; cx q[0], q[1]; c = measure q;"
    _, arrays = ran(text, "OpenQASM3", MIXED, parameter_values={"a": [0.3, 0.9]}, noise=NOISE)
    for point, angle in enumerate((0.3, 0.9)):
        circuit = QuantumCircuit(2)
        circuit.rx(angle, 0)
        circuit.cx(0, 1)
        assert np.allclose(arrays["density_matrix"][point], ending(circuit, NOISE).data, rtol=0, atol=1e-10)


def test_noise_of_the_readout_alone_leaves_the_state_pure() -> None:
    text = HEAD3 + "qubit q; bit c; h q; c = measure q;"
    found, arrays = ran(text, "OpenQASM3", noise=NoiseModel(readout=Readout(0.5, 0.5)))
    assert np.allclose(arrays["statevector"], math.sqrt(0.5))
    assert found.arrays["statevector"].method == "statevector"


def test_what_depends_on_a_measurement_is_a_mean_over_the_shots() -> None:
    text = HEAD3 + "qubit[2] q; bit c; h q[0]; c = measure q[0]; if (c) {x q[1];} c = measure q[1];"
    found, arrays = ran(text, "OpenQASM3", MIXED, shots=1000)
    assert {array.shots for array in found.arrays.values()} == {1000}
    assert np.allclose(arrays["probabilities"], [0.5, 0, 0, 0.5], atol=0.1)
    assert np.allclose(arrays["density_matrix"], np.diag(arrays["probabilities"]))


def test_a_measurement_is_not_final_where_a_store_may_read_it() -> None:
    """It names no bits."""
    circuit = QuantumCircuit(1, 1)
    flag = circuit.add_var("flag", False)
    circuit.measure(0, 0)
    assert final_measurements.final_measurements(circuit) == [False, True]
    circuit.store(flag, circuit.clbits[0])
    assert final_measurements.final_measurements(circuit) == [False, False, False]


@pytest.mark.parametrize(
    "text",
    [
        "qubit[2] q; bit c; h q[0]; c = measure q[0]; h q[0];",
        "qubit q; h q; reset q;",
        "qubit q; bit c; c = measure q; reset q;",
        "qubit q; bit c; c = measure q; if (c) {x q;}",
        "qubit q; bit c; for int i in [0:3] {x q; if (c) {break;}}",
    ],
)
def test_what_is_no_state_has_no_statevector(text: str) -> None:
    assert refused(HEAD3 + text).reason == PubReason.NOT_PURE
    assert refused(HEAD3 + text, save=("Statevector",)).reason == PubReason.NOT_PURE


def test_noise_has_no_statevector() -> None:
    text = HEAD3 + "qubit q; bit c; h q; c = measure q;"
    assert refused(text, noise=NOISE).reason == PubReason.NOT_PURE


def test_a_preparation_on_the_way_is_no_gate() -> None:
    pure, mixed = QuantumCircuit(2), QuantumCircuit(2)
    pure.initialize("1", [0])
    pure.cx(0, 1)
    assert np.allclose(np.abs(ran(dumped(pure))[1]["statevector"]), [0, 0, 0, 1])
    mixed.h(0)
    mixed.cx(0, 1)
    mixed.initialize("0", [0])
    assert refused(dumped(mixed), "QPY").reason == PubReason.NOT_PURE
    assert np.allclose(ran(dumped(mixed), save=MIXED)[1]["probabilities"], [0.5, 0, 0.5, 0])


@pytest.mark.parametrize(
    ("width", "save", "needed"),
    [(23, "Statevector", "128 MiB"), (24, "Probabilities", "128 MiB"), (12, "DensityMatrix", "256 MiB")],
)
def test_arrays_above_the_limit_are_refused_with_both_figures(width: int, save: Save, needed: str) -> None:
    found = refused(HEAD3 + f"qubit[{width}] q; h q;", save=(save,))
    assert found.reason == PubReason.RESULT_TOO_LARGE
    assert needed in found.message
    assert f"{limits.MAX_SAVED_BYTES >> 20} MiB" in found.message


def test_a_sweep_counts_at_all_of_its_points() -> None:
    text = HEAD3 + "input float a; qubit[21] q; rx(a) q[0];"
    found = refused(text, save=("Statevector",), parameter_values={"a": [0.1, 0.2, 0.3]})
    assert found.reason == PubReason.RESULT_TOO_LARGE
    assert "at 3 points would be 96 MiB" in found.message


def test_a_density_matrix_that_does_not_fit_is_refused_with_both_figures() -> None:
    found = refused(HEAD3 + "qubit[14] q; h q; reset q;", save=("Probabilities",))
    assert found.reason == PubReason.MEMORY_LIMIT
    assert "needs 8193 MiB" in found.message
    assert "leaves 896 MiB" in found.message


def test_a_run_that_cannot_end_in_time_is_refused() -> None:
    text = HEAD3 + "qubit[11] q; bit c; while (!c) {h q; c = measure q[0];}"
    found = refused(text, save=("Probabilities",), shots=100_000, seconds_left=1.0)
    assert found.reason == PubReason.DEADLINE_EXCEEDED


def test_a_register_of_an_array_s_name_is_refused() -> None:
    text = HEAD3 + "qubit q; bit statevector; statevector = measure q;"
    assert refused(text).reason == PubReason.INVALID_CIRCUIT
    assert ran(text, "OpenQASM3", MIXED)[0].data is not None


def test_two_attempts_give_the_same_bytes() -> None:
    text = HEAD3 + "qubit[4] q; bit c; h q; c = measure q[0]; if (c) {x q[1];} ry(0.3) q;"

    def files() -> list[bytes]:
        return [bytes(file) for file in report(text, "OpenQASM3", MIXED).arrays]

    assert files() == files()


def test_a_nested_phase_under_a_lazy_control() -> None:
    """It is a phase between the two values of the control, so that samples depend on it."""
    inner = QuantumCircuit(1, global_phase=math.pi / 2)
    outer = QuantumCircuit(1)
    outer.append(inner.to_gate(), [0])
    circuit = QuantumCircuit(2, 1)
    circuit.h(0)
    circuit.append(outer.to_gate().control(annotated=True), [0, 1])
    circuit.sdg(0)
    circuit.h(0)
    circuit.measure(0, 0)
    assert counts(dumped(circuit), "QPY") == {"c": {"0": 100}}


def test_a_child_sends_its_arrays_after_its_report(runner: Any) -> None:
    found = msgspec.structs.replace(task("OpenQASM3", memory=runner.memory), save=list(ALL))
    text = HEAD3 + "qubit[12] q; h q;"
    for save, size in ((("Statevector",), 1 << 16), (("Statevector", "Probabilities"), 1 << 16)):
        wanted = msgspec.structs.replace(found, save=list(save))
        told, _ = runner.run(wanted, text.encode(), 60.0, lambda: None)
        here = child.run(wanted, text.encode())
        assert told.result == here.result
        assert [bytes(file) for file in told.arrays] == [bytes(file) for file in here.arrays]
        assert len(told.arrays[0]) > size
