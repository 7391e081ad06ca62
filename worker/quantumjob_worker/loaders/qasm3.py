"""Loads OpenQASM 3 by the ANTLR parser, which is slow; the native parser crashes on malformed text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import openqasm3
from openqasm3.parser import QASM3ParsingError
from qiskit import QuantumCircuit
from qiskit.circuit import ClassicalRegister, Clbit, Parameter, ParameterExpression
from qiskit_qasm3_import.exceptions import ConversionError
from qiskit_qasm3_import.state import add_dummy_parameter_reference

from quantumjob_contract.limits import MAX_QUBITS
from quantumjob_contract.reasons import PubReason
from quantumjob_worker.errors import MessageTable, PubFailed, translate_message
from quantumjob_worker.loaders.lexer import syntax_error, tokenize
from quantumjob_worker.loaders.qasm3_converter import BoundedVisitor

MAX_DEPTH: Final = 64
"""Nesting of brackets: the parser recurses about 20 frames for each."""
_PLACE: Final = re.compile(r"(?:L(\d+):C|(\d+),)(\d+): (.*)", re.DOTALL)

_MESSAGES: Final[MessageTable] = (
    ("is not supported", PubReason.UNSUPPORTED_FORMAT, "Qiskit does not support this statement of OpenQASM 3."),
    ("not currently supported", PubReason.UNSUPPORTED_FORMAT, "Qiskit does not support this part of OpenQASM 3."),
    ("are not supported", PubReason.UNSUPPORTED_FORMAT, "Qiskit does not support this statement of OpenQASM 3."),
    ("unhandled", PubReason.UNSUPPORTED_FORMAT, "Qiskit does not support this operator of OpenQASM 3."),
    ("unsupported", PubReason.UNSUPPORTED_FORMAT, "Qiskit does not support this part of OpenQASM 3."),
    (
        "conditions must be",
        PubReason.UNSUPPORTED_FORMAT,
        (
            "Qiskit does not support this condition. Compare a register with a number, a bit with true or false, and "
            "combine these by operators."
        ),
    ),
    ("is not defined", PubReason.SYNTAX_ERROR, "A name is used that is not defined."),
    ("Undefined symbol", PubReason.SYNTAX_ERROR, "A name is used that is not defined."),
    (
        "already",
        PubReason.SYNTAX_ERROR,
        "A name is defined twice. The gates of stdgates.inc are defined already (x, y, t, p, …).",
    ),
    (
        "cannot be resolved",
        PubReason.UNSUPPORTED_FORMAT,
        "Qiskit does not support this expression of OpenQASM 3. Write its value as a number.",
    ),
    ("only indexing", PubReason.INVALID_CIRCUIT, "Only registers of qubits or bits can be indexed."),
    ("out of range", PubReason.INVALID_CIRCUIT, "An index is out of range of its register."),
    ("number of parameters", PubReason.SYNTAX_ERROR, "A gate is given the wrong number of parameters."),
    ("broadcast", PubReason.INVALID_CIRCUIT, "The registers of one statement differ in size."),
    ("measurements must save", PubReason.INVALID_CIRCUIT, "A measurement must be assigned to a bit."),
)
"""Replacements for the converter's messages, which quote the text."""


def load(text: str) -> QuantumCircuit:
    """Loads the circuit. A bit that is declared alone gets a register of its name. Raises PubFailed."""
    scan(text)
    try:
        state = BoundedVisitor().convert(openqasm3.parse(text))
    except (QASM3ParsingError, ConversionError) as error:
        raise _pub_error(error) from None
    circuit: QuantumCircuit = state.circuit
    held = {bit for register in circuit.cregs for bit in register}
    taken = {register.name for register in circuit.cregs}
    circuit.global_phase = _phase(circuit, state.symbol_table.globals())
    for symbol in state.symbol_table.globals():
        if isinstance(symbol.data, Parameter) and symbol.data not in circuit.parameters:
            add_dummy_parameter_reference(circuit, symbol.data)  # an unused input still requires a value
        if isinstance(symbol.data, Clbit) and symbol.data not in held and symbol.name not in taken:
            circuit.add_register(ClassicalRegister(name=symbol.name, bits=[symbol.data]))
    return circuit


def _phase(circuit: QuantumCircuit, symbols: Iterable[Any]) -> ParameterExpression | float:
    """Returns the global phase without loop variables, which the converter hides in it."""
    phase: ParameterExpression | float = circuit.global_phase
    inputs = {symbol.data for symbol in symbols if isinstance(symbol.data, Parameter)}
    if not isinstance(phase, ParameterExpression):
        return phase
    return phase.bind({parameter: 0.0 for parameter in phase.parameters if parameter not in inputs})


def scan(text: str) -> None:
    """Checks version, includes, physical qubits and nesting, which the parser checks too late. Raises PubFailed."""
    depth = 0
    previous = ""
    for token in tokenize(text):
        if previous == "OPENQASM" and not (token.kind == "number" and re.fullmatch(r"3(\.\d+)?", token.text)):
            raise _at(PubReason.UNSUPPORTED_FORMAT, "The version is not OpenQASM 3.", text, token.start)
        if previous == "include" and token.text != "stdgates.inc":
            message = 'Only the file "stdgates.inc" can be included.'
            raise _at(PubReason.UNSUPPORTED_FORMAT, message, text, token.start)
        if token.kind == "physical" and (len(token.text) > 9 or int(token.text[1:]) >= MAX_QUBITS):
            raise _at(
                PubReason.CIRCUIT_TOO_LARGE, f"The highest physical qubit is ${MAX_QUBITS - 1}.", text, token.start
            )
        depth += (token.text in "([{") - (token.text in ")]}") if token.kind == "symbol" else 0
        if depth > MAX_DEPTH:
            raise _at(
                PubReason.CIRCUIT_TOO_LARGE,
                f"Brackets have more than {MAX_DEPTH} levels of nesting.",
                text,
                token.start,
            )
        previous = token.text if token.kind == "word" else ""


def _at(reason: PubReason, message: str, text: str, position: int) -> PubFailed:
    error = syntax_error(text, position, message).error
    return PubFailed(reason, message, error.line, error.column)


def _pub_error(error: Exception) -> PubFailed:
    found = _PLACE.match(getattr(error, "message", None) or str(error))
    if found is None:
        return PubFailed(PubReason.SYNTAX_ERROR, "The text is not valid OpenQASM 3.", *_error_position(error))
    line, column = int(found[1] or found[2]), int(found[3]) + 1
    otherwise = PubFailed(PubReason.SYNTAX_ERROR, "The text is not valid OpenQASM 3 here.", line, column)
    return translate_message(found[4], _MESSAGES, otherwise, line, column)


def _error_position(error: Exception) -> tuple[int | None, int | None]:
    """Returns where ANTLR stopped, from the cause of the exception's cause."""
    cause: Any = error.__cause__
    inner = cause.args[0] if cause is not None and cause.args else cause
    token = getattr(inner, "offendingToken", None)
    return (token.line, token.column + 1) if token is not None else (None, None)
