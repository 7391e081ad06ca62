"""A QPY file of many circuits by its bytes: how many, and each as a file of its own. No circuit is read here.

From version 16 of the format on, a table says where each circuit begins. Older files would have to be parsed for that.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

MAGIC: Final = b"QISKIT"
FILE: Final = struct.Struct("!6sBBBBQc")
"""Magic, QPY version, Qiskit's version in three bytes, number of circuits, how symbols are written."""
WITH_TABLE: Final = 16
"""The first version that has the table."""
OFFSET: Final = struct.Struct("!Q")
CIRCUIT: Final = b"q"
HEAD_BYTES: Final = FILE.size + len(CIRCUIT)
"""What stands before the table."""


class NotQpy(ValueError):
    """It is no QPY file that can be taken apart; the message says what to do."""


def count(head: bytes) -> int:
    """How many circuits a file holds that begins with these HEAD_BYTES. Raises NotQpy."""
    if len(head) < HEAD_BYTES or not head.startswith(MAGIC):
        raise NotQpy("is not a QPY file")
    version, circuits = head[len(MAGIC)], FILE.unpack_from(head)[5]
    if version < WITH_TABLE:
        raise NotQpy(
            f"is QPY of version {version}, which does not say where its circuits begin: write it with "
            f"qiskit.qpy.dump(circuits, file, version={WITH_TABLE}) of Qiskit 2.1 or later"
        )
    if head[FILE.size : HEAD_BYTES] != CIRCUIT:
        raise NotQpy("holds something else than circuits")
    return int(circuits)


class QpyFile(Sequence[bytes]):
    """Each circuit as a QPY file that holds it alone. The bytes are cut when they are asked for."""

    def __init__(self, data: bytes) -> None:
        """Raises NotQpy where the table does not fit the bytes."""
        circuits = count(data[:HEAD_BYTES])
        end = HEAD_BYTES + circuits * OFFSET.size
        if end > len(data):
            raise NotQpy("is damaged: its table is longer than the file")
        starts = [start for (start,) in OFFSET.iter_unpack(data[HEAD_BYTES:end])]
        self._data = data
        self._edges = [*starts, len(data)]
        if self._edges[0] != end or self._edges != sorted(self._edges):
            raise NotQpy("is damaged: its table does not fit its bytes")
        magic, version, major, minor, patch, _, symbols = FILE.unpack_from(data)
        self._head = FILE.pack(magic, version, major, minor, patch, 1, symbols) + CIRCUIT
        self._head += OFFSET.pack(HEAD_BYTES + OFFSET.size)

    def __len__(self) -> int:
        return len(self._edges) - 1

    def __getitem__(self, index: int) -> bytes:  # type: ignore[override]  # no slices
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._head + self._data[self._edges[index] : self._edges[index + 1]]
