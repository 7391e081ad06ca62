"""What runs: control flow, registers, resets, loops; and what is refused, with which reason and where."""

from __future__ import annotations

import base64
import io

import msgspec
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qpy
from qiskit.circuit import AnnotatedOperation, Clbit, Parameter, Qubit
from qiskit.circuit.annotated_operation import InverseModifier, PowerModifier
from qiskit.circuit.classical import expr, types
from qiskit.circuit.library import PermutationGate, UnitaryGate
from qiskit.quantum_info import Clifford
from qiskit_aer.primitives import SamplerV2
from worker_tasks import HEAD2, HEAD3, counts, error, run, task

from quantumjob_contract.reasons import PubReason
from quantumjob_worker import child


def dumped(circuit: QuantumCircuit, version: int | None = None) -> bytes:
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer, version=version)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("qubit[2] q; bit[2] c; x q; c = measure q;", {"c": {"11": 100}}),
        ("qubit q; bit b; x q; b = measure q;", {"b": {"1": 100}}),
        ("qubit q; bit b; x q; reset q; b = measure q;", {"b": {"0": 100}}),
        (
            "qubit[2] q; bit[2] c; x q[0]; c[0] = measure q[0]; if (c[0]) {x q[1];} c[1] = measure q[1];",
            {"c": {"11": 100}},
        ),
        ("qubit q; bit b; x q; b = measure q; while (b) {x q; b = measure q;}", {"b": {"0": 100}}),
        ("qubit[3] q; bit[3] c; for int i in [0:2] {x q[i];} c = measure q;", {"c": {"111": 100}}),
        ("qubit[3] q; bit[3] c; for int i in {0, 2} {x q[i];} c = measure q;", {"c": {"101": 100}}),
        ("qubit q; bit b; for int i in [0:3] {x q; b = measure q; if (b) {break;}} b = measure q;", {"b": {"1": 100}}),
        ("qubit q; bit b; for int i in [0:2] {rx(pi/3) q; rx(pi*0) q;} rx(0) q; b = measure q;", {"b": {"1": 100}}),
        ("qubit[4] q; bit[2] c; let a = q[1:2]; x a; c = measure a;", {"c": {"11": 100}}),
        ("qubit[3] q; bit[3] c; let a = q[0:-1]; x a; c = measure q;", {"c": {"111": 100}}),
        ("qubit q; bit b; delay[100ns] q; barrier q; box {x q;} b = measure q;", {"b": {"1": 100}}),
        ("qubit q; bit[2] c; bit[9] d; x q; d[8] = measure q;", {"c": {"00": 100}, "d": {"100000000": 100}}),
    ],
)
def test_openqasm_3_runs(source: str, expected: dict[str, dict[str, int]]) -> None:
    assert counts(HEAD3 + source, "OpenQASM3") == expected


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        ("c[0] ^ c[1]", [1, 2]),
        ("(c[0] ^ c[1]) == true", [1, 2]),
        ("(c[0] ^ c[1]) != true", [0, 3]),
        ("c[0] && !c[1]", [1]),
        ("!(c[0] || c[1])", [0]),
        ("~c[0] & c[1]", [2]),
        ("c[0] == c[1]", [0, 3]),
        ("c != 1", [0, 2, 3]),
        ("c < 2", [0, 1]),
        ("2 <= c", [2, 3]),
        ("(c ^ 3) == 1", [2]),
        ("c == d", [2]),
        ("(c & d) > 0", [2, 3]),
    ],
)
def test_conditions_of_openqasm_3(condition: str, values: list[int]) -> None:
    for value in range(4):
        bits = "".join(f"x q[{at}];" for at in range(2) if value >> at & 1)
        source = f"qubit[3] q; bit[2] c; bit[2] d; bit e; x q[2]; d[1] = measure q[2]; reset q[2]; {bits}"
        found = counts(
            f"{HEAD3}{source} c = measure q[0:1]; if ({condition}) {{ x q[2]; }} e = measure q[2];", "OpenQASM3"
        )
        assert found["e"] == {str(int(value in values)): 100}, value


@pytest.mark.parametrize("condition", ["c[0] ^ c", "c[0] < c[1]", "q[0]", "c == 1.5", "c == true"])
def test_conditions_that_mean_nothing(condition: str) -> None:
    found = error(f"{HEAD3}qubit[2] q; bit[2] c; if ({condition}) {{ x q[0]; }} c = measure q;", "OpenQASM3")
    assert found.reason == PubReason.UNSUPPORTED_FORMAT, found


@pytest.mark.parametrize(
    ("source", "reason", "line"),
    [
        ("qreg q[10000000];", PubReason.CIRCUIT_TOO_LARGE, 3),
        ("qreg q[1];\nqreg r[1024];", PubReason.CIRCUIT_TOO_LARGE, 4),
        ("qreg q[1]; creg c[99999999999999999999];", PubReason.CIRCUIT_TOO_LARGE, 3),
        ('include "/etc/passwd";', PubReason.UNSUPPORTED_FORMAT, 3),
        ("qreg q[1];\nfoo q[0];", PubReason.SYNTAX_ERROR, 4),
        ("qreg q[1]; h q[0]", PubReason.SYNTAX_ERROR, 3),
        ("qreg q[1]; h q[4];", PubReason.INVALID_CIRCUIT, 3),
        ("qreg q[1]; creg c[1]; rx(1/0) q[0]; measure q->c;", PubReason.INVALID_CIRCUIT, 3),
        ("qreg q[1]; creg c[1]; rx(1e400) q[0]; measure q->c;", PubReason.INVALID_CIRCUIT, None),
        ("qreg q[1]; creg c[1]; rx(1e400-1e400) q[0]; measure q->c;", PubReason.INVALID_CIRCUIT, None),
        ("qreg q[1]; creg c[1]; h q[0];", PubReason.NO_MEASUREMENT, None),
        ("opaque o a; qreg q[1]; creg c[1]; o q[0]; measure q->c;", PubReason.INVALID_CIRCUIT, None),
        ("qreg q[1]; creg c[1]; rx(" + "(" * 200 + "1" + ")" * 200 + ") q[0];", PubReason.CIRCUIT_TOO_LARGE, 3),
    ],
)
def test_openqasm_2_is_refused(source: str, reason: PubReason, line: int | None) -> None:
    found = error(HEAD2 + source)
    assert (found.reason, found.line) == (reason, line)
    assert "foo" not in found.message


@pytest.mark.parametrize("head", [HEAD2 + "qreg q[1];", HEAD3 + "qubit[1] q;"])
def test_columns_begin_at_one(head: str) -> None:
    found = error(head + "\n   foo q[0];", "OpenQASM2" if "2.0" in head else "OpenQASM3")
    assert (found.line, found.column) == (4, 4)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("qubit[10000000] q;", PubReason.CIRCUIT_TOO_LARGE),
        ("qubit[1000*1000] q;", PubReason.CIRCUIT_TOO_LARGE),
        ("h $99999999;", PubReason.CIRCUIT_TOO_LARGE),
        ("qubit q; for int i in [0:99999999999999999999] {}", PubReason.CIRCUIT_TOO_LARGE),
        ("qubit q; for int i in [0:9999] {for int j in [0:9999] {h q;}}", PubReason.CIRCUIT_TOO_LARGE),
        ("qubit q; ctrl(1000000) @ x q;", PubReason.CIRCUIT_TOO_LARGE),
        ("(" * 100, PubReason.CIRCUIT_TOO_LARGE),
        ("qubit[3] q; let a = q[0:10];", PubReason.INVALID_CIRCUIT),
        ("qubit[3] q; h q[3];", PubReason.INVALID_CIRCUIT),
        ("qubit[3] q; h q[0:0:1];", PubReason.INVALID_CIRCUIT),
        ('include "/etc/passwd";', PubReason.UNSUPPORTED_FORMAT),
        ("qubit q; int i = 3;", PubReason.UNSUPPORTED_FORMAT),
        ("input float a; qubit q; bit b; rx(a) q; b = measure q;", PubReason.UNBOUND_PARAMETERS),
        ("qubit q; h q", PubReason.SYNTAX_ERROR),
        ("qubit q; bar q;", PubReason.SYNTAX_ERROR),
        ("qubit q; §", PubReason.SYNTAX_ERROR),
        ("/* no end", PubReason.SYNTAX_ERROR),
    ],
)
def test_openqasm_3_is_refused(source: str, reason: PubReason) -> None:
    found = error(HEAD3 + source, "OpenQASM3")
    assert found.reason == reason, found
    assert found.reason == PubReason.UNBOUND_PARAMETERS or found.line == 3, found
    assert "bar" not in found.message


@pytest.mark.parametrize("text", ["OPENQASM 4.0;", "OPENQASM 2.0;", 'OPENQASM "3";', "OPENQASM 3.0.0;"])
def test_other_versions_of_openqasm_3_are_refused(text: str) -> None:
    assert error(text, "OpenQASM3").reason == PubReason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(
    ("source", "reason", "told", "column"),
    [
        ("rx q[0];", PubReason.SYNTAX_ERROR, "number of parameters", 1),
        ("h(0.3) q[0];", PubReason.SYNTAX_ERROR, "number of parameters", 1),
        ("rx(1, 2) q[0];", PubReason.SYNTAX_ERROR, "number of parameters", 1),
        ("cx q[0];", PubReason.SYNTAX_ERROR, "number of qubits", 1),
        ("cx q[0], q[0];", PubReason.INVALID_CIRCUIT, "same qubit twice", 1),
        ("c = measure q;", PubReason.INVALID_CIRCUIT, "differ in size", 1),
        ("if (c[0]) { rx(0/0) q[0]; }", PubReason.INVALID_CIRCUIT, "no finite value", 13),
        ("rx(sin(1)) q[0];", PubReason.UNSUPPORTED_FORMAT, "this expression", 4),
        ("bit t;", PubReason.SYNTAX_ERROR, "stdgates.inc", 1),
        ("if (c[0] == 1) { x q[0]; }", PubReason.UNSUPPORTED_FORMAT, "true or false", 5),
    ],
)
def test_common_mistakes_in_openqasm_3(source: str, reason: PubReason, told: str, column: int) -> None:
    found = error(HEAD3 + "qubit[2] q; bit[3] c;\n" + source, "OpenQASM3")
    assert (found.reason, found.line, found.column) == (reason, 4, column)
    assert told in found.message


def test_an_angle_that_is_missing_in_openqasm_2() -> None:
    found = error(HEAD2 + "qreg q[1]; creg c[1]; rx q[0];")
    assert (found.reason, "number of parameters" in found.message) == (PubReason.SYNTAX_ERROR, True)


def test_nested_gate_definitions_are_counted_not_expanded() -> None:
    bomb = "OPENQASM 2.0;gate a0 q{U(0,0,0) q;U(0,0,0) q;}"
    bomb += "".join(f"gate a{i} q{{a{i - 1} q;a{i - 1} q;}}" for i in range(1, 40))
    assert error(bomb + "qreg q[1];a39 q[0];").reason == PubReason.CIRCUIT_TOO_LARGE
    assert error(bomb.replace("2.0", "3.0") + "qubit q;a39 q;", "OpenQASM3").reason == PubReason.CIRCUIT_TOO_LARGE


def test_a_figure_of_a_thousand_digits_is_not_repeated() -> None:
    found = error(f"{HEAD3}qubit[{'9' * 1000}] q;", "OpenQASM3")
    assert found.reason == PubReason.CIRCUIT_TOO_LARGE
    assert len(found.message) < 100


def test_not_text() -> None:
    assert error(b"\xff\xfe").reason == PubReason.SYNTAX_ERROR
    assert error(b"  \n").reason == PubReason.CIRCUIT_EMPTY


@pytest.mark.parametrize("version", range(13, 19))
def test_qpy_runs(version: int) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.append(UnitaryGate([[0, 1], [1, 0]]), [0])
    circuit.measure([0, 1], [0, 1])
    (found,) = counts(dumped(circuit, version), "QPY").values()
    assert found is not None
    assert set(found) == {"01", "10"}


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda d: d[:6] + bytes([12]) + d[7:], PubReason.UNSUPPORTED_FORMAT),
        (lambda d: d[:6] + bytes([99]) + d[7:], PubReason.UNSUPPORTED_FORMAT),
        (lambda d: b"PICKLE" + d[6:], PubReason.SYNTAX_ERROR),
        (lambda d: d[:10], PubReason.SYNTAX_ERROR),
        (lambda d: d[:10] + (2).to_bytes(8, "big") + d[18:], PubReason.UNSUPPORTED_FORMAT),
        (lambda d: d[:25] + (10**7).to_bytes(4, "big") + d[29:], PubReason.CIRCUIT_TOO_LARGE),
        (lambda d: d[:29] + (10**7).to_bytes(4, "big") + d[33:], PubReason.CIRCUIT_TOO_LARGE),
        (lambda d: d[:33] + (10**12).to_bytes(8, "big") + d[41:], PubReason.SYNTAX_ERROR),
    ],
)
def test_qpy_header_is_not_believed(edit: object, reason: PubReason) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.measure([0, 1], [0, 1])
    data = dumped(circuit, 13)
    assert data[25:29] == data[29:33] == (2).to_bytes(4, "big")
    assert error(edit(data), "QPY").reason == reason  # type: ignore[operator]


@pytest.mark.parametrize("branch", ["x q[2];", "ch q[0],q[1];"])
def test_a_gate_that_aer_lacks_beside_control_flow_and_inside(branch: str) -> None:
    source = f"{HEAD2}qreg q[3]; creg c[3]; creg d[1]; x q[0]; measure q[0]->d[0]; ch q[0],q[1]; if(d==1) {branch}"
    rest = "" if "ch" in branch else "ch q[0],q[1];"
    expected = "001" if "ch" in branch else "101"
    assert counts(f"{source} {rest} measure q->c;")["c"] == {expected: 100}


def test_qpy_control_flow() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.measure(0, 0)
    with circuit.switch(circuit.clbits[0]) as case:
        with case(0):
            circuit.h(1)
        with case(1):
            circuit.x(1)
    angle = Parameter("t")
    with circuit.for_loop(range(3), angle):
        circuit.rx(angle * 0, 1)
    circuit.measure(1, 1)
    assert list(counts(dumped(circuit), "QPY").values()) == [{"11": 100}]


@pytest.mark.parametrize("method", ["automatic", "statevector", "stabilizer", "matrix_product_state"])
def test_a_variable_that_nothing_reads(method: str) -> None:
    """Beside a qubit that nothing touches, and in a circuit that stim may take."""
    circuit = QuantumCircuit(2, 2)
    number = circuit.add_var("number", expr.lift(0, types.Uint(4)))
    circuit.x(0)
    circuit.measure(0, 0)
    circuit.store(number, expr.lift(3, types.Uint(4)))
    circuit.measure(0, 1)
    report = child.run(msgspec.structs.replace(task("QPY"), method=method), dumped(circuit))
    assert report.result.data is not None, report.result.error
    assert report.result.data["c"].counts == {"11": 100}


@pytest.mark.parametrize("wide", [1, 14])
def test_a_bit_that_is_set_is_not_lost(wide: int) -> None:
    """Also where the circuit without it would go to stim."""
    circuit = QuantumCircuit(wide + 1, 2)
    number = circuit.add_var("number", expr.lift(0, types.Uint(4)))
    circuit.x(range(wide))
    circuit.measure(0, 0)
    circuit.store(number, expr.lift(3, types.Uint(4)))
    circuit.store(circuit.clbits[1], expr.lift(True))
    assert counts(dumped(circuit), "QPY")["c"] == {"11": 100}


def test_gates_whose_definition_only_qiskit_s_passes_know() -> None:
    """On three qubits in turn: 1 goes to 2 by the permutation, and all are flipped by the Clifford."""
    flip = QuantumCircuit(3)
    flip.x([0, 1, 2])
    turn = PermutationGate([2, 0, 1])
    circuit = QuantumCircuit(3, 3)
    circuit.x(1)
    circuit.append(turn, [0, 1, 2])
    circuit.append(AnnotatedOperation(turn, [InverseModifier(), PowerModifier(2)]), [0, 1, 2])
    circuit.append(AnnotatedOperation(turn, PowerModifier(2)), [0, 1, 2])
    circuit.append(Clifford(flip), [0, 1, 2])
    circuit.measure([0, 1, 2], [0, 1, 2])
    assert counts(dumped(circuit), "QPY")["c"] == {"011": 100}


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("kind", ["while", "for"])
@pytest.mark.parametrize("after", ["", "x", "reset"])
def test_a_program_may_end_in_a_loop(kind: str, after: str, before: bool) -> None:
    """Whether or not anything was measured before it: Aer looks for an end of the loop that it has left out."""
    circuit = QuantumCircuit(2, 1)
    circuit.x(0)
    if before:
        circuit.measure(1, 0)
    with circuit.while_loop((0, 0)) if kind == "while" else circuit.for_loop(range(3)):
        circuit.measure(0, 0)
        if kind == "for":
            with circuit.if_test((0, 1)):
                circuit.break_loop()
    if after:
        getattr(circuit, after)(1)
    for method in ("statevector", "stabilizer", "density_matrix", "matrix_product_state"):
        report = child.run(msgspec.structs.replace(task("QPY"), method=method), dumped(circuit))
        assert report.result.data is not None, (method, report.result.error)
        assert [register.counts for register in report.result.data.values()] == [{"1": 100}]


def test_bits_of_no_register() -> None:
    circuit = QuantumCircuit([Qubit()], [Clbit()])
    circuit.measure(0, 0)
    assert error(dumped(circuit), "QPY").reason == PubReason.NO_MEASUREMENT


def test_nan_angle_and_unbound_parameter_in_qpy() -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.rx(float("nan"), 0)
    circuit.measure(0, 0)
    assert error(dumped(circuit), "QPY").reason == PubReason.INVALID_CIRCUIT
    circuit = QuantumCircuit(1, 1)
    circuit.rx(Parameter("a"), 0)
    circuit.measure(0, 0)
    assert error(dumped(circuit), "QPY").reason == PubReason.UNBOUND_PARAMETERS


def test_result_too_large_is_refused_before_the_run() -> None:
    found = error(HEAD2 + "qreg q[1000]; creg c[1000]; h q; measure q->c;", shots=1_000_000)
    assert found.reason == PubReason.RESULT_TOO_LARGE
    assert "134217" in found.message


def test_memory_is_refused_with_figures() -> None:
    gates = "".join(f"rx(0.{i + 1}) q[{i}];" for i in range(40))
    pairs = "".join(f"cp(0.3) q[{i}],q[{j}]; rx(1) q[{i}];" for i in range(40) for j in range(i))
    found = error(HEAD2 + f"qreg q[40]; creg c[40]; {gates} {pairs} measure q->c;", memory=1 << 20, shots=1)
    assert found.reason == PubReason.MEMORY_LIMIT
    assert "2^24 MiB" in found.message


def test_as_qiskits_own_sampler() -> None:
    """The same samples for the same seed, in registers of awkward widths."""
    circuit = QuantumCircuit(QuantumRegister(12, "q"), ClassicalRegister(9, "a"), ClassicalRegister(3, "b"))
    for i in range(12):
        circuit.ry(0.2 + i, i)
    for i in range(11):
        circuit.cx(i, i + 1)
    circuit.measure(range(12), range(12))
    report = run(dumped(circuit), "QPY", shots=500, seed=11)
    assert report.result.data is not None
    method = report.result.metadata.method
    sampler = SamplerV2(seed=11, options={"backend_options": {"method": method}})
    expected = sampler.run([circuit], shots=500).result()[0].data
    for name, register in report.result.data.items():
        array = expected[name]
        assert base64.b64decode(register.samples) == array.array.tobytes()
        assert register.num_bits == array.num_bits
        assert register.counts == array.get_counts()
    assert run(dumped(circuit), "QPY", shots=500, seed=11).result == report.result


def test_outcomes_beyond_the_limit_are_not_counted() -> None:
    report = run(HEAD2 + "qreg q[20]; creg c[20]; h q; measure q->c;", shots=6000)
    assert report.result.data is not None
    assert report.result.data["c"].counts is None
    assert len(base64.b64decode(report.result.data["c"].samples)) == 6000 * 3


def test_registers_keep_the_circuits_order() -> None:
    report = run(HEAD2 + "qreg q[1]; creg zz[1]; creg aa[1]; x q[0]; measure q[0]->zz[0];")
    assert list(report.result.data or {}) == ["zz", "aa"]
