"""Exact distributions of small circuits, by density matrices and branches; and whether samples come from one.

Independent of the worker and of Aer: gates by their matrices, noise by the formulas of docs/noise.md.
"""

from __future__ import annotations

import base64
import math
import operator
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any, Final

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Clbit
from qiskit.circuit.classical import expr
from qiskit.quantum_info import DensityMatrix, Kraus, Operator, Pauli
from scipy.stats import chi2

from quantumjob_contract.schema.backend import NoiseModel
from quantumjob_contract.schema.results import Register

ALARM: Final = 1e-6
"""How often one comparison would call a right engine wrong, if its seed were new. Seeds are fixed, so it never does."""
LEAST: Final = 5.0
"""Outcomes expected less often than this are put together: the test holds for large numbers."""

ZERO: Final = np.diag([1.0, 0.0])
ONE: Final = np.diag([0.0, 1.0])
LOWER: Final = np.array([[0.0, 1.0], [0.0, 0.0]])

OPERATORS: Final[dict[str, Callable[[int, int], int]]] = {
    "EQUAL": operator.eq,
    "NOT_EQUAL": operator.ne,
    "LOGIC_AND": lambda left, right: left and right,
    "LOGIC_OR": lambda left, right: left or right,
    "BIT_AND": operator.and_,
    "BIT_OR": operator.or_,
    "BIT_XOR": operator.xor,
}

Branches = dict[tuple[int, ...], DensityMatrix]


def surprise(counts: Mapping[str, int], exact: Mapping[str, float]) -> float:
    """The probability that samples of `exact` differ from it by as much as these: Pearson's chi-square test."""
    shots = sum(counts.values())
    if any(exact.get(outcome, 0.0) < 1e-12 for outcome in counts):
        return 0.0  # what cannot happen has happened
    seen, expected, rare_seen, rare = [], [], 0, 0.0
    for outcome, probability in exact.items():
        if probability * shots < LEAST:
            rare_seen, rare = rare_seen + counts.get(outcome, 0), rare + probability * shots
        else:
            seen.append(counts.get(outcome, 0))
            expected.append(probability * shots)
    if rare >= LEAST:
        seen.append(rare_seen)
        expected.append(rare)
    if len(seen) < 2:
        return 1.0
    statistic = sum((one - other) ** 2 / other for one, other in zip(seen, expected, strict=True))
    return float(chi2.sf(statistic, len(seen) - 1))


def joint(registers: Mapping[str, Register]) -> Counter[str]:
    """How often all registers together had which bits: the last register first, as Qiskit prints them."""
    columns = []
    for register in reversed(registers.values()):
        size = (register.num_bits + 7) // 8
        data = base64.b64decode(register.samples)
        shots = [int.from_bytes(data[at : at + size], "big") for at in range(0, len(data), size)]
        columns.append([f"{shot:0{register.num_bits}b}" for shot in shots])
    return Counter("".join(parts) for parts in zip(*columns, strict=True))


def distribution(circuit: QuantumCircuit, noise: NoiseModel | None = None) -> dict[str, float]:
    """The probability of each value of all classical bits, the highest first."""
    ends = _ends(circuit, noise)
    found = {"".join(map(str, reversed(bits))): float(state.trace().real) for bits, state in ends.items()}
    assert math.isclose(sum(found.values()), 1, abs_tol=1e-9)
    return {outcome: value for outcome, value in found.items() if value > 1e-12}


def ending(circuit: QuantumCircuit, noise: NoiseModel | None = None) -> DensityMatrix:
    """The state at the end, whatever was measured before it."""
    first, *rest = _ends(circuit, noise).values()
    return sum(rest, first)


def _ends(circuit: QuantumCircuit, noise: NoiseModel | None) -> Branches:
    start: Branches = {(0,) * circuit.num_clbits: DensityMatrix.from_int(0, 2**circuit.num_qubits)}
    where = {bit: at for bits in (circuit.qubits, circuit.clbits) for at, bit in enumerate(bits)}
    return _block(circuit, start, where, noise)


def _block(block: QuantumCircuit, branches: Branches, where: dict[Any, int], noise: NoiseModel | None) -> Branches:
    for part in block.data:
        on = [where[bit] for bit in part.qubits]
        if part.name == "barrier":
            continue
        if part.name == "if_else":
            branches = _if_else(part, branches, where, noise)
        elif part.name == "measure":
            branches = _measured(branches, on[0], where[part.clbits[0]], noise)
        elif part.name == "reset":
            branches = {bits: state.evolve(Kraus([ZERO, LOWER]), on) for bits, state in branches.items()}
        elif part.name == "delay":
            branches = {bits: _decayed(state, on, part.operation.duration, noise) for bits, state in branches.items()}
        else:
            matrix = Operator(part.operation)
            branches = {bits: _struck(state.evolve(matrix, on), on, noise) for bits, state in branches.items()}
    return branches


def _if_else(part: Any, branches: Branches, where: dict[Any, int], noise: NoiseModel | None) -> Branches:
    condition = part.operation.condition
    if isinstance(condition, tuple):
        condition = expr.lift_legacy_condition(condition)
    ends: Branches = {}
    for bits, state in branches.items():
        holds = _value(condition, bits, where)
        blocks = part.operation.blocks
        chosen = blocks[0] if holds else blocks[1] if len(blocks) > 1 else None
        if chosen is None:
            _add(ends, bits, state)
            continue
        outer = (*part.qubits, *part.clbits)
        inner = {bit: where[given] for bit, given in zip((*chosen.qubits, *chosen.clbits), outer, strict=True)}
        for after, end in _block(chosen, {bits: state}, inner, noise).items():
            _add(ends, after, end)
    return ends


def _value(node: Any, bits: tuple[int, ...], where: dict[Any, int]) -> int:
    """Of a classical expression, as far as programs of the tests have them."""
    match node:
        case expr.Value():
            return int(node.value)
        case expr.Var():
            positions = [where[node.var]] if isinstance(node.var, Clbit) else [where[bit] for bit in node.var]
            return sum(bits[at] << place for place, at in enumerate(positions))
        case expr.Cast():
            return _value(node.operand, bits, where)
        case expr.Unary():
            return int(not _value(node.operand, bits, where))
        case expr.Binary():
            return int(OPERATORS[node.op.name](_value(node.left, bits, where), _value(node.right, bits, where)))
    raise NotImplementedError(node)


def _measured(branches: Branches, qubit: int, clbit: int, noise: NoiseModel | None) -> Branches:
    ends: Branches = {}
    time = noise.relaxation.measure_nanoseconds if noise and noise.relaxation else 0.0
    for bits, before in branches.items():
        state = _decayed(before, [qubit], time, noise)
        for value, projector in ((0, ZERO), (1, ONE)):
            part = state.evolve(Kraus([projector]), [qubit])
            wrong = 0.0
            if noise is not None:
                wrong = noise.readout.prob_meas0_prep1 if value else noise.readout.prob_meas1_prep0
            for written, weight in ((value, 1 - wrong), (1 - value, wrong)):
                if weight * part.trace().real > 1e-15:
                    _add(ends, (*bits[:clbit], written, *bits[clbit + 1 :]), weight * part)
    return ends


def _add(ends: Branches, bits: tuple[int, ...], state: DensityMatrix) -> None:
    ends[bits] = ends[bits] + state if bits in ends else state


def _struck(state: DensityMatrix, on: list[int], noise: NoiseModel | None) -> DensityMatrix:
    if noise is None:
        return state
    probability = noise.depolarizing.one_qubit if len(on) == 1 else noise.depolarizing.two_qubit
    paulis = ["".join(label) for label in product("IXYZ", repeat=len(on))]
    mixed = [Pauli(label).to_matrix() / 2 ** len(on) * math.sqrt(probability) for label in paulis]
    kept = math.sqrt(1 - probability) * np.eye(2 ** len(on))
    state = state.evolve(Kraus([kept, *mixed]), on)
    relaxation = noise.relaxation
    time = 0.0
    if relaxation is not None:
        time = relaxation.one_qubit_nanoseconds if len(on) == 1 else relaxation.two_qubit_nanoseconds
    return _decayed(state, on, time, noise)


def _decayed(state: DensityMatrix, on: list[int], time: float, noise: NoiseModel | None) -> DensityMatrix:
    if noise is None or noise.relaxation is None or not time:
        return state
    lost = 1 - math.exp(-time / noise.relaxation.t1_nanoseconds)
    coherence = math.exp(-time / noise.relaxation.t2_nanoseconds) / math.sqrt(1 - lost)
    damping = Kraus([ZERO + math.sqrt(1 - lost) * ONE, math.sqrt(lost) * LOWER])
    flip = (1 - coherence) / 2
    dephasing = Kraus([math.sqrt(1 - flip) * np.eye(2), math.sqrt(flip) * np.diag([1.0, -1.0])])
    for qubit in on:
        state = state.evolve(damping, [qubit]).evolve(dephasing, [qubit])
    return state
