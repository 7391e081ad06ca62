"""Splits a QPY file of many circuits into files of one circuit, by its bytes. Parses no circuit.

Version 16 of the format introduced a table of the circuits' offsets. An older file cannot be split without parsing it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

MAGIC: Final = b"QISKIT"
FILE: Final = struct.Struct("!6sBBBBQc")
"""Magic, QPY version, Qiskit's version in three bytes, number of circuits, encoding of symbols."""
WITH_TABLE: Final = 16
"""The first version with the table of offsets."""
OFFSET: Final = struct.Struct("!Q")
CIRCUIT: Final = b"q"
HEAD_BYTES: Final = FILE.size + len(CIRCUIT)
"""Bytes before the table."""


class NotQpy(ValueError):
    """The bytes are not a QPY file that can be split; the message says what to do."""


def count(head: bytes) -> int:
    """Returns the number of circuits of a file that begins with these HEAD_BYTES. Raises NotQpy."""
    if len(head) < HEAD_BYTES or not head.startswith(MAGIC):
        raise NotQpy("is not a QPY file")
    version, circuits = head[len(MAGIC)], FILE.unpack_from(head)[5]
    if version < WITH_TABLE:
        raise NotQpy(
            f"is QPY of version {version}, which has no table of its circuits: write it with "
            f"qiskit.qpy.dump(circuits, file, version={WITH_TABLE}) of Qiskit 2.1 or later"
        )
    if head[FILE.size : HEAD_BYTES] != CIRCUIT:
        raise NotQpy("does not hold circuits")
    return int(circuits)


class QpyFile(Sequence[bytes]):
    """The circuits of a file, each as the bytes of a QPY file of one circuit, which are copied on access."""

    def __init__(self, data: bytes) -> None:
        """Raises NotQpy where the table does not match the bytes."""
        circuits = count(data[:HEAD_BYTES])
        end = HEAD_BYTES + circuits * OFFSET.size
        if end > len(data):
            raise NotQpy("is damaged: its table is longer than the file")
        starts = [start for (start,) in OFFSET.iter_unpack(data[HEAD_BYTES:end])]
        self._data = data
        self._edges = [*starts, len(data)]
        if self._edges[0] != end or self._edges != sorted(self._edges):
            raise NotQpy("is damaged: its table does not match its bytes")
        magic, version, major, minor, patch, _, symbols = FILE.unpack_from(data)
        self._head = FILE.pack(magic, version, major, minor, patch, 1, symbols) + CIRCUIT
        self._head += OFFSET.pack(HEAD_BYTES + OFFSET.size)

    def __len__(self) -> int:
        return len(self._edges) - 1

    def __getitem__(self, index: int) -> bytes:  # type: ignore[override]  # no slices
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._head + self._data[self._edges[index] : self._edges[index + 1]]
