"""Converts circuits to `circuit` of a pub: inline QPY, or above a size an object in the circuits bucket."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Sequence
from typing import Any, Final

from qiskit import QuantumCircuit, qpy
from qiskit.qpy import QpyError

from quantumjob_contract import limits

JSON = dict[str, Any]
MAX_INLINE_TOTAL: Final = limits.MIB
"""Largest number of characters of all inline circuits of a QuantumJob; the schema has the same."""


def packed(circuit: QuantumCircuit) -> bytes:
    """Returns QPY of the oldest version that can hold the circuit, for a worker with an older Qiskit."""
    for version in range(qpy.QPY_COMPATIBILITY_VERSION, qpy.QPY_VERSION + 1):
        buffer = io.BytesIO()
        try:
            qpy.dump(circuit, buffer, version=version)
        except QpyError:
            if version == qpy.QPY_VERSION:
                raise
        else:
            break
    return buffer.getvalue()


def has_timed_delays(circuit: QuantumCircuit) -> bool:
    """Whether a delay has another unit than `dt`, in control flow, too."""
    return any(
        (instruction.name == "delay" and instruction.operation.unit != "dt")
        or any(map(has_timed_delays, getattr(instruction.operation, "blocks", ())))
        for instruction in circuit.data
    )


def placed(files: Sequence[bytes], upload: Callable[[bytes], str]) -> list[JSON]:
    """Returns `circuit` of each pub. The largest are uploaded until the others fit inline; `upload` returns a key."""
    sizes = [4 * -(-len(data) // 3) for data in files]
    found: list[JSON] = [{} for _ in files]
    left = sum(sizes)
    for index in sorted(range(len(files)), key=sizes.__getitem__, reverse=True):
        data = files[index]
        if sizes[index] > limits.MAX_INLINE_CHARS or left > MAX_INLINE_TOTAL:
            left -= sizes[index]
            found[index] = {"format": "QPY", "object": reference(data, upload)}
        else:
            found[index] = inline(data)
    return found


def inline(data: bytes) -> JSON:
    """Returns `circuit` of a pub with inline QPY."""
    return {"format": "QPY", "inline": base64.b64encode(data).decode()}


def reference(data: bytes, upload: Callable[[bytes], str]) -> JSON:
    """Uploads bytes and returns a reference to the object."""
    return {"key": upload(data), "sha256": hashlib.sha256(data).hexdigest()}
