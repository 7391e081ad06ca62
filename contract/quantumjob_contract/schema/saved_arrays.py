"""Arrays that a pub saves on request: the state at its circuit's end, as `.npz` beside the JSON. Pure, no NumPy.

    <ns>/<uid>/<shard>/<n>.npz     of the segment of that number; in it `<pub's index>/<name>.npy` for each array

The values are those of qubits in Qiskit's order: qubit 0 is the lowest bit of an index.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

Save = Literal["Statevector", "DensityMatrix", "Probabilities"]


class ArrayKind(NamedTuple):
    """What is saved under one name."""

    name: str
    """Of the array in a result, as Aer's instructions have it."""
    dtype: str
    """As NumPy writes it, little-endian."""
    axes: int
    """How many axes of 2**qubits entries follow on those of the parameter values."""


KINDS: Final[dict[Save, ArrayKind]] = {
    "Statevector": ArrayKind("statevector", "<c16", 1),
    "DensityMatrix": ArrayKind("density_matrix", "<c16", 2),
    "Probabilities": ArrayKind("probabilities", "<f8", 1),
}


class SavedArray(msgspec.Struct, frozen=True, omit_defaults=True):
    """An array of a pub's result, without its values."""

    shape: list[int]
    dtype: str
    method: str
    """Of Qiskit Aer, by which it was computed; that of the samples may be another."""
    shots: int = 0
    """Runs that were averaged, where what happens in one depends on a measurement; 0 where it is exact."""


def in_order(wanted: Iterable[Save]) -> list[Save]:
    """Each once, in the order of KINDS: a program's bytes do not depend on the order in which a user writes them."""
    found = set(wanted)
    return [save for save in KINDS if save in found]


def shape(save: Save, points: Sequence[int], qubits: int) -> list[int]:
    """The shape of an array, `points` that of the parameter values."""
    return [*points, *[1 << qubits] * KINDS[save].axes]


def item_bytes(save: Save) -> int:
    """Bytes of one value."""
    return int(KINDS[save].dtype[2:])


def nbytes(wanted: Iterable[Save], points: int, qubits: int) -> int:
    """Bytes of all values of a pub's arrays."""
    return sum(points * item_bytes(save) << qubits * KINDS[save].axes for save in wanted)


def is_of(found: SavedArray, save: Save) -> bool:
    """Whether it may be an array of this kind: of its type, the last axes of equal length."""
    axes = found.shape[-KINDS[save].axes :]
    return (
        found.dtype == KINDS[save].dtype
        and len(axes) == KINDS[save].axes
        and len(set(axes)) == 1
        and min(found.shape) > 0
        and math.prod(found.shape) <= 1 << 40
    )


def member(index: int, name: str) -> str:
    """The name of a pub's array in its `.npz`, without the `.npy` that NumPy takes off."""
    return f"{index}/{name}"
