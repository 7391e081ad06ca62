"""Describes the arrays that `save` of a pub requests: the final state, as `.npz` next to the segment. No NumPy.

    <ns>/<uid>/<shard>/<n>.npz     arrays of segment n; its members are `<index of the pub>/<name>.npy`

The values are those of qubits in Qiskit's order: qubit 0 is the lowest bit of an index.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

Save = Literal["Statevector", "DensityMatrix", "Probabilities"]


class ArrayKind(NamedTuple):
    """Name, type and axes of an array."""

    name: str
    """Name in the result, after Aer's save instructions."""
    dtype: str
    """NumPy's type string, little-endian."""
    axes: int
    """Number of axes of 2**qubits entries, after those of the parameter values."""


KINDS: Final[dict[Save, ArrayKind]] = {
    "Statevector": ArrayKind("statevector", "<c16", 1),
    "DensityMatrix": ArrayKind("density_matrix", "<c16", 2),
    "Probabilities": ArrayKind("probabilities", "<f8", 1),
}


class SavedArray(msgspec.Struct, frozen=True, omit_defaults=True):
    """Describes an array of a pub's result."""

    shape: list[int]
    dtype: str
    method: str
    """Aer's method that computed it; the samples may have another."""
    shots: int = 0
    """Number of averaged runs where the state depends on measured outcomes; 0 where it is exact."""


def in_order(wanted: Iterable[Save]) -> list[Save]:
    """Sorts in the order of KINDS, without duplicates, so that equal programs have equal bytes."""
    found = set(wanted)
    return [save for save in KINDS if save in found]


def shape(save: Save, points: Sequence[int], qubits: int) -> list[int]:
    """Returns the shape of an array; `points` is that of the parameter values."""
    return [*points, *[1 << qubits] * KINDS[save].axes]


def item_bytes(save: Save) -> int:
    """Returns the bytes of one value."""
    return int(KINDS[save].dtype[2:])


def nbytes(wanted: Iterable[Save], points: int, qubits: int) -> int:
    """Returns the bytes of all values of a pub's arrays."""
    return sum(points * item_bytes(save) << qubits * KINDS[save].axes for save in wanted)


def is_of(found: SavedArray, save: Save) -> bool:
    """Whether a description fits this kind: its type, last axes of equal length, a size that can be."""
    axes = found.shape[-KINDS[save].axes :]
    return (
        found.dtype == KINDS[save].dtype
        and len(axes) == KINDS[save].axes
        and len(set(axes)) == 1
        and min(found.shape) > 0
        and math.prod(found.shape) <= 1 << 40
    )


def member(index: int, name: str) -> str:
    """Returns the name of a pub's array in the `.npz`, without `.npy`, which NumPy strips."""
    return f"{index}/{name}"
