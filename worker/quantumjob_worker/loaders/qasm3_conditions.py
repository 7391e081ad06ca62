"""Converts conditions of OpenQASM 3: bits and registers, combined and compared, as Qiskit's exporter writes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from openqasm3 import ast
from qiskit.circuit import ClassicalRegister, Clbit
from qiskit.circuit.classical import expr
from qiskit_qasm3_import import types
from qiskit_qasm3_import.exceptions import ConversionError
from qiskit_qasm3_import.expression import ValueResolver, resolve_condition

_BINARY: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "&&": expr.logic_and,
    "||": expr.logic_or,
    "&": expr.bit_and,
    "|": expr.bit_or,
    "^": expr.bit_xor,
    "==": expr.equal,
    "!=": expr.not_equal,
    "<": expr.less,
    "<=": expr.less_equal,
    ">": expr.greater,
    ">=": expr.greater_equal,
}


def condition(node: Any, context: Any) -> Any:
    """Returns a condition for Qiskit's control flow: a bit or register with a value, or an expression.

    Raises ConversionError.
    """
    try:
        return resolve_condition(node, context)
    except ConversionError as error:
        first = error
    try:
        found = _expression(node, ValueResolver(context, strict=True))
    except (ConversionError, TypeError, ValueError):
        raise first from None
    if not isinstance(found, expr.Expr):
        raise first
    return found


def _expression(node: Any, values: Any) -> Any:
    """Returns Qiskit's expression, or the value of a constant."""
    if isinstance(node, ast.BinaryExpression) and node.op.name in _BINARY:
        left, right = _expression(node.lhs, values), _expression(node.rhs, values)
        return _BINARY[node.op.name](left, right)
    if isinstance(node, ast.UnaryExpression) and node.op.name in ("!", "~"):
        inner = _expression(node.expression, values)
        return expr.logic_not(inner) if node.op.name == "!" else expr.bit_not(inner)
    value, kind = values.visit(node)
    if isinstance(value, Clbit | ClassicalRegister):
        return expr.lift(value)
    if isinstance(kind, types.Bool | types.Int | types.Uint) and kind.const:
        return bool(value) if isinstance(kind, types.Bool) else int(value)
    raise TypeError
