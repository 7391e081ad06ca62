"""Checks a pub's arrays against its primitive and the limits, for the resource and for lists of pubs. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

from quantumjob_contract import limits
from quantumjob_contract.pubs import arrays
from quantumjob_contract.pubs.arrays import BadArray
from quantumjob_contract.schema.program import Primitive, Pub


class Size(NamedTuple):
    """Size of a pub."""

    points: int
    values: int
    """Numbers in parameterValues."""
    terms: int
    """Pauli strings in observables."""


class BadPub(ValueError):
    """The pub is invalid."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self._field, self._problem = field, problem

    def message(self, place: str, name: str) -> str:
        """Returns the problem and what to do, as a sentence that begins with the place of the pub."""
        return f"{place}{self._field} ({name}){self._problem}."


def size(primitive: Primitive, pub: Pub) -> Size:
    """Checks a pub and returns its size. Raises BadPub."""
    if pub.observables is None and primitive == "Estimator":
        raise BadPub("", ": an Estimator needs observables, for example `observables: [ZZ]`")
    if pub.observables is not None and primitive != "Estimator":
        raise BadPub(".observables", ": only an Estimator has observables; set spec.program.primitive")
    if pub.save and primitive != "Sampler":
        raise BadPub(".save", ": only a Sampler saves arrays of the state; leave save out")
    field, terms = "parameterValues", 0
    try:
        shape, columns = arrays.bindings(pub.parameter_values)
        field = "observables"
        if pub.observables is not None:
            found = arrays.observables(pub.observables)
            terms = sum(map(len, found.terms))
            shape = arrays.broadcast(shape, found.shape)
    except BadArray as bad:
        raise BadPub(f".{field}{bad}", "") from None
    if math.prod(shape) > limits.MAX_POINTS:
        raise BadPub("", f" has {math.prod(shape)} points, the limit is {limits.MAX_POINTS}: split it")
    return Size(math.prod(shape), sum(len(column.values) for column in columns), terms)
