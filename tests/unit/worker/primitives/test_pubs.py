"""Pubs as Qiskit has them: random ones against the primitives of qiskit_aer, and what is refused."""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

import msgspec
import numpy as np
import pytest
from examples import thorough
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Gate, Instruction, Parameter, ParameterVector
from qiskit.circuit.library.standard_gates import get_standard_gate_name_mapping
from qiskit.primitives import BitArray, PubResult
from qiskit.quantum_info import Kraus, Statevector
from qiskit_aer.library import SaveStatevector, SetStatevector
from qiskit_aer.noise import depolarizing_error
from qiskit_aer.primitives import EstimatorV2, SamplerV2
from random_pubs import Drawn, dumped, estimator_pubs, sampler_pubs
from worker_tasks import HEAD2, HEAD3, task

from quantumjob.results import pub_result
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.backend import Depolarizing, NoiseModel
from quantumjob_contract.schema.program import Format
from quantumjob_contract.schema.results import PubError, PubMetadata
from quantumjob_worker import child, loaders
from quantumjob_worker.engines.base import Run
from quantumjob_worker.passes import instruction_sets, normalize
from quantumjob_worker.passes.bind_parameters import Values
from quantumjob_worker.primitives import sweep

FALSE_ALARM = 1e-9
"""Probability that a right sampler fails one comparison of distributions."""
STATEVECTOR: dict[str, Any] = {"method": "statevector"}


def ran(data: bytes, format_: Format = "QPY", *, shots: int = 100, seed: int = 7, **more: Any) -> PubResult:
    report = child.run(msgspec.structs.replace(task(format_, shots=shots, seed=seed), **more), data)
    assert report.result.error is None, (report.result.error, report.trace)
    return pub_result(msgspec.json.decode(msgspec.json.encode(report.result), type=type(report.result)))


def estimated(circuit: QuantumCircuit, observables: Any, **more: Any) -> PubResult:
    more = {"precision": 0.0} | more
    return ran(dumped(circuit), shots=0, primitive="Estimator", observables=observables, **more)


def refused(data: str | bytes, format_: Format = "OpenQASM3", **more: Any) -> PubError:
    text = data.encode() if isinstance(data, str) else data
    found = child.run(msgspec.structs.replace(task(format_), **more), text).result.error
    assert found is not None
    return found


def without_misbound(circuit: QuantumCircuit) -> QuantumCircuit:
    """Aer ignores the angles of some gates where they come as an array, and so do its primitives."""
    return transpile(
        circuit,
        basis_gates=["h", "x", "rx", "ry", "rz", "cx", "if_else", "switch_case", "for_loop", "while_loop"],
        optimization_level=0,
    )


def qiskit_s(circuit: QuantumCircuit, values: Any, *, shots: int) -> PubResult:
    """Without Aer's truncation where there are loops: it leaves out parts of them, and then cannot load the circuit."""
    loops = not {"for_loop", "while_loop"}.isdisjoint(circuit.count_ops())
    options = STATEVECTOR | ({"enable_truncation": False} if loops else {})
    sampler = SamplerV2(seed=7, options={"backend_options": options})
    return sampler.run([(without_misbound(circuit), values)], shots=shots).result()[0]


def same_distribution(one: BitArray, other: BitArray) -> bool:
    """Chi-square of two samples of the same size; outcomes that are rare in both are taken together."""
    first, second = one.get_counts(), other.get_counts()
    pairs = [(first.get(key, 0), second.get(key, 0)) for key in first.keys() | second.keys()]
    common = [pair for pair in pairs if sum(pair) >= 20]
    rare = [sum(counts) for counts in zip(*(pair for pair in pairs if sum(pair) < 20), strict=True)]
    cells = [*common, *([rare] if sum(rare) >= 20 else [])]
    statistic = sum((a - b) ** 2 / (a + b) for a, b in cells)
    freedom = max(1, len(cells) - 1)
    # Laurent and Massart: a chi-square of k degrees exceeds k + 2 sqrt(kx) + 2x with probability at most exp(-x).
    x = -math.log(FALSE_ALARM)
    return statistic <= freedom + 2 * math.sqrt(freedom * x) + 2 * x


@thorough(20)
@given(sampler_pubs(), st.sampled_from([1, 7, 20]))
def test_a_sampler_s_pub_is_qiskit_s(drawn: Drawn, shots: int) -> None:
    """Names, shapes and types always; the bits where the circuit runs as it is, else the distribution."""
    shots = 200 if drawn.dynamic else shots
    found = ran(dumped(drawn.circuit), shots=shots, parameter_values=drawn.values)
    wanted = qiskit_s(drawn.circuit, drawn.bindings, shots=shots)
    assert list(found.data) == list(wanted.data)
    assert found.data.shape == wanted.data.shape == drawn.shape
    assert found.metadata["shots"] == wanted.metadata["shots"]
    assert found.metadata["circuit_metadata"] == wanted.metadata["circuit_metadata"]
    for name in wanted.data:
        mine, theirs = found.data[name], wanted.data[name]
        assert (mine.shape, mine.num_bits, mine.num_shots) == (theirs.shape, theirs.num_bits, theirs.num_shots)
        assert mine.array.dtype == theirs.array.dtype
        assert np.array_equal(mine.array, theirs.array) if not drawn.dynamic else same_distribution(mine, theirs)


@thorough(20)
@given(estimator_pubs(), st.sampled_from([0.0, 0.25]))
def test_an_estimator_s_pub_is_qiskit_s(pub: tuple[Drawn, Any], precision: float) -> None:
    drawn, observables = pub
    found = estimated(drawn.circuit, observables, parameter_values=drawn.values, precision=precision)
    estimator = EstimatorV2(options={"backend_options": STATEVECTOR, "run_options": {"seed_simulator": 7}})
    circuit = without_misbound(drawn.circuit)
    wanted = estimator.run([(circuit, observables, drawn.bindings, precision)]).result()[0]
    assert found.metadata["target_precision"] == wanted.metadata["target_precision"]
    assert list(found.data) == list(wanted.data) == ["evs", "stds"]
    assert found.data.shape == wanted.data.shape
    for name in ("evs", "stds"):
        assert found.data[name].shape == wanted.data[name].shape
        assert found.data[name].dtype == wanted.data[name].dtype
    assert np.allclose(found.data.evs, wanted.data.evs, rtol=0, atol=1e-12)
    assert np.array_equal(found.data.stds, wanted.data.stds)


@pytest.mark.parametrize("method", ["statevector", "density_matrix", "matrix_product_state"])
def test_a_gate_from_a_qubit_that_is_asked_about_is_not_left_out(method: Any) -> None:
    """Aer leaves it out where the value is saved on that qubit alone, and X of half a Bell pair is 1."""
    circuit = QuantumCircuit(3)
    circuit.h([0, 1])
    circuit.cx(1, 2)
    assert float(estimated(circuit, "IXI", method=method).data.evs) == pytest.approx(0, abs=1e-12)


def swept(points: int) -> tuple[QuantumCircuit, np.ndarray[Any, Any]]:
    vector = ParameterVector("t", 2)
    circuit = QuantumCircuit(2, 2)
    circuit.ry(vector[0], 0)
    circuit.crx(vector[1] / 2, 0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit, np.random.default_rng(3).uniform(0, 3, (points, 2))


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_the_bits_do_not_depend_on_how_a_sweep_is_cut(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    circuit, values = swept(30)
    monkeypatch.setattr(sweep, "CHUNK", chunk)
    found = ran(dumped(circuit), parameter_values={"t[0:2]": values.tolist()})
    wanted = qiskit_s(circuit, values, shots=100)
    assert np.array_equal(found.data.c.array, wanted.data.c.array)
    assert found.data.c.get_counts() == wanted.data.c.get_counts()


@pytest.mark.parametrize("others", [0.0, 0.3])
@pytest.mark.parametrize("method", ["statevector", "density_matrix", "matrix_product_state"])
@pytest.mark.parametrize("name", sorted(instruction_sets.STANDARD))
def test_every_gate_takes_its_angles_as_arrays(name: str, method: str, others: float) -> None:
    """Each alone, and all. Aer ignores those of some, without an error: these are replaced."""
    gate = get_standard_gate_name_mapping()[name]
    if not gate.params or not gate.num_qubits:
        return
    names = ParameterVector("t", len(gate.params))
    for swept in (names, *([angle] for angle in names)):
        given = [angle if angle in swept else others for angle in names]
        circuit = QuantumCircuit(gate.num_qubits)
        circuit.rx(Parameter("x"), 0)
        for qubit in circuit.qubits:
            circuit.u(1.2, 0.7, 0.2, qubit)
        circuit.append(type(gate)(*given), circuit.qubits)
        for qubit in circuit.qubits:
            circuit.u(0.9, 0.4, 0.8, qubit)
        points = np.random.default_rng(5).uniform(0.3, 3, (3, len(circuit.parameters)))
        values = Values((3,), dict(zip(circuit.parameters, points.T, strict=True)))
        ready = normalize.for_sweep(circuit, method).copy()
        ready.save_probabilities()
        parts = list(chain.from_iterable(sweep.chunks(ready, values, method, Run(1, 1, 1, 1 << 30), 1 << 10)))
        for part, point in zip(parts, points, strict=True):
            exact = Statevector(circuit.assign_parameters(point)).probabilities()
            assert np.allclose(part["data"]["probabilities"], exact)


def test_counts_are_of_all_points() -> None:
    circuit, values = swept(30)
    report = child.run(
        msgspec.structs.replace(task("QPY"), parameter_values={"t[0:2]": values.tolist()}), dumped(circuit)
    )
    assert report.result.data is not None
    assert sum((report.result.data["c"].counts or {}).values()) == 30 * 100
    wide = QuantumCircuit(12, 12)
    for qubit in range(12):
        wide.rx(Parameter(f"p{qubit}") if qubit == 0 else 1.5, qubit)
    wide.measure(range(12), range(12))
    report = child.run(
        msgspec.structs.replace(task("QPY", shots=2000), parameter_values={"p0": [0.1, 2.0, 1.0]}), dumped(wide)
    )
    assert report.result.data is not None
    (register,) = report.result.data.values()
    assert register.shape == [3]
    assert register.counts is None or sum(register.counts.values()) == 6000


def test_inputs_of_openqasm_3() -> None:
    """The loader hides inputs that nothing uses; they want a value all the same, as in Qiskit."""
    text = "input float[64] a; input angle b; input float unused; qubit q; bit c; rx(2*a + b) q; c = measure q;"
    given_values = {"a": [0.0, math.pi / 2], "b, unused": [[0.0, 1.0], [0.0, 1.0]]}
    found = ran((HEAD3 + text).encode(), "OpenQASM3", parameter_values=given_values)
    assert found.data.c.get_counts(0) == {"0": 100}
    assert found.data.c.get_counts(1) == {"1": 100}
    error = refused(HEAD3 + text, parameter_values={"a": 0.1, "b": 0.1})
    assert (error.reason, "unused" in error.message) == (PubReason.UNBOUND_PARAMETERS, True)


@pytest.mark.parametrize(
    "body",
    [
        "ctrl @ rx(a) q[1], q[0];",
        "pow(2) @ rx(a) q[0];",
        "inv @ rx(a) q[0];",
        "gate twice(t) x { rx(t) x; rx(t) x; } twice(a / 2) q[0];",
        "bit d; d = measure q[1]; if (d) { rx(a) q[0]; }",
        "for int i in [1:2] { rx(a / i) q[0]; }",
        "for int i in [1:2] { rx(a / 2) q[0]; if (c[1]) { break; } }",
    ],
)
def test_a_parameter_anywhere(body: str) -> None:
    """A sweep gives what its points give one by one."""
    text = (HEAD3 + f"input float a; qubit[2] q; bit[2] c; x q[1]; {body} c = measure q;").encode()
    together = ran(text, "OpenQASM3", parameter_values={"a": [0.3, 1.1]})
    for point, value in enumerate((0.3, 1.1)):
        alone = ran(text, "OpenQASM3", parameter_values={"a": value}, seed=7 + 2113 * point)
        assert np.array_equal(together.data.c.array[point], alone.data.c.array)


@pytest.mark.parametrize(
    ("values", "reason", "told"),
    [
        ({}, PubReason.UNBOUND_PARAMETERS, "a, b"),
        ({"a": 1}, PubReason.UNBOUND_PARAMETERS, "value: b."),
        ({"a": 1, "false": 1}, PubReason.UNBOUND_PARAMETERS, "unquoted Y, y, N or n"),
        (
            {"a": 1, "beta": 2},
            PubReason.UNBOUND_PARAMETERS,
            "value: b. Add them to parameterValues, which has values of beta",
        ),
        ({"a, b, zeta": [1, 2, 3]}, PubReason.UNKNOWN_PARAMETERS, "zeta"),
        ({"a": 0, "b": 1}, PubReason.INVALID_CIRCUIT, "not a finite number"),
        ({"a": [1, 0], "b": [1, 1]}, PubReason.INVALID_CIRCUIT, "not a finite number"),
        ({"a": 1e-200, "b": 1e200}, PubReason.INVALID_CIRCUIT, "not a finite number"),
        ({"a": [1, 1e-200], "b": [1, 1e200]}, PubReason.INVALID_CIRCUIT, "not a finite number"),
    ],
)
def test_values_that_do_not_fit(values: dict[str, Any], reason: PubReason, told: str) -> None:
    text = HEAD3 + "input float a; input float b; qubit q; bit c; rx(b / a) q; c = measure q;"
    error = refused(text, parameter_values=values)
    assert error.reason == reason, error
    assert told in error.message


def test_values_for_a_circuit_without_parameters() -> None:
    error = refused(HEAD2 + "qreg q[1]; creg c[1]; measure q->c;", "OpenQASM2", parameter_values={"a": 1})
    assert error.reason == PubReason.UNKNOWN_PARAMETERS


@pytest.mark.parametrize(
    ("instruction", "told"),
    [
        (Kraus([[[1, 0], [0, 0.6]], [[0, 0.8], [0, 0]]]).to_instruction(), "spec.backend.noise"),
        (depolarizing_error(0.3, 1).to_instruction(), "spec.backend.noise"),
        (SaveStatevector(1), "`save`"),
        (SetStatevector([1, 0]), "`initialize`"),
        (Gate("mine", 1, []), "Transpile the circuit first"),
    ],
)
def test_what_only_aer_knows(instruction: Instruction, told: str) -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.append(instruction, [0])
    circuit.measure(0, 0)
    error = refused(dumped(circuit), "QPY")
    assert error.reason == PubReason.INVALID_CIRCUIT
    assert told in error.message


def test_a_sweep_whose_result_would_be_too_large() -> None:
    circuit, values = swept(200)
    error = refused(dumped(circuit), "QPY", shots=1_000_000, parameter_values={"t[0:2]": values.tolist()})
    assert error.reason == PubReason.RESULT_TOO_LARGE
    assert "200 points" in error.message


@pytest.mark.parametrize("observables", ["ZZZ", ["Z"], {"Q": 1}])
def test_observables_that_do_not_fit(observables: Any) -> None:
    error = refused(
        HEAD3 + "qubit[2] q; h q[0];", primitive="Estimator", observables=observables, precision=0.0, shots=0
    )
    assert error.reason == PubReason.INVALID_OBSERVABLES


@pytest.mark.parametrize("letters", ["0+", "-Z", "Zr"])
def test_projectors_are_no_pauli_strings(letters: str) -> None:
    """Acceptance refuses them; in the child they would be read as something else."""
    circuit = QuantumCircuit(2)
    error = refused(dumped(circuit), "QPY", shots=0, precision=0.0, primitive="Estimator", observables=letters)
    assert error.reason == PubReason.INVALID_OBSERVABLES


def test_an_estimator_looks_at_qubits_that_nothing_touches() -> None:
    circuit = QuantumCircuit(40)
    circuit.x(3)
    letters = [{3: "Z"}, {0: "Z", 39: "Z"}, {3: "Z", 39: "Z"}, {39: "X"}, {3: "X"}, {3: "Z", 39: "Y"}, {}]
    observables = ["".join(each.get(index, "I") for index in reversed(range(40))) for each in letters]
    found = estimated(circuit, observables)
    assert found.data.evs.tolist() == [-1, 1, -1, 0, 0, 0, 1]


def test_an_estimator_averages_where_a_circuit_measures() -> None:
    """As Aer's own: over its default number of shots."""
    circuit = QuantumCircuit(1, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    found = estimated(circuit, ["X", "Z"])
    estimator = EstimatorV2(options={"backend_options": STATEVECTOR, "run_options": {"seed_simulator": 7}})
    wanted = estimator.run([(circuit, ["X", "Z"])]).result()[0]
    assert np.allclose(found.data.evs, wanted.data.evs)
    assert found.metadata["simulator_metadata"]["shots"] == 1024
    assert np.allclose(found.data.stds, np.sqrt((1 - found.data.evs**2) / 1024)), "and not 0, as Aer says"
    weighted = estimated(circuit, {"X": -3.0, "I": 5.0}, precision=0.1)
    assert weighted.data.stds == pytest.approx(math.hypot(3 / 32, 0.1), rel=0.01)
    assert "shots" not in estimated(QuantumCircuit(1), "Z").metadata["simulator_metadata"]


def test_an_initialize_that_resets_is_averaged() -> None:
    """Half of a Bell pair begins anew: the other half is a coin."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.initialize([0, 1], 0)
    found = estimated(circuit, ["ZI", "IZ"])
    assert found.metadata["simulator_metadata"]["shots"] == 1024
    assert np.allclose(found.data.evs, [0, -1], atol=5 / 32)
    assert np.allclose(found.data.stds, [1 / 32, 0], atol=1e-3)


def test_an_estimator_of_many_qubits() -> None:
    circuit = QuantumCircuit(60)
    circuit.h(0)
    for qubit in range(59):
        circuit.cx(qubit, qubit + 1)
    circuit.rz(Parameter("a"), 0)
    found = estimated(circuit, ["X" * 60, "Z" * 60], parameter_values={"a": [[[0.0]], [[math.pi]]]})
    assert np.allclose(found.data.evs, [[1, 1], [-1, 1]])
    assert found.metadata["simulator_metadata"]["method"] == "matrix_product_state"


def test_an_estimator_s_sweep_through_control_flow() -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.x(0)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.rx(Parameter("a"), 1)
    found = estimated(circuit, "ZI", parameter_values={"a": [0.0, math.pi]})
    assert np.allclose(found.data.evs, [1, -1])


FLIPS = NoiseModel(depolarizing=Depolarizing(0.1, 0.1))


def test_an_estimator_with_noise() -> None:
    """Exact where the noise is part of the state: each gate on a qubit shrinks its Pauli vector by a tenth."""
    circuit = QuantumCircuit(1)
    circuit.rx(Parameter("a"), 0)
    values = {"a": [0.0, math.pi]}
    exact = estimated(circuit, "Z", parameter_values=values, noise=FLIPS, method="density_matrix")
    assert np.allclose(exact.data.evs, [0.9, -0.9])
    assert "shots" not in exact.metadata["simulator_metadata"]
    averaged = estimated(circuit, "Z", parameter_values=values, noise=FLIPS, method="statevector")
    assert np.allclose(averaged.data.evs, [0.9, -0.9], atol=0.2)  # 15 standard deviations
    assert averaged.metadata["simulator_metadata"]["shots"] == 1024


def test_a_sweep_with_noise_is_its_points() -> None:
    circuit, values = swept(3)
    together = ran(dumped(circuit), parameter_values={"t[0:2]": values.tolist()}, noise=FLIPS)
    for point, row in enumerate(values):
        alone = ran(dumped(circuit), parameter_values={"t[0:2]": row.tolist()}, noise=FLIPS, seed=7 + 2113 * point)
        assert np.array_equal(together.data.c.array[point], alone.data.c.array)


def test_a_sweep_by_the_method_that_is_asked_for() -> None:
    circuit, values = swept(3)
    found = ran(dumped(circuit), parameter_values={"t[0:2]": values.tolist()}, method="matrix_product_state")
    assert found.metadata["simulator_metadata"]["method"] == "matrix_product_state"
    error = refused(dumped(circuit), "QPY", parameter_values={"t[0:2]": values.tolist()}, method="stabilizer")
    assert error.reason == PubReason.METHOD_UNSUITABLE


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


def test_metadata_of_a_circuit_comes_along() -> None:
    circuit = QuantumCircuit(1, 1, metadata={"run": [1, {"of": "mine"}]})
    circuit.measure(0, 0)
    assert ran(dumped(circuit)).metadata["circuit_metadata"] == circuit.metadata
    circuit.metadata = {"large": "x" * 20_000}
    assert refused(dumped(circuit), "QPY").reason == PubReason.CIRCUIT_TOO_LARGE
    circuit.metadata = {"of": nested(29)}
    assert ran(dumped(circuit)).metadata["circuit_metadata"] == circuit.metadata
    circuit.metadata = {"of": nested(32)}
    assert refused(dumped(circuit), "QPY").reason == PubReason.CIRCUIT_TOO_LARGE


def test_one_point_may_have_a_shape() -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.rx(Parameter("a"), 0)
    circuit.measure(0, 0)
    assert ran(dumped(circuit), parameter_values={"a": 1.0}).data.shape == ()
    assert ran(dumped(circuit), parameter_values={"a": [[1.0]]}).data.shape == (1,)


def test_two_attempts_give_the_same_bytes() -> None:
    circuit, values = swept(5)
    doing = msgspec.structs.replace(task("QPY"), parameter_values={"t[0:2]": values.tolist()})
    one, two = (msgspec.json.encode(child.run(doing, dumped(circuit)).result) for _ in range(2))
    assert one == two


def test_a_program_that_was_not_checked_is_no_crash() -> None:
    error = refused(HEAD3 + "input float a; qubit q; bit c; c = measure q;", parameter_values={"a": [[1], 2]})
    assert error.reason == PubReason.INVALID_CIRCUIT


def test_loading_keeps_only_the_inputs() -> None:
    text = "input float a; qubit q; bit c; for int i in [0:1] { rx(i) q; if (c) { break; } } c = measure q;"
    circuit = loaders.load("OpenQASM3", (HEAD3 + text).encode())
    assert [parameter.name for parameter in circuit.parameters] == ["a"]


def test_metadata_of_an_error_says_what_was_asked() -> None:
    report = child.run(msgspec.structs.replace(task("OpenQASM3"), shots=0, primitive="Estimator", precision=0.5), b"?")
    assert isinstance(report.result.metadata, PubMetadata)
    assert report.result.error is not None
