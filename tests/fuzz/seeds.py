"""The seeds: programs written by hand, those of the examples, and exports of Qiskit.

Runs as a separate process, `python -m fuzz.seeds FOLDER`: the parent of the fuzzed children imports no Qiskit, as in a
worker.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qasm2, qasm3, qpy
from qiskit.circuit import Clbit, Parameter, ParameterVector, Qubit
from qiskit.circuit.classical import expr, types
from qiskit.circuit.library import (
    DiagonalGate,
    Initialize,
    PauliEvolutionGate,
    PermutationGate,
    UnitaryGate,
    XGate,
)
from qiskit.circuit.random import random_circuit
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Clifford, SparsePauliOp, random_unitary

from fuzz.targets import WITH_INPUTS

ROOT: Final = Path(__file__).resolve().parents[2]
OLDEST_QPY: Final = 13

QASM2: Final = (
    'OPENQASM 2.0;include "qelib1.inc";qreg q[2];creg c[2];h q[0];cx q[0],q[1];measure q->c;',
    """OPENQASM 2.0;
include "qelib1.inc";
// user-defined gates with the names of standard gates
gate ecr(t, s) a, b { U(t, -s, pi / 2) a; CX a, b; barrier a, b; u3(sin(t) ^ 2, ln(3), sqrt(s)) b; }
gate h a { ecr(0.3, 1e-3) a, a; }
opaque magic(x) a;
qreg first[3]; qreg second[2]; creg c[3]; creg d[1];
ecr(pi / 3, -0.5) first[0], second[1];
ccx first[0], first[1], first[2]; cu3(1, 2, 3) first, second[0];
reset second; barrier first, second[0];
measure first[0] -> d[0];
if (d == 1) x second[1];
measure first -> c;
""",
    """OPENQASM 2.0; include "qelib1.inc";
gate a0 q { U(0, 0, 0) q; U(0, 0, 0) q; } gate a1 q { a0 q; a0 q; } gate a2 q { a1 q; a1 q; } gate a3 q { a2 q; a2 q; }
qreg q[1]; creg c[1]; a3 q[0]; csx q[0], q[0]; rx(1 / 0) q[0]; measure q -> c;
""",
)
QASM3: Final = (
    'OPENQASM 3.0;include "stdgates.inc";qubit[2] q;bit[2] c;h q[0];cx q[0],q[1];c=measure q;',
    """OPENQASM 3.0;
include "stdgates.inc";
input float[64] theta; input angle phi;
const int[32] n = 3;
gate ecr(t) a, b { ctrl @ U(t, 0, -t) a, b; inv @ s b; pow(2) @ t a; }
gate twice(t) a, b { ecr(t / 2) a, b; ecr(sin(t)) b, a; }
qubit[n] q; qubit one; bit[3] c; bit d;
let pair = q[0:1]; let both = pair ++ q[2:2];
twice(theta) q[0], q[2]; negctrl(2) @ x q[0], q[1], one; cp(2 * phi - pi) pair[0], one;
d = measure one;
if (d) { x q[0]; } else { h q; reset one; }
while (d) { x one; d = measure one; }
for int i in [0:2:2] { rx(theta * i) q[i]; if (c[0]) { break; } }
for uint i in {0, 2} { ry(0.1) q[i]; }
switch (c) { case 0, 1 { x q[0]; } case 2 { z q[1]; } default { h one; } }
delay[100ns] q[1]; barrier q, one; box { x one; }
gphase(0.4); U(0.1, 0.2, 0.3) $0;
c = measure q; c[0] = measure q[0];
""",
    """OPENQASM 3.0; include "stdgates.inc"; qubit q; bit b; bit[2] c;
x q; b = measure q; while (b == true) { x q; x q; b = measure q; }
if (c == 2) { x q; } if (!b) { z q; } if (c[0] ^ c[1]) { y q; } if (c != 1) { h q; }
def f(qubit a) -> bit { return measure a; } extern g(int) -> int; output bit[2] e; int[8] i = 3; uint u = 2 << 3;
duration t = 100ns; stretch s; bool o = true; complex[float] k = 2im; array[int[8], 2] r = {1, 2}; end;
""",
)
NOISE: Final[tuple[dict[str, Any], ...]] = (
    {"version": 1, "depolarizing": {"oneQubit": 0.01, "twoQubit": 0.02}},
    {
        "depolarizing": {"oneQubit": 0.1},
        "readout": {"probMeas1Prep0": 0.01, "probMeas0Prep1": 0.03},
        "relaxation": {"t1Nanoseconds": 1e5, "t2Nanoseconds": 8e4, "oneQubitNanoseconds": 30,
                       "twoQubitNanoseconds": 300, "measureNanoseconds": 1000},
        "qubits": {"0": {"depolarizing": 0.2, "t1Nanoseconds": 5e4, "t2Nanoseconds": 6e4}, "1": {"readout": {}}},
        "pairs": {"0-1": 0.05, "2-1": 0.1},
    },
)  # fmt: skip
ARRAYS: Final[tuple[dict[str, Any], ...]] = (
    {"parameterValues": {"a": [0.1, 0.2, 0.3], "b": [1, 2, 3]}},
    {"parameterValues": {"a, b": [[[0.1, 0.2]], [[0.3, 0.4]]]}, "observables": ["ZZ", {"XX": 0.5, "YI": -1.25}]},
    {"parameterValues": {"a": 0.5, "b": 0.25}, "observables": [["ZI", "IZ"], ["XX", {"II": 1}]], "precision": 0.1},
    {"parameterValues": {"b, a": [0.1, 0.2]}, "observables": "YX"},
)


def circuits() -> Iterator[QuantumCircuit]:
    """Yields circuits with the features that the exporters support."""
    for seed in range(6):
        yield random_circuit(3, 4, measure=True, conditional=seed % 2 == 1, reset=seed > 3, seed=seed)
    yield flow()
    yield expressions()
    yield with_objects()
    yield with_parameters()
    loose = QuantumCircuit([Qubit(), Qubit()], [Clbit()], name="own_name", metadata={"of": ["mine", {"deep": 1}]})
    loose.delay(100, 0, unit="ns")
    loose.append(own("ecr"), [0, 1])
    loose.measure(0, 0)
    yield loose


def own(name: str) -> Any:
    body = QuantumCircuit(2, name=name)
    body.h(0)
    body.cp(0.3, 0, 1)
    inner = QuantumCircuit(2, name="inner")
    inner.append(body.to_gate(), [1, 0])
    return inner.to_gate().control(0) if name == "c" else inner.to_gate()


def flow() -> QuantumCircuit:
    circuit = QuantumCircuit(
        QuantumRegister(2, "q"), QuantumRegister(1, "r"), ClassicalRegister(2, "c"), ClassicalRegister(1, "d")
    )
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.cregs[0], 1)) as otherwise:
        circuit.x(1)
    with otherwise:
        circuit.reset(2)
    with circuit.switch(circuit.cregs[0]) as case:
        with case(0, 3):
            circuit.rx(0.5, 1)
        with case(case.DEFAULT):
            circuit.z(2)
    with circuit.while_loop((circuit.clbits[2], 1)):
        circuit.measure(2, 2)
    with circuit.for_loop(range(0, 4, 2), Parameter("i")) as index:
        circuit.ry(index, 0)
        with circuit.if_test((0, 1)):
            circuit.break_loop()
    with circuit.box():
        circuit.append(own("h"), [0, 1])
    circuit.measure(range(3), range(3))
    return circuit


def expressions() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2)
    flag = circuit.add_var("flag", expr.lift(False))
    size = circuit.add_input("size", types.Uint(8))
    circuit.h(0)
    circuit.measure(0, 0)
    circuit.store(flag, expr.bit_xor(circuit.clbits[0], circuit.clbits[1]))
    with circuit.if_test(expr.logic_and(flag, expr.less(size, 5))):
        circuit.x(1)
    with circuit.if_test(expr.bit_xor(circuit.clbits[0], circuit.clbits[1])):
        circuit.x(0)
    circuit.measure([0, 1], [0, 1])
    return circuit


def with_objects() -> QuantumCircuit:
    circuit = QuantumCircuit(3, 3)
    circuit.append(UnitaryGate(random_unitary(4, seed=1)), [0, 1])
    circuit.append(DiagonalGate([1, -1, 1j, -1j]), [1, 2])
    circuit.append(Initialize([1 / np.sqrt(2), 0, 0, 1 / np.sqrt(2)]), [0, 2])
    circuit.append(PauliEvolutionGate(SparsePauliOp(["XZ", "YY"], [0.5, -1.0]), time=0.3), [0, 1])
    circuit.append(PermutationGate([2, 0, 1]), [0, 1, 2])
    circuit.append(XGate().control(2, ctrl_state=1), [0, 1, 2])
    circuit.append(Clifford.from_label("HZ").to_instruction(), [0, 1])
    circuit.append(own("c"), [1, 2])
    circuit.initialize("01+", [0, 1, 2])
    circuit.measure(range(3), range(3))
    return circuit


def with_parameters() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2, global_phase=Parameter("φ"))
    theta, vector = Parameter("theta"), ParameterVector("t", 3)
    circuit.rx(theta * vector[0] + vector[1].sin(), 0)
    circuit.crz(-vector[2] / 2, 0, 1)
    circuit.append(PauliEvolutionGate(SparsePauliOp(["XX"]), time=theta), [0, 1])
    circuit.measure([0, 1], [0, 1])
    return circuit


def all_seeds() -> dict[str, list[bytes]]:
    """Returns all seeds by target."""
    found: dict[str, list[bytes]] = {
        "qasm2": [text.encode() for text in QASM2],
        "qasm3": [text.encode() for text in (*QASM3, (ROOT / "examples/ghz.qasm").read_text())],
        "qpy": [],
        "noise": [json.dumps(model).encode() for model in NOISE],
        "arrays": [json.dumps(arrays).encode() for arrays in ARRAYS],
        "line": [],
    }
    for circuit in circuits():
        for target, dumps in (("qasm2", qasm2.dumps), ("qasm3", qasm3.dumps)):
            with contextlib.suppress(QiskitError, TypeError, ValueError):  # no format can express every circuit
                found[target].append(dumps(circuit).encode())
        for version in range(OLDEST_QPY, qpy.common.QPY_VERSION + 1):
            buffer = io.BytesIO()
            with contextlib.suppress(QiskitError):
                qpy.dump(circuit, buffer, version=version)
                found["qpy"].append(buffer.getvalue())
    for format_, target in (("OpenQASM2", "qasm2"), ("OpenQASM3", "qasm3"), ("QPY", "qpy")):
        for data in found[target][:4]:
            text = base64.b64encode(data).decode() if target == "qpy" else data.decode()
            found["line"].append(json.dumps({"circuit": {"format": format_, "inline": text}, "shots": 10}).encode())
    inputs = {"circuit": {"inline": WITH_INPUTS.decode()}, "name": "swept"}
    found["line"] += [json.dumps(inputs | arrays).encode() for arrays in ARRAYS]
    found["line"].append(json.dumps(inputs | ARRAYS[0] | {"save": ["Statevector", "Probabilities"]}).encode())
    return found


if __name__ == "__main__":
    for target, seeds in all_seeds().items():
        for number, data in enumerate(seeds):
            Path(sys.argv[1], f"{number:03}.{target}").write_bytes(data)
