"""Loads a circuit's bytes (OpenQASM 2, OpenQASM 3, QPY) as a QuantumCircuit. Child only: input is untrusted."""

from __future__ import annotations

from qiskit import QuantumCircuit

from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.program import Format
from quantumjob_worker.errors import PubFailed
from quantumjob_worker.loaders import qasm2, qpy
from quantumjob_worker.loaders.lexer import decode


def load(format_: Format, data: bytes) -> QuantumCircuit:
    """Returns the circuit. Raises PubFailed, and any exception that a parser raises."""
    if not data.strip():
        raise PubFailed(PubReason.CIRCUIT_EMPTY, "The circuit is empty.")
    if format_ == "QPY":
        return qpy.load(data)
    text = decode(data)
    if format_ == "OpenQASM2":
        return qasm2.load(text)
    from quantumjob_worker.loaders import qasm3  # noqa: PLC0415  see child.import_parsers

    return qasm3.load(text)
