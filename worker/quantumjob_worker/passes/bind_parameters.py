"""Binds parameter values to a circuit's parameters, and evaluates its angles at each point."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterExpression

from quantumjob_contract.pubs import arrays
from quantumjob_contract.reasons import PubReason
from quantumjob_worker.errors import PubFailed

NAMED: Final = 5
NAME_CHARS: Final = 40


class Values(NamedTuple):
    """The points of a pub, flat in C order."""

    shape: arrays.Shape
    columns: dict[Parameter, NDArray[np.float64]]
    """The values of each parameter at all points."""

    @property
    def points(self) -> int:
        return math.prod(self.shape)


def resolve(circuit: QuantumCircuit, parameter_values: Mapping[str, Any]) -> Values:
    """Returns the values of the circuit's parameters. Raises PubFailed if some are missing or unknown."""
    shape, columns = arrays.bindings(parameter_values)
    points = math.prod(shape)
    known = {parameter.name: parameter for parameter in circuit.parameters}
    given: dict[str, NDArray[np.float64]] = {}
    for column in columns:
        values = np.array(column.values, dtype=float).reshape(points, len(column.names))
        given |= dict(zip(column.names, values.T, strict=True))
    unknown = [name for name in given if name not in known]
    if missing := [name for name in known if name not in given]:
        hint = f" A boolean is among the names: {arrays.UNQUOTED}." if {"true", "false"} & given.keys() else ""
        other = f", which has values of {_named(unknown)}, that the circuit does not have" if unknown else ""
        message = f"Parameters without a value: {_named(missing)}. Add them to parameterValues{other}.{hint}"
        raise PubFailed(PubReason.UNBOUND_PARAMETERS, message)
    if unknown:
        has = f"its parameters are: {_named(known)}" if known else "it has no parameters"
        raise PubFailed(
            PubReason.UNKNOWN_PARAMETERS, f"The circuit does not have the parameters {_named(unknown)}; {has}."
        )
    return Values(shape, {known[name]: values for name, values in given.items()})


def bound(circuit: QuantumCircuit, values: Values, point: int) -> QuantumCircuit:
    """Returns the circuit with the values of one point. Raises PubFailed if an angle is not finite there."""
    if not values.columns:
        return circuit
    try:
        at = {parameter: float(column[point]) for parameter, column in values.columns.items()}
        return circuit.assign_parameters(at, strict=False)  # normalization may have dropped an unused input
    except (ArithmeticError, TypeError, ValueError):
        raise _not_finite() from None


class Angles:
    """A circuit with a separate parameter for each angle, since Aer binds expressions slowly and accepts NaN."""

    def __init__(self, circuit: QuantumCircuit) -> None:
        self.circuit = circuit.copy_empty_like()
        self._expressions: dict[ParameterExpression, Parameter] = {}
        for instruction in circuit.data:
            if not instruction.is_parameterized():
                self.circuit._append(instruction)  # noqa: SLF001  append() checks each argument again
                continue
            operation = instruction.operation.to_mutable()
            operation.params = [self._named(angle) for angle in operation.params]
            self.circuit._append(instruction.replace(operation=operation))  # noqa: SLF001

    @property
    def differ(self) -> bool:
        """Whether any angle depends on a parameter."""
        return bool(self._expressions)

    def at(self, values: Values, points: range) -> dict[Parameter, list[float]]:
        """Returns the angles at these points. Raises PubFailed if one is not finite."""
        found: dict[Parameter, list[float]] = {}
        columns = {parameter: column[points.start : points.stop] for parameter, column in values.columns.items()}
        for expression, name in self._expressions.items():
            found[name] = _finite(columns[expression].tolist() if expression in columns else _rows(expression, columns))
        return found

    def iterate(self, values: Values, points: range) -> Iterator[dict[ParameterExpression, float]]:
        """Yields the angles of each point by the expressions of the original circuit. Raises PubFailed."""
        rows = zip(*self.at(values, points).values(), strict=True) if self.differ else ((),) * len(points)
        return (dict(zip(self._expressions, row, strict=True)) for row in rows)

    def _named(self, angle: Any) -> Any:
        if not isinstance(angle, ParameterExpression) or not angle.parameters:
            return angle
        return self._expressions.setdefault(angle, Parameter(f"angle_{len(self._expressions)}"))


def evaluated(angle: ParameterExpression | float, values: Values) -> NDArray[np.float64]:
    """Returns an angle at each point. Raises PubFailed if it is not finite."""
    if not isinstance(angle, ParameterExpression) or not angle.parameters:
        return np.full(values.points, _finite([float(angle)])[0])
    return np.array(_finite(_rows(angle, values.columns)))


def _finite(angles: list[float]) -> list[float]:
    if not all(map(math.isfinite, angles)):
        raise _not_finite()
    return angles


def _rows(expression: ParameterExpression, columns: Mapping[Parameter, NDArray[np.float64]]) -> list[float]:
    parameters = list(expression.parameters)
    rows = zip(*(columns[parameter].tolist() for parameter in parameters), strict=True)
    try:
        return [float(expression.bind(dict(zip(parameters, row, strict=True)))) for row in rows]
    except (ArithmeticError, TypeError, ValueError):
        raise _not_finite() from None


def _not_finite() -> PubFailed:
    return PubFailed(
        PubReason.INVALID_CIRCUIT,
        "The parameterValues give a gate an angle that is not a finite number. Change the values.",
    )


def _named(names: Iterable[str]) -> str:
    """Returns the first names, truncated, since the user chooses them."""
    found = list(names)
    shown = ", ".join(name[:NAME_CHARS] for name in islice(found, NAMED))
    return shown + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")
