"""Validates angles and matrices of instructions. Aer would run NaN, and return wrong counts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from qiskit.circuit import CircuitInstruction, ParameterExpression

from quantumjob_contract.reasons import PubReason
from quantumjob_worker.errors import PubFailed

TOLERANCE: Final = 1e-6
_WITH_MATRIX: Final = frozenset({"unitary", "diagonal", "initialize"})


def check_operands(instructions: Iterable[CircuitInstruction]) -> None:
    """Raises PubFailed unless every angle is finite, every matrix unitary and every state of norm 1."""
    for instruction in instructions:
        if instruction.is_standard_gate():
            for angle in instruction.params:
                _check_angle(angle)
        elif instruction.name in _WITH_MATRIX:
            _check_matrix(instruction.name, instruction.operation.params)
        elif instruction.name == "mcphase":
            _check_angle(instruction.operation.params[0])


def _check_angle(angle: Any) -> None:
    if isinstance(angle, ParameterExpression) and angle.parameters:
        return  # bound later, by a point or a loop
    if not math.isfinite(float(angle)):
        raise PubFailed(
            PubReason.INVALID_CIRCUIT, "A gate has an angle that is not a finite number. Correct the circuit."
        )


def _check_matrix(name: str, params: list[Any]) -> None:
    if name == "initialize" and not all(isinstance(value, complex | float | int) for value in params):
        return  # a label such as "01+-", which Qiskit validates
    values = np.asarray(params[0] if name == "unitary" else params, dtype=complex)
    if not np.isfinite(values).all():
        raise PubFailed(
            PubReason.INVALID_CIRCUIT,
            "An instruction has a matrix entry that is not a finite number. Correct the circuit.",
        )
    if name == "unitary":
        good = np.allclose(values @ values.conj().T, np.eye(len(values)), atol=TOLERANCE)
    elif name == "diagonal":
        good = np.allclose(np.abs(values), 1, atol=TOLERANCE)
    else:
        good = len(values) == 1 or abs(float(np.linalg.norm(values)) - 1) < TOLERANCE
    if not good:
        raise PubFailed(
            PubReason.INVALID_CIRCUIT,
            f"The matrix or state of a {name} instruction is not normalized. Correct the circuit.",
        )
