"""What an instruction carries besides qubits: angles and matrices. Aer runs NaN, with definite and wrong counts."""

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
    """Every angle finite, every matrix unitary, every state of norm 1. Raises PubFailed."""
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
        return  # a loop's variable: the loop binds it
    if not math.isfinite(float(angle)):
        raise PubFailed(PubReason.INVALID_CIRCUIT, "A gate has an angle that is not a finite number.")


def _check_matrix(name: str, params: list[Any]) -> None:
    if name == "initialize" and not all(isinstance(value, complex | float | int) for value in params):
        return  # a label such as "01+-", which Qiskit has checked
    values = np.asarray(params[0] if name == "unitary" else params, dtype=complex)
    if not np.isfinite(values).all():
        raise PubFailed(PubReason.INVALID_CIRCUIT, "An instruction has an entry that is not a finite number.")
    if name == "unitary":
        good = np.allclose(values @ values.conj().T, np.eye(len(values)), atol=TOLERANCE)
    elif name == "diagonal":
        good = np.allclose(np.abs(values), 1, atol=TOLERANCE)
    else:
        good = len(values) == 1 or abs(float(np.linalg.norm(values)) - 1) < TOLERANCE
    if not good:
        raise PubFailed(PubReason.INVALID_CIRCUIT, f"The matrix or state of a {name} instruction is not normalized.")
