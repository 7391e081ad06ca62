"""Loads QPY by Qiskit's loader, after checking the sizes in its header against the length of the file."""

from __future__ import annotations

import io
import struct
import warnings
from typing import Final

from qiskit import QuantumCircuit, qpy

from quantumjob_contract.limits import MAX_OPERATIONS, MAX_QUBITS
from quantumjob_contract.pubs.qpy_file import CIRCUIT, FILE, HEAD_BYTES, MAGIC, OFFSET, WITH_TABLE
from quantumjob_contract.reasons import PubReason
from quantumjob_worker.errors import PubFailed, too_large

OLDEST: Final = 13
"""Oldest version: loading older ones can execute code (CVE-2025-2000)."""
NEWEST: Final = qpy.common.QPY_VERSION

_CIRCUIT: Final = struct.Struct("!H1cHIIQIQI")
_SMALLEST_REGISTER: Final = 8
_SMALLEST_INSTRUCTION: Final = 20


def load(data: bytes) -> QuantumCircuit:
    """Loads the only circuit of a QPY file. Raises PubFailed."""
    check(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about files of newer versions of Qiskit
        circuits = qpy.load(io.BytesIO(data))
    if len(circuits) != 1 or not isinstance(circuits[0], QuantumCircuit):
        raise _broken()
    return circuits[0]


def check(data: bytes) -> None:
    """Checks the headers: version, and sizes against limits and the length of the file. Raises PubFailed."""
    if len(data) < HEAD_BYTES or not data.startswith(MAGIC):
        raise PubFailed(PubReason.SYNTAX_ERROR, "The circuit is not a QPY file.")
    _, version, _, _, _, programs, symbols = FILE.unpack_from(data)
    if not OLDEST <= version <= NEWEST:
        raise PubFailed(
            PubReason.UNSUPPORTED_FORMAT,
            f"QPY version {version} is not supported, only {OLDEST} to {NEWEST}. Write the file by "
            f"qiskit.qpy.dump(circuit, file, version={OLDEST}) of Qiskit 1.3 or later.",
        )
    if programs != 1:
        raise PubFailed(
            PubReason.UNSUPPORTED_FORMAT, f"The QPY file has {programs} circuits, but a pub has exactly one."
        )
    if symbols not in (b"p", b"e") or data[FILE.size : HEAD_BYTES] != CIRCUIT:
        raise _broken()
    start = HEAD_BYTES
    if version >= WITH_TABLE:
        if len(data) < start + OFFSET.size:
            raise _broken()
        start = OFFSET.unpack_from(data, start)[0]
    _check_circuit(data, start)


def _check_circuit(data: bytes, start: int) -> None:
    if start < 0 or len(data) < start + _CIRCUIT.size:
        raise _broken()
    header = _CIRCUIT.unpack_from(data, start)
    name, _, phase, qubits, clbits, metadata, registers, instructions, variables = header
    content = len(data) - start - _CIRCUIT.size
    if qubits > MAX_QUBITS or clbits > MAX_QUBITS:
        raise too_large("qubits" if qubits > MAX_QUBITS else "classical bits", max(qubits, clbits), MAX_QUBITS)
    if instructions > MAX_OPERATIONS:
        raise too_large("operations", instructions, MAX_OPERATIONS)
    claimed = name + phase + metadata + registers * _SMALLEST_REGISTER + instructions * _SMALLEST_INSTRUCTION
    if claimed + variables > content:
        raise _broken()


def _broken() -> PubFailed:
    return PubFailed(PubReason.SYNTAX_ERROR, "The QPY file is damaged: its header does not match its content.")
