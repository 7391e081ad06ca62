"""A `.npz` put together from arrays in NumPy's format, without a copy of any, and without NumPy: the parent has none.

The same arrays give the same bytes: no time, no compression.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from typing import Any, NamedTuple


class Npz(NamedTuple):
    """The file, in parts."""

    parts: list[memoryview]

    @property
    def bytes(self) -> int:
        return sum(map(len, self.parts))

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for part in self.parts:
            digest.update(part)
        return digest.hexdigest()


class _Parts:
    """What is written, as it is."""

    def __init__(self) -> None:
        self.found: list[memoryview] = []

    def write(self, data: bytes | memoryview) -> int:
        self.found.append(memoryview(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def pack(arrays: Iterable[tuple[str, memoryview]]) -> Npz:
    """A file of these arrays by their names."""
    parts: Any = _Parts()  # ZipFile asks for no more than is there
    with zipfile.ZipFile(parts, "w") as file:
        for name, data in arrays:
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), data)
    return Npz(parts.found)
