"""A program's own gate means what the program says, whatever its name is."""

from __future__ import annotations

import math

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Gate
from random_pubs import dumped
from user_gates import NAMES
from worker_tasks import HEAD2, HEAD3, counts

FLIP = "U(pi,0,pi)"


@pytest.mark.parametrize("name", NAMES)
def test_own_gate_in_openqasm_2(name: str) -> None:
    source = (
        f"OPENQASM 2.0; gate {name} a,b {{{FLIP} a; CX a,b;}} qreg q[2]; creg c[2]; {name} q[0],q[1]; measure q->c;"
    )
    assert counts(source) == {"c": {"11": 100}}


@pytest.mark.parametrize("name", NAMES)
def test_own_gate_in_openqasm_3(name: str) -> None:
    source = (
        f"OPENQASM 3.0; gate {name} a,b {{U(pi,0,pi) a; U(pi,0,pi) b;}} qubit[2] q; bit[2] c;"
        f"{name} q[0],q[1]; c = measure q;"
    )
    assert counts(source, "OpenQASM3") == {"c": {"11": 100}}


@pytest.mark.parametrize("name", ["h", "ch", "sx", "ccx", "rzz", "u", "swap"])
def test_own_gate_under_a_legacy_name_wins(name: str) -> None:
    """The file uses `csx`, so strict loading fails; and it defines a gate that the legacy loader would replace."""
    include = "" if name in ("h", "ch", "ccx") else 'include "qelib1.inc";'
    source = (
        f"OPENQASM 2.0; {include} gate {name} a,b {{{FLIP} a;}} qreg q[2]; creg c[2];"
        f"{name} q[0],q[1]; csx q[1],q[0]; measure q->c;"
    )
    assert counts(source) == {"c": {"01": 100}}


def test_own_gate_twice_defined_in_the_include() -> None:
    source = HEAD2 + f"gate ch a,b {{{FLIP} a;}} qreg q[2]; creg c[2]; ch q[0],q[1]; measure q->c;"
    assert counts(source) == {"c": {"01": 100}}


def test_own_gate_inside_control_flow() -> None:
    source = HEAD2 + (
        f"gate ecr a {{{FLIP} a;}} qreg q[2]; creg c[1]; creg d[1]; x q[0]; measure q[0]->c[0];"
        "if(c==1) ecr q[1]; measure q[1]->d[0];"
    )
    assert counts(source) == {"c": {"1": 100}, "d": {"1": 100}}


def test_own_gate_with_modifiers() -> None:
    source = HEAD3 + (
        "gate ecr a {x a;} qubit[4] q; bit[4] c; x q[0]; ctrl @ ecr q[0],q[1]; inv @ ecr q[2]; pow(2) @ ecr q[3];"
        "negctrl @ x q[0],q[3]; c = measure q;"
    )
    assert counts(source, "OpenQASM3") == {"c": {"0111": 100}}


def test_own_gate_with_angles_is_bound_at_each_call() -> None:
    source = (
        "OPENQASM 2.0; gate rx(t) a {U(t,0,0) a;} gate twice(t) a {rx(t) a; rx(t) a;}"
        "qreg q[2]; creg c[2]; twice(pi/2) q[0]; twice(pi) q[1]; measure q->c;"
    )
    assert counts(source) == {"c": {"01": 100}}


@pytest.mark.parametrize("name", sorted({*NAMES} - {"store"}))
def test_own_gate_in_a_loop_of_qpy(name: str) -> None:
    own = Gate(name, 2, [])
    own.definition = QuantumCircuit(2)
    own.definition.u(math.pi, 0, math.pi, 0)
    own.definition.cx(0, 1)
    circuit = QuantumCircuit(2, 2)
    with circuit.for_loop(range(3)):
        circuit.append(own, [0, 1], copy=False)
    circuit.measure([0, 1], [0, 1])
    (found,) = counts(dumped(circuit), "QPY").values()
    assert found == {"01": 100}  # the second qubit is turned twice
