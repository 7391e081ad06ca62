"""The OpenQASM 3 converter of qiskit_qasm3_import, with limits of size, and checked indices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from openqasm3 import ast
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitError, Parameter
from qiskit_qasm3_import import expression, types
from qiskit_qasm3_import.converter import ConvertVisitor, GateBuilder
from qiskit_qasm3_import.data import Scope, Symbol
from qiskit_qasm3_import.exceptions import ConversionError, raise_from_node
from qiskit_qasm3_import.state import LocalScope

from quantumjob_contract.limits import MAX_OPERATIONS, MAX_QUBITS
from quantumjob_contract.reasons import PubReason
from quantumjob_worker.errors import MessageTable, PubFailed, too_large, translate_message
from quantumjob_worker.loaders.qasm3_conditions import condition
from quantumjob_worker.loaders.qasm3_gates import UserGate


class BoundedVisitor(ConvertVisitor):
    """Counts operations, with gates expanded and loops unrolled, before it builds them."""

    def __init__(self) -> None:
        super().__init__()
        self._costs: dict[str, int] = {}
        self._counts = [0]
        """Operations of the program, then of the gate that is being defined."""
        self._repeats = 1
        """Product of the lengths of the enclosing loops."""
        self._qubits = 0
        self._clbits = 0

    def visit(self, node: Any, context: Any = None) -> Any:
        try:
            return super().visit(node, context)
        except (TypeError, ArithmeticError, CircuitError) as error:
            raise _placed(_pub_error(error), node) from error

    def visit_QubitDeclaration(self, node: Any, context: Any) -> Any:  # noqa: N802  a name of the base class
        self._qubits += self._size(node, node.size, context)
        if self._qubits > MAX_QUBITS:
            raise _placed(too_large("qubits", self._qubits, MAX_QUBITS), node)
        return super().visit_QubitDeclaration(node, context)

    def visit_ClassicalDeclaration(self, node: Any, context: Any) -> Any:  # noqa: N802
        if isinstance(node.type, ast.BitType):
            self._clbits += self._size(node, node.type.size, context)
            if self._clbits > MAX_QUBITS:
                raise _placed(too_large("classical bits", self._clbits, MAX_QUBITS), node)
        return super().visit_ClassicalDeclaration(node, context)

    def visit_QuantumGateDefinition(self, node: Any, context: Any) -> Any:  # noqa: N802
        self._counts.append(0)
        context = super().visit_QuantumGateDefinition(node, context)
        self._costs[node.name.name] = max(1, self._counts.pop())
        return context

    def _define_gate(self, name: str, definition: Any, *rest: Any) -> Any:
        if isinstance(definition, GateBuilder):
            definition = _UserGateBuilder(name, definition._definition, definition._order)  # noqa: SLF001
        return super()._define_gate(name, definition, *rest)

    def visit_QuantumGate(self, node: Any, context: Any) -> Any:  # noqa: N802
        for modifier in node.modifiers:
            if modifier.modifier in (ast.GateModifierName.ctrl, ast.GateModifierName.negctrl) and modifier.argument:
                controls = self._resolve_constant_int(modifier.argument, context)
                if controls > MAX_QUBITS:
                    raise _placed(too_large("controls on one gate", controls, MAX_QUBITS), node)
        widths = (self._resolve_qarg(qubits, context) for qubits in node.qubits)
        width = max((len(qubits) for qubits in widths if hasattr(qubits, "__len__")), default=1)
        self._count(self._costs.get(node.name.name, 1) * max(1, width), node)
        return super().visit_QuantumGate(node, context)

    def _resolve_condition(self, node: Any, context: Any) -> Any:
        return condition(node, context)

    def visit_ForInLoop(self, node: Any, context: Any) -> Any:  # noqa: N802
        """Unrolls a loop, so that its variable can be an index; keeps it as a loop only if the body leaves it."""
        values, kind = self._resolve_generic(node.set_declaration, context, strict=True)
        if isinstance(kind, types.Range):
            values = _loop_range(values, node)
        elif not isinstance(kind, types.Sequence):
            raise_from_node(node, "only ranges and discrete integer sets are supported")
        self._count(_length(values), node)
        if _exits_loop(node.block):
            with self._repeated(_length(values)):
                return super().visit_ForInLoop(node, context)
        for position, value in enumerate(values):
            with LocalScope(context) as inner:
                inner.symbol_table.insert(  # type: ignore[no-untyped-call]
                    Symbol(node.identifier.name, value, types.Int(const=True), Scope.LOCAL, node)
                )
                before = self._counts[-1]
                for statement in node.block:
                    self.visit(statement, inner)
                if position == 0:  # check all iterations before the second is built
                    self._bound(before + (self._counts[-1] - before) * _length(values), node)
        return context

    def _size(self, node: Any, size: Any, context: Any) -> int:
        if size is None:
            return 1
        value = int(self._resolve_constant_int(size, context))
        if value < 1:
            raise PubFailed(PubReason.INVALID_CIRCUIT, "A register's size must be at least 1.", *_place(node))
        return value

    def _count(self, operations: int, node: Any) -> None:
        self._counts[-1] += operations * self._repeats
        self._bound(self._counts[-1], node)

    def _bound(self, operations: int, node: Any) -> None:
        if operations > MAX_OPERATIONS:
            what = "operations or more, with all gate definitions and loops expanded"
            raise _placed(too_large(what, operations, MAX_OPERATIONS), node)

    @contextmanager
    def _repeated(self, times: int) -> Iterator[None]:
        outer = self._repeats
        self._repeats *= max(1, times)
        try:
            yield
        finally:
            self._repeats = outer


class _UserGateBuilder:
    """Builds a user-defined gate with the angles of a call.

    The base class' builder copies the definition and all nested ones at each call, which is exponential.
    """

    def __init__(self, name: str, body: QuantumCircuit, order: Sequence[Parameter]) -> None:
        self._name = f"own_{name}"
        self._body = body
        self._order = order

    def __call__(self, *params: Any) -> UserGate:
        if len(params) != len(self._order):
            raise ConversionError("wrong number of parameters")
        return UserGate(self._name, self._body, self._order, params)


def _loop_range(values: slice, node: Any) -> range:
    if values.start is None or values.stop is None:
        raise_from_node(node, "for-loop ranges must have a start and end")
    if values.step == 0:
        raise PubFailed(PubReason.INVALID_CIRCUIT, "A loop's step is zero.", *_place(node))
    return range(values.start, values.stop, values.step or 1)


def _length(values: Any) -> int:
    """Returns the length, also of a range that is too long for len()."""
    if isinstance(values, range):
        return max(0, -((values.start - values.stop) // values.step))
    return len(values)


def _exits_loop(statements: list[Any]) -> bool:
    """Whether a `break` or `continue` among these leaves this loop, and not an inner one."""
    for statement in statements:
        if isinstance(statement, ast.BreakStatement | ast.ContinueStatement):
            return True
        if isinstance(statement, ast.BranchingStatement) and (
            _exits_loop(statement.if_block) or _exits_loop(statement.else_block)
        ):
            return True
        if isinstance(statement, ast.Box) and _exits_loop(statement.body):
            return True
    return False


def _checked_index(self: Any, collection: Any, collection_type: Any, indexer: Any, base: Any) -> Any:
    """Indexes as the package does, but raises an error for a range beyond the register instead of shortening it."""
    if (
        isinstance(collection_type, (types.BitArray, types.QubitArray))
        and not isinstance(indexer, ast.DiscreteSet)
        and len(indexer) == 1
        and isinstance(indexer[0], ast.RangeDefinition)
    ):
        chosen, _ = self.visit(indexer[0])
        bits = [collection[i] for i in _range(chosen, len(collection), base)]
        return bits, type(collection_type)(len(bits))
    try:
        return _original_index(self, collection, collection_type, indexer, base)
    except IndexError:
        raise_from_node(base, "index out of range")
    except TypeError:  # the variable of a loop with `break`
        raise_from_node(base, "unsupported index")


def _range(chosen: slice, size: int, node: Any) -> range:
    """Returns the indices of a range with both ends included. The package has moved the end by one already."""
    step = 1 if chosen.step is None else chosen.step
    if step == 0:
        raise PubFailed(PubReason.INVALID_CIRCUIT, "A range's step is zero.", *_place(node))
    sign = 1 if step > 0 else -1
    first, last = (0, size - 1) if sign > 0 else (size - 1, 0)
    start = first if chosen.start is None else chosen.start
    end = last if chosen.stop is None else chosen.stop - sign
    start, end = (index + size if index < 0 else index for index in (start, end))
    indices = range(start, end + sign, step)
    if indices and not (0 <= indices[0] < size and 0 <= indices[-1] < size):
        raise_from_node(node, "index out of range")
    return indices


_MESSAGES: Final[MessageTable] = (
    ("register size", PubReason.INVALID_CIRCUIT, "The registers of one statement differ in size."),
    ("duplicate", PubReason.INVALID_CIRCUIT, "A gate is applied to the same qubit twice."),
    ("gate expectation", PubReason.SYNTAX_ERROR, "A gate is given the wrong number of qubits."),
    ("label expects", PubReason.SYNTAX_ERROR, "A gate is given the wrong number of parameters."),
    ("argument", PubReason.SYNTAX_ERROR, "A gate is given the wrong number of parameters."),
)
"""Replacements for messages of Qiskit's circuit."""


def _pub_error(error: Exception) -> PubFailed:
    if isinstance(error, ArithmeticError):
        return PubFailed(PubReason.INVALID_CIRCUIT, "An angle has no finite value.")
    otherwise = PubFailed(PubReason.INVALID_CIRCUIT, "Qiskit cannot build this statement.")
    return translate_message(str(error), _MESSAGES, otherwise)


def _place(node: Any) -> tuple[int | None, int | None]:
    span = getattr(node, "span", None)
    return (span.start_line, span.start_column + 1) if span is not None else (None, None)


def _placed(failed: PubFailed, node: Any) -> PubFailed:
    return PubFailed(failed.error.reason, failed.error.message, *_place(node))


_original_index = expression.ValueResolver._index_collection  # noqa: SLF001  the package has no hook for it
expression.ValueResolver._index_collection = _checked_index  # type: ignore[method-assign]  # noqa: SLF001
