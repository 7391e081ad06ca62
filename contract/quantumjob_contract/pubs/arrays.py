"""Checks parameterValues and observables by the rules of Qiskit's BindingsArray and ObservablesArray. Pure, no NumPy.

parameterValues   a map from the parameter's name to nested lists of numbers, one number for each point;
                  from several names ("a, b", or "t[0:3]" as Python slices a ParameterVector), whose values
                  are along the last axis
observables       a Pauli string, a map from Pauli strings to weights, or nested lists of these
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from quantumjob_contract import limits

Shape = tuple[int, ...]
SMALLEST_WEIGHT: Final = 1e-8
"""Qiskit treats weights up to this as zero."""
UNQUOTED: Final = "YAML takes an unquoted Y, y, N or n for one; write it in quotes"
_SLICE: Final = re.compile(r"(.+)\[(\d{0,6}):(\d{1,6})\]")
_PAULIS: Final = re.compile(r"[IXYZ]+")


class BadArray(ValueError):
    """The array is invalid; the message continues the word `parameterValues` or `observables`."""


class Column(NamedTuple):
    """Values of some parameters, flat in C order: those of one point are adjacent."""

    names: tuple[str, ...]
    values: list[float]


class Bindings(NamedTuple):
    """Values of all parameters of a pub, of one shape."""

    shape: Shape
    columns: list[Column]


def bindings(parameter_values: Mapping[str, Any]) -> Bindings:
    """Checks and flattens parameterValues. Raises BadArray."""
    columns: list[Column] = []
    shapes: list[tuple[str, set[Shape]]] = []
    for key, nested in parameter_values.items():
        shape, leaves = flat(nested)
        names = parameter_names(key)
        columns.append(Column(names, [_number(leaf, key) for leaf in leaves]))
        shapes.append((key, leading_shapes(names, shape)))
        if not shapes[-1][1]:
            raise BadArray(f"[{key!r}] has {len(names)} names, so the last axis of its values must have that length")
    given = Counter(name for column in columns for name in column.names)
    if given and given.most_common(1)[0][1] > 1:
        raise BadArray(f" gives the parameter {given.most_common(1)[0][0]!r} twice")
    common = set.intersection(*(found for _, found in shapes)) if shapes else {()}
    if not common:
        shown = ", ".join(f"{key!r}: {list(max(found))}" for key, found in shapes[:5])
        raise BadArray(f" must have one shape for all parameters; here it is {shown}")
    (shape,) = common
    if math.prod(shape) == 0:
        raise BadArray(" must hold at least one value for each parameter")
    return Bindings(shape, columns)


def parameter_names(key: str) -> tuple[str, ...]:
    """Returns the parameters that a key names. Raises BadArray."""
    names: list[str] = []
    for part in (part.strip() for part in key.split(",")):
        if not part:
            raise BadArray(f" has the key {key!r} with an empty name")
        if sliced := _SLICE.fullmatch(part):
            start, end = int(sliced[2] or "0"), int(sliced[3])
            if not 0 < end - start <= limits.MAX_PARAMETER_VALUES:
                raise BadArray(
                    f" has the key {key!r}, whose slice is empty or longer than {limits.MAX_PARAMETER_VALUES}"
                )
            names += [f"{sliced[1]}[{index}]" for index in range(start, end)]
        else:
            names.append(part)
    return tuple(names)


def leading_shapes(names: tuple[str, ...], shape: Shape) -> set[Shape]:
    """Returns the shapes of points for which values of these names have this shape; empty where there is none.

    As in BindingsArray the last axis is over the names; a single name has no such axis, unless its length is 1.
    """
    if len(names) == 1 and (not shape or shape[-1] != 1):
        return {shape}
    return {shape[:-1]} if shape and shape[-1] == len(names) else set()


def points(parameter_values: Mapping[str, Any]) -> int:
    """Returns the number of points of valid parameterValues."""
    for key, nested in parameter_values.items():
        shape: list[int] = []
        while isinstance(nested, list):
            shape.append(len(nested))
            nested = nested[0]  # noqa: PLW2901  one level deeper
        (leading,) = leading_shapes(parameter_names(key), tuple(shape))
        return math.prod(leading)
    return 1


class Observables(NamedTuple):
    """The observables of a pub."""

    shape: Shape
    terms: list[dict[str, float]]
    """Of each observable, in C order: weights by Pauli string, qubit 0 the last letter."""


def observables(nested: Any) -> Observables:
    """Checks and flattens observables. Raises BadArray."""
    shape, leaves = flat(nested)
    if not leaves:
        raise BadArray(" must hold at least one observable")
    terms = [_terms(leaf) for leaf in leaves]
    widths = {len(pauli) for each in terms for pauli in each}
    if len(widths) > 1:
        raise BadArray(
            f" must have Pauli strings of one length, a letter for each qubit; here are {sorted(widths)[:5]}"
        )
    if max(widths) > limits.MAX_QUBITS:
        raise BadArray(f" has Pauli strings of {max(widths)} letters; the limit is {limits.MAX_QUBITS} qubits")
    return Observables(shape, terms)


def broadcast(one: Shape, other: Shape) -> Shape:
    """Broadcasts two shapes as NumPy does. Raises BadArray."""
    lengths = list(zip_longest(reversed(one), reversed(other), fillvalue=1))
    if any(a != b and 1 not in (a, b) for a, b in lengths):
        raise BadArray(f" of shape {list(other)} and parameterValues of shape {list(one)} cannot be broadcast together")
    return tuple(b if a == 1 else a for a, b in reversed(lengths))


def flat(nested: Any) -> tuple[Shape, list[Any]]:
    """Returns the shape of nested lists and their leaves in C order. Raises BadArray where they are ragged."""
    shape: list[int] = []
    leaves: list[Any] = [nested]
    while leaves and isinstance(leaves[0], list):
        length = len(leaves[0])
        shape.append(length)
        if len(shape) > limits.MAX_DIMENSIONS:
            raise BadArray(f" is nested more than {limits.MAX_DIMENSIONS} deep")
        if not all(isinstance(leaf, list) and len(leaf) == length for leaf in leaves):
            raise _ragged()
        leaves = [item for leaf in leaves for item in leaf]
    if any(isinstance(leaf, list) for leaf in leaves):
        raise _ragged()
    return tuple(shape), leaves


def _ragged() -> BadArray:
    return BadArray(" is ragged: lists at the same depth must have the same length")


def _number(leaf: Any, key: str) -> float:
    try:
        if isinstance(leaf, int | float) and not isinstance(leaf, bool) and math.isfinite(number := float(leaf)):
            return number
    except OverflowError:
        pass
    raise BadArray(f"[{key!r}] holds a value that is not a finite number")


def _terms(leaf: Any) -> dict[str, float]:
    terms = {leaf: 1.0} if isinstance(leaf, str) else leaf
    if isinstance(terms, bool) or (isinstance(terms, dict) and not {"true", "false"}.isdisjoint(terms)):
        raise BadArray(f" has a boolean for a Pauli string: {UNQUOTED}")
    if not isinstance(terms, dict) or not terms:
        raise BadArray(" holds a value that is neither a Pauli string nor a map from Pauli strings to weights")
    for pauli in terms:
        if not _PAULIS.fullmatch(pauli):
            raise BadArray(" has a Pauli string with letters other than I, X, Y and Z")
    weights = {pauli: _number(weight, pauli) for pauli, weight in terms.items()}
    if max(map(abs, weights.values())) <= SMALLEST_WEIGHT:
        raise BadArray(f" holds an observable without a weight above {SMALLEST_WEIGHT:g}")
    return weights
