"""Converts the classical bits of each shot to the samples and counts of each register, as in Qiskit's BitArray."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from quantumjob_contract.limits import MAX_OUTCOMES
from quantumjob_contract.schema.results import Register
from quantumjob_worker.engines.base import packed_bytes

CHUNK: Final = 1 << 14
"""Shots that are unpacked at once, at a byte for each bit."""


def concatenate(parts: list[dict[str, Register]], shape: Sequence[int]) -> dict[str, Register]:
    """Concatenates samples of a pub's points, in C order. `counts` are the sum over all points."""
    return {name: _joined([part[name] for part in parts], shape) for name in parts[0]}


def _joined(parts: list[Register], shape: Sequence[int]) -> Register:
    samples = b"".join(base64.b64decode(part.samples) for part in parts)
    return Register(
        num_bits=parts[0].num_bits,
        samples=base64.b64encode(samples).decode(),
        counts=_added(part.counts for part in parts),
        shape=list(shape),
    )


def _added(parts: Iterable[Mapping[str, int] | None]) -> dict[str, int] | None:
    found: Counter[str] = Counter()
    for part in parts:
        found.update(part or {})
        if part is None or len(found) > MAX_OUTCOMES:
            return None
    return dict(sorted(found.items()))


def result_bytes(circuit: QuantumCircuit, shots: int) -> int:
    """Returns the bytes of all registers' samples."""
    return sum(shots * packed_bytes(register.size) for register in circuit.cregs)


def registers(circuit: QuantumCircuit, memory: NDArray[np.uint8]) -> dict[str, Register]:
    """Returns samples and counts of each classical register, in the circuit's order.

    `memory` has shape (shots, bytes): all classical bits of a shot, bit 0 the lowest of the last byte.
    Bit 0 of a register is the lowest bit of its last byte, as in `BitArray.array` of shape (shots, bytes).
    """
    found = {register.name: [circuit.find_bit(bit).index for bit in register] for register in circuit.cregs}
    every = list(range(circuit.num_clbits))
    return {name: _register(bits, memory, only=bits == every) for name, bits in found.items()}


def _register(bits: list[int], memory: NDArray[np.uint8], *, only: bool) -> Register:
    if only:
        packed = memory.tobytes()
    else:
        packed = b"".join(_packed(bits, memory[start : start + CHUNK]) for start in range(0, len(memory), CHUNK))
    return Register(num_bits=len(bits), samples=base64.b64encode(packed).decode(), counts=counts(packed, len(bits)))


def _packed(bits: list[int], memory: NDArray[np.uint8]) -> bytes:
    if not bits:
        return b""
    size = memory.shape[1]
    unpacked: NDArray[np.uint8] = np.unpackbits(memory, axis=1)
    columns = [size * 8 - 1 - bit for bit in reversed(bits)]
    chosen = np.zeros((len(memory), packed_bytes(len(bits)) * 8), np.uint8)
    chosen[:, -len(bits) :] = unpacked[:, columns]
    return np.packbits(chosen, axis=1).tobytes()


def counts(packed: bytes, num_bits: int) -> dict[str, int] | None:
    """Counts outcomes by bit string, in ascending order; None above MAX_OUTCOMES."""
    if num_bits == 0:
        return None
    size = packed_bytes(num_bits)
    if size <= 2:
        tally = np.bincount(np.frombuffer(packed, f">u{size}"))
        outcomes = np.flatnonzero(tally)
        if len(outcomes) > MAX_OUTCOMES:
            return None
        pairs = zip(outcomes.tolist(), tally[outcomes].tolist(), strict=True)
        return {f"{outcome:0{num_bits}b}": times for outcome, times in pairs}
    found: Counter[bytes] = Counter()
    for start in range(0, len(packed), size * CHUNK):
        end = min(len(packed), start + size * CHUNK)
        found.update(packed[at : at + size] for at in range(start, end, size))
        if len(found) > MAX_OUTCOMES:
            return None
    return {f"{int.from_bytes(shot, 'big'):0{num_bits}b}": found[shot] for shot in sorted(found)}
