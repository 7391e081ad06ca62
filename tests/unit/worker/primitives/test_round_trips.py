"""Random programs as Qiskit's exporters write them: own gates under the names of others, loops, several registers."""

from __future__ import annotations

from typing import Any

import pytest
from examples import thorough
from hypothesis import given
from qiskit import QuantumCircuit, qasm2, qasm3
from qiskit.circuit import Gate as QiskitGate
from random_pubs import dumped
from user_gates import NAMES, OTHER_NAMES, Gate, compare, empty, programs

from quantumjob_contract.schema.program import Format

pytestmark = pytest.mark.usefixtures("nothing_is_quick")

ANY_NAMES = sorted({*NAMES, *OTHER_NAMES} - {"store"})
"""Qiskit itself cannot append a gate that is called store."""
NAMES_2 = sorted({*ANY_NAMES} - {"if_else", "cz", "h", "rxx", "rzz", "swap", "sx", "u0", "x"})
"""Without those that Qiskit's OpenQASM 2 exporter takes for its own: the text means something else, or is none."""


def gate(own: Gate, angle: float) -> QiskitGate:
    """A gate of that name with its definition, as a Qiskit user makes one."""
    made = QiskitGate(own.name, own.arity, [angle] if own.takes_angle else [])
    body = QuantumCircuit(own.arity)
    for kind, what, where in own.body:
        if kind == "CX":
            body.cx(*where)
        elif kind == "U":
            body.u(*(angle if value == "t" else value for value in what), *where)
        else:
            body.append(gate(*what), where, copy=False)
    made.definition = body
    return made


def circuit_of(calls: list[Any], format_: Format) -> QuantumCircuit:
    """With loops as such, but in OpenQASM 2, which has none."""
    circuit = empty(calls)
    register = circuit.cregs[0]
    for own, angle, order, how in calls:
        call = (gate(own, angle), list(order[: own.arity]))
        if how == "if":
            with circuit.if_test((register, 1)):
                circuit.append(*call, copy=False)
        elif how == "loop" and format_ != "OpenQASM2":
            with circuit.for_loop(range(2)):
                circuit.append(*call, copy=False)
        elif how == "while" and format_ != "OpenQASM2":
            with circuit.while_loop((register, 1)):
                circuit.append(*call, copy=False)
                circuit.reset(0)
                circuit.measure(0, 0)
        elif how == "while":
            with circuit.if_test((register, 1)):
                circuit.append(*call, copy=False)
            with circuit.if_test((register, 1)):
                circuit.reset(0)
            with circuit.if_test((register, 1)):
                circuit.measure(0, 0)
        else:
            for _ in range(2 if how == "loop" else 1):
                circuit.append(*call, copy=False)
    circuit.measure(range(3), range(1, 4))
    return circuit


def check(program: Any, format_: Format, *, clifford: bool) -> None:
    _, calls = program
    circuit = circuit_of(calls, format_)
    dumps = {"OpenQASM2": qasm2.dumps, "OpenQASM3": qasm3.dumps, "QPY": dumped}[format_]
    written = dumps(circuit)
    compare(written if isinstance(written, bytes) else written.encode(), calls, format_, clifford=clifford)


@thorough(2)
@given(programs(NAMES_2, clifford=False))
def test_through_openqasm_2(program: Any) -> None:
    check(program, "OpenQASM2", clifford=False)


@thorough(2)
@given(programs(NAMES_2, clifford=True))
def test_clifford_programs_through_openqasm_2(program: Any) -> None:
    check(program, "OpenQASM2", clifford=True)


@thorough(2)
@given(programs(ANY_NAMES, clifford=False))
def test_through_openqasm_3(program: Any) -> None:
    check(program, "OpenQASM3", clifford=False)


@thorough(2)
@given(programs(ANY_NAMES, clifford=True))
def test_clifford_programs_through_openqasm_3(program: Any) -> None:
    check(program, "OpenQASM3", clifford=True)


@thorough(2)
@given(programs(ANY_NAMES, clifford=False))
def test_through_qpy(program: Any) -> None:
    check(program, "QPY", clifford=False)


@thorough(2)
@given(programs(ANY_NAMES, clifford=True))
def test_clifford_programs_through_qpy(program: Any) -> None:
    check(program, "QPY", clifford=True)
