"""Computes the exact distribution of a circuit's bits by statevectors that branch at each measurement and reset.

Independent of the worker and of Aer. It reaches twelve qubits; the density matrices of the unit tests do not.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Clbit
from qiskit.circuit.classical import expr
from qiskit.quantum_info import Operator

LEAST: Final = 1e-13
"""Probability below which a branch is not followed."""
WIDEST: Final = 3
"""Qubits of a gate whose matrix is used; a wider gate is expanded by its definition."""
FLIP: Final = np.array([[0, 1], [1, 0]], dtype=complex)

OPERATORS: Final[dict[str, Callable[[int, int], int]]] = {
    "EQUAL": operator.eq,
    "NOT_EQUAL": operator.ne,
    "BIT_AND": operator.and_,
    "BIT_OR": operator.or_,
    "BIT_XOR": operator.xor,
    "LOGIC_AND": operator.and_,
    "LOGIC_OR": operator.or_,
}

State = NDArray[np.complex128]
"""Of shape (2, ...), an axis for each qubit, the last one first."""
Steps = list[tuple[str, Any, tuple[int, ...], tuple[int, ...]]]
"""Instructions in order: name, matrix or branches, qubits, classical bits."""


def distribution(circuit: QuantumCircuit) -> dict[str, float]:
    """Returns the probability of each value of all classical bits, the highest bit first."""
    found: defaultdict[str, float] = defaultdict(float)
    state = np.zeros((2,) * circuit.num_qubits, dtype=complex)
    state[(0,) * circuit.num_qubits] = 1
    steps = _steps(circuit, list(range(circuit.num_qubits)), list(range(circuit.num_clbits)))
    _follow(*_final(steps, circuit.num_clbits), state, (0,) * circuit.num_clbits, found)
    return dict(found)


def _steps(circuit: QuantumCircuit, qubits: list[int], clbits: list[int]) -> Steps:
    steps: Steps = []
    for part in circuit.data:
        on = tuple(qubits[circuit.find_bit(qubit).index] for qubit in part.qubits)
        at = tuple(clbits[circuit.find_bit(clbit).index] for clbit in part.clbits)
        if part.name == "if_else":
            blocks = [_steps(block, list(on), list(at)) for block in part.operation.blocks]
            places = {bit: clbits[circuit.find_bit(bit).index] for bit in circuit.clbits}
            steps.append(("if_else", (part.operation.condition, places, [*blocks, []]), on, at))
        elif part.name in ("measure", "reset"):
            steps.append((part.name, None, on, at))
        elif len(on) > WIDEST and part.operation.definition is not None:
            steps += _steps(part.operation.definition, list(on), list(at))
        elif part.name != "barrier":
            steps.append(("gate", Operator(part.operation).data, on, at))
    return steps


def _final(steps: Steps, clbits: int) -> tuple[Steps, dict[int, int]]:
    """Splits off the final measurements; returns the other steps, and the qubit by the bit that it is written to."""
    last: dict[int, int] = {}
    left = list(steps)
    while left and left[-1][0] == "measure" and left[-1][3][0] not in last:
        _, _, (qubit,), (clbit,) = left.pop()
        last[clbit] = qubit
    assert all(clbit < clbits for clbit in last)
    return left, last


def _follow(steps: Steps, last: dict[int, int], state: State, bits: tuple[int, ...], found: dict[str, float]) -> None:
    for position, (name, what, on, at) in enumerate(steps):
        if name == "gate":
            state = _applied(state, what, on)
        elif name == "if_else":
            condition, places, blocks = what
            chosen = blocks[0 if _value(condition, bits, places) else 1]
            _follow(chosen + steps[position + 1 :], last, state, bits, found)
            return
        else:
            for value in (0, 1):
                part = _projected(state, on[0], value)
                if np.vdot(part, part).real > LEAST:
                    if name == "reset" and value:
                        part = _applied(part, FLIP, on)
                    written = bits if name == "reset" else (*bits[: at[0]], value, *bits[at[0] + 1 :])
                    _follow(steps[position + 1 :], last, part, written, found)
            return
    _add(state, last, bits, found)


def _add(state: State, last: dict[int, int], bits: tuple[int, ...], found: dict[str, float]) -> None:
    """Adds the values that the final measurements write, with their probabilities."""
    chances = np.abs(state.reshape(-1)) ** 2
    for index in np.flatnonzero(chances > LEAST):
        values = [int(index) >> last[bit] & 1 if bit in last else value for bit, value in enumerate(bits)]
        found["".join(map(str, reversed(values)))] += float(chances[index])


def _applied(state: State, matrix: NDArray[np.complex128], on: tuple[int, ...]) -> State:
    axes = [state.ndim - 1 - qubit for qubit in reversed(on)]
    shaped = matrix.reshape((2,) * (2 * len(on)))
    moved = np.tensordot(shaped, state, axes=(range(len(on), 2 * len(on)), axes))
    return np.moveaxis(moved, range(len(on)), axes)


def _projected(state: State, qubit: int, value: int) -> State:
    part = state.copy()
    index: list[Any] = [slice(None)] * state.ndim
    index[state.ndim - 1 - qubit] = 1 - value
    part[tuple(index)] = 0
    return part


def _value(condition: Any, bits: tuple[int, ...], places: dict[Clbit, int]) -> int:
    node = expr.lift_legacy_condition(condition) if isinstance(condition, tuple) else condition
    match node:
        case expr.Value():
            return int(node.value)
        case expr.Var():
            held = [node.var] if isinstance(node.var, Clbit) else list(node.var)
            return sum(bits[places[bit]] << place for place, bit in enumerate(held))
        case expr.Cast():
            return _value(node.operand, bits, places)
        case expr.Unary():
            return int(not _value(node.operand, bits, places))
        case expr.Binary():
            left, right = _value(node.left, bits, places), _value(node.right, bits, places)
            return OPERATORS[node.op.name](left, right)
    raise NotImplementedError(node)
