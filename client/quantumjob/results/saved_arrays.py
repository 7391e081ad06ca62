"""Reads saved arrays from their `.npz`, without unpickling."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from quantumjob_contract.schema.results import PubResult
from quantumjob_contract.schema.saved_arrays import KINDS, SavedArray, member

Values: TypeAlias = dict[int, dict[str, NDArray[Any]]]
"""Arrays by the pub's index and the array's name."""


def saved_arrays(data: bytes, pubs: Collection[int]) -> Values:
    """Reads the arrays of these pubs. Raises ValueError where the data is no `.npz`, or holds Python objects."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {
            index: {
                kind.name: file[name] for kind in KINDS.values() if (name := member(index, kind.name)) in file.files
            }
            for index in pubs
        }


def checked(pub: PubResult, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Returns the arrays that a result describes. Raises ValueError where one is missing or differs."""
    for name, about in pub.arrays.items():
        found = values.get(name)
        if found is None or (list(found.shape), found.dtype.str) != (about.shape, about.dtype):
            raise ValueError(
                f"The array {name} of pub {pub.index} ({pub.name}) is missing, or differs from its description."
            )
    return {name: values[name] for name in pub.arrays}


def points(arrays: Mapping[str, SavedArray]) -> tuple[int, ...]:
    """Returns the shape of the parameter values by the shape of an array; () where there are no arrays."""
    axes = {kind.name: kind.axes for kind in KINDS.values()}
    return next((tuple(about.shape[: -axes[name]]) for name, about in arrays.items()), ())
