"""Random pubs, as Hypothesis draws them: circuits with several registers, parameters, loops; and arrays that fit."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qpy
from qiskit.circuit import Parameter, ParameterExpression, ParameterVector

Draw = Callable[[st.SearchStrategy[Any]], Any]
REGISTERS = st.lists(
    st.tuples(st.sampled_from(["c", "meas", "a0", "Z", "out"]), st.sampled_from([1, 2, 3, 7, 8, 9, 17])),
    min_size=1,
    max_size=3,
    unique_by=lambda named: named[0],
)
SHAPES = (st.lists(st.integers(1, 3), max_size=3) | st.lists(st.integers(1, 2), min_size=4, max_size=5)).map(tuple)
"""With an axis over the names, as deep as lists may be."""


class Drawn(NamedTuple):
    circuit: QuantumCircuit
    values: dict[str, Any]
    """As the resource has it."""
    bindings: dict[Any, Any]
    """The same for Qiskit."""
    shape: tuple[int, ...]
    dynamic: bool


def dumped(circuit: QuantumCircuit) -> bytes:
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    return buffer.getvalue()


@st.composite
def sampler_pubs(draw: Draw) -> Drawn:
    """A circuit that measures into each of its registers."""
    circuit = QuantumCircuit(QuantumRegister(draw(st.integers(1, 4)), "q"))
    for name, size in draw(REGISTERS):
        circuit.add_register(ClassicalRegister(size, name))
    parameters = draw_parameters(draw)
    dynamic = draw(st.booleans())
    for _ in range(draw(st.integers(1, 6))):
        draw_gate(draw, circuit, parameters)
        if dynamic:
            draw_flow(draw, circuit, parameters)
    use_all(circuit, parameters)
    for qubit, clbit in zip(circuit.qubits, draw(st.permutations(circuit.clbits)), strict=False):
        circuit.measure(qubit, clbit)
    shape = draw(SHAPES) if parameters else ()
    return Drawn(circuit, *draw_values(draw, circuit, shape), shape, dynamic)


@st.composite
def estimator_pubs(draw: Draw) -> tuple[Drawn, Any]:
    """A circuit without measurements, and observables that broadcast against its values."""
    circuit = QuantumCircuit(draw(st.integers(1, 4)))
    parameters = draw_parameters(draw)
    for _ in range(draw(st.integers(1, 6))):
        draw_gate(draw, circuit, parameters)
    use_all(circuit, parameters)
    whole = draw(SHAPES)
    shape = draw_part(draw, whole) if circuit.parameters else ()
    letters = st.text("IXYZ", min_size=circuit.num_qubits, max_size=circuit.num_qubits)
    weights = st.floats(-2, 2).filter(lambda weight: abs(weight) > 1e-3)
    observable = letters | st.dictionaries(letters, weights, min_size=1, max_size=4)
    observables = draw_nested(draw, draw_part(draw, whole), observable)
    return Drawn(circuit, *draw_values(draw, circuit, shape), shape, dynamic=False), observables


def draw_parameters(draw: Draw) -> list[ParameterExpression]:
    single = [Parameter(name) for name in sorted(draw(st.sets(st.sampled_from(["a", "b", "θ"]))))]
    return [*single, *ParameterVector("t", draw(st.integers(0, 3)))]


def draw_angle(draw: Draw, parameters: list[ParameterExpression]) -> Any:
    number = draw(st.floats(-7, 7).filter(lambda angle: abs(angle) > 1e-3))
    if not parameters or draw(st.booleans()):
        return number
    chosen = draw(st.sampled_from(parameters))
    return draw(st.sampled_from([chosen, 2 * chosen + number, chosen * parameters[0], chosen.sin()]))


def draw_gate(draw: Draw, circuit: QuantumCircuit, parameters: list[ParameterExpression]) -> None:
    qubits = draw(st.permutations(range(circuit.num_qubits)))
    kind = draw(st.sampled_from(["h", "rx", "ry", "rz", "cx", "crx"]))
    if kind == "h":
        circuit.h(qubits[0])
    elif kind == "cx" and len(qubits) > 1:
        circuit.cx(*qubits[:2])
    elif kind == "crx" and len(qubits) > 1:
        circuit.crx(draw_angle(draw, parameters), *qubits[:2])
    else:
        getattr(circuit, kind if kind[0] == "r" else "ry")(draw_angle(draw, parameters), qubits[0])


def draw_flow(draw: Draw, circuit: QuantumCircuit, parameters: list[ParameterExpression]) -> None:
    """A measurement on the way, and something that depends on it."""
    clbit = draw(st.sampled_from(circuit.clbits))
    qubit = draw(st.integers(0, circuit.num_qubits - 1))
    circuit.measure(qubit, clbit)
    kind = draw(st.sampled_from(["measure", "reset", "if", "switch", "for", "while"]))
    if kind == "reset":
        circuit.reset(qubit)
    elif kind == "if":
        with circuit.if_test((clbit, 1)) as otherwise:
            draw_gate(draw, circuit, parameters)
        with otherwise:
            draw_gate(draw, circuit, parameters)
    elif kind == "switch":
        with circuit.switch(circuit.cregs[0]) as case:
            with case(0):
                draw_gate(draw, circuit, parameters)
            with case(case.DEFAULT):
                circuit.x(qubit)
    elif kind == "for":
        with circuit.for_loop(range(draw(st.integers(1, 3)))):
            draw_gate(draw, circuit, parameters)
    elif kind == "while":
        with circuit.while_loop((clbit, 1)):
            circuit.h(qubit)
            circuit.measure(qubit, clbit)


def use_all(circuit: QuantumCircuit, parameters: list[ParameterExpression]) -> None:
    for parameter in parameters:
        circuit.rx(parameter, 0)


def draw_values(draw: Draw, circuit: QuantumCircuit, shape: tuple[int, ...]) -> tuple[dict[str, Any], dict[Any, Any]]:
    """Values of all parameters: those of the vector and some others along a last axis, or each on its own."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    names = [parameter.name for parameter in circuit.parameters]
    vector = [name for name in names if "[" in name]
    groups = [(name,) for name in names if name not in vector]
    if len(groups) > 1 and draw(st.booleans()):
        groups = [tuple(name for (name,) in groups)]
    values, bindings = {}, {}
    for group in [*groups, tuple(vector)]:
        if group:
            last = () if len(group) == 1 and shape and shape[-1] != 1 and draw(st.booleans()) else (len(group),)
            array = random.uniform(-4, 4, (*shape, *last))
            key = f"t[0:{len(vector)}]" if group == tuple(vector) else ", ".join(group)
            values[key] = array.tolist()
            bindings[group] = array
    return values, bindings


def draw_part(draw: Draw, whole: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to this one."""
    kept = whole[draw(st.integers(0, len(whole))) :]
    return tuple(draw(st.sampled_from([1, length])) for length in kept)


def draw_nested(draw: Draw, shape: tuple[int, ...], leaf: st.SearchStrategy[Any]) -> Any:
    if not shape:
        return draw(leaf)
    return [draw_nested(draw, shape[1:], leaf) for _ in range(shape[0])]
