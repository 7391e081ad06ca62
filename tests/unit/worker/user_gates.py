"""Random programs whose user-defined gates have the names of standard gates and of simulator instructions.

Their exact distributions come from a circuit of U and CX alone, which is built from the same calls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import msgspec
from exact import ALARM, distribution, joint, surprise
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from worker_tasks import task

from quantumjob_contract.schema.program import Format
from quantumjob_worker import child

QUBITS = 3
PLACES = ["q[0]", "q[1]", "w[0]"]
SHOTS = 2000
NAMES = [
    "ecr", "h", "x", "r", "mcx", "mcp", "unitary", "diagonal",
    "multiplexer", "initialize", "pauli", "kraus", "superop", "roerror", "save_state", "save_statevector",
    "set_statevector", "jump", "mark", "store", "iswap", "dcx", "rzz", "cz",
    "swap", "mcphase", "mcx_gray", "qerror_loc", "u0", "cx_o0", "global_phase", "while_loop",
    "if_else", "break_loop", "sx",
]  # fmt: skip
OTHER_NAMES = [
    "ecr", "mcx", "unitary", "diagonal", "multiplexer", "initialize", "kraus", "superop", "roerror", "jump", "mark",
    "store", "iswap", "dcx", "rzz", "rxx", "qerror_loc", "save_state", "pauli", "xx_plus_yy",
]  # fmt: skip
"""Not those of stdgates.inc, which a program that includes it cannot define again."""


@dataclass
class Gate:
    """One `gate` of a program: its parameters stand as t in the text, and are bound at each call."""

    name: str
    arity: int
    takes_angle: bool
    body: list[tuple[str, Any, tuple[int, ...]]] = field(default_factory=list)


@st.composite
def programs(draw: st.DrawFn, names: list[str], *, clifford: bool) -> tuple[list[Gate], list[Any]]:
    angles = st.sampled_from([k * math.pi / 2 for k in range(4)] if clifford else [0.3, 0.7, 1.9, math.pi / 2, 4.0])
    gates: list[Gate] = []
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True)):
        gate = Gate(name, draw(st.integers(1, QUBITS)), draw(st.booleans()))
        for _ in range(draw(st.integers(1, 4))):
            where = tuple(draw(st.permutations(range(gate.arity))))
            inner = [earlier for earlier in gates if earlier.arity <= gate.arity]
            kind = draw(st.sampled_from(["U", "CX", "own"]))
            if kind == "own" and inner:
                own = draw(st.sampled_from(inner))
                gate.body.append(("own", (own, draw(angles)), where[: own.arity]))
            elif kind == "CX" and gate.arity > 1:
                gate.body.append(("CX", None, where[:2]))
            else:
                first = "t" if gate.takes_angle and draw(st.booleans()) else draw(angles)
                gate.body.append(("U", (first, draw(angles), draw(angles)), where[:1]))
        gates.append(gate)
    calls = draw(
        st.lists(
            st.tuples(
                st.sampled_from(gates),
                angles,
                st.permutations(range(QUBITS)),
                st.sampled_from(["", "", "loop", "if", "while"]),
            ),
            min_size=2,
            max_size=6,
        )
    )
    return gates, calls


def written(gates: list[Gate], calls: list[Any], format_: Format) -> str:
    new = format_ == "OpenQASM3"
    lines = ['OPENQASM 3.0; include "stdgates.inc";' if new else "OPENQASM 2.0;"]
    for gate in gates:
        parameters = "(t)" if gate.takes_angle else ""
        body = " ".join(statement(part, "abc", new=new) for part in gate.body)
        lines.append(f"gate {gate.name}{parameters} {', '.join('abc'[: gate.arity])} {{ {body} }}")
    lines.append(
        "qubit[2] q; qubit[1] w; bit[1] m; bit[3] c;" if new else "qreg q[2]; qreg w[1]; creg m[1]; creg c[3];"
    )
    if conditioned(calls):
        lines.append("m[0] = measure q[0];" if new else "measure q[0] -> m[0];")
    for gate, angle, order, how in calls:
        text = statement(("own", (gate, angle), order[: gate.arity]), PLACES, new=new)
        if how == "if":
            text = f"if (m == 1) {{ {text} }}" if new else f"if(m==1) {text}"
        elif how == "loop":
            text = f"for int i in [0:1] {{ {text} }}" if new else f"{text} {text}"
        elif how == "while":
            parts = (text, "reset q[0];", "m[0] = measure q[0];" if new else "measure q[0] -> m[0];")
            text = f"while (m == 1) {{ {' '.join(parts)} }}" if new else " ".join(f"if(m==1) {part}" for part in parts)
        lines.append(text)
    lines += [
        f"c[{at}] = measure {place};" if new else f"measure {place} -> c[{at}];" for at, place in enumerate(PLACES)
    ]
    return "\n".join(lines)


def statement(part: Any, names: Any, *, new: bool) -> str:
    kind, what, where = part
    on = ", ".join(names[at] for at in where)
    if kind == "CX":
        return f"{'cx' if new else 'CX'} {on};"
    if kind == "U":
        return f"U({', '.join(value if value == 't' else repr(value) for value in what)}) {on};"
    gate, angle = what
    return f"{gate.name}{f'({angle!r})' if gate.takes_angle else ''} {on};"


def conditioned(calls: list[Any]) -> bool:
    return any(how in ("if", "while") for *_, how in calls)


def empty(calls: list[Any]) -> QuantumCircuit:
    """The registers, and what conditions look at."""
    registers = QuantumRegister(2, "q"), QuantumRegister(1, "w"), ClassicalRegister(1, "m"), ClassicalRegister(3, "c")
    circuit = QuantumCircuit(*registers)
    if conditioned(calls):
        circuit.measure(0, 0)
    return circuit


def built(calls: list[Any]) -> QuantumCircuit:
    """In U and CX alone. A loop that resets what it looks at goes round once at most, so it is a branch."""
    circuit = empty(calls)
    for gate, angle, order, how in calls:
        where = list(order[: gate.arity])
        if how in ("if", "while"):
            with circuit.if_test((circuit.cregs[0], 1)):
                primitives(circuit, gate, angle, where)
                if how == "while":
                    circuit.reset(0)
                    circuit.measure(0, 0)
        else:
            for _ in range(2 if how == "loop" else 1):
                primitives(circuit, gate, angle, where)
    circuit.measure(range(3), range(1, 4))
    return circuit


def primitives(circuit: QuantumCircuit, gate: Gate, angle: float, on: list[int]) -> None:
    for kind, what, where in gate.body:
        qubits = [on[at] for at in where]
        if kind == "CX":
            circuit.cx(*qubits)
        elif kind == "U":
            circuit.u(*(angle if value == "t" else value for value in what), *qubits)
        else:
            primitives(circuit, *what, qubits)


def compare(source: bytes, calls: list[Any], format_: Format, *, clifford: bool) -> None:
    """By every engine and method that takes it, with the exact distribution."""
    exact = distribution(built(calls))
    methods = ["automatic", "statevector", "density_matrix", "matrix_product_state"]
    for method in [*methods, *(["stabilizer"] if clifford else [])]:
        report = child.run(msgspec.structs.replace(task(format_, shots=SHOTS), method=method), source)
        assert report.result.data is not None, (method, report.result.error, report.trace, source)
        if method == "automatic" and clifford and not conditioned(calls):
            assert report.result.metadata.engine.startswith("stim")
        assert surprise(joint(report.result.data), exact) > ALARM, (method, source)
