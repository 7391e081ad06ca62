"""What acceptance says to parameter values and observables, which the schema cannot check. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from quantumjob_contract import arrays, limits
from quantumjob_contract.arrays import BadArray
from quantumjob_contract.program import Primitive, Pub


def problem(primitive: Primitive, pubs: Sequence[Pub]) -> str:
    """What is wrong with them, and what to do; empty where nothing is."""
    values = terms = 0
    for index, pub in enumerate(pubs):
        place = f"spec.program.pubs[{index}]"
        if (pub.observables is None) == (primitive == "Estimator"):
            return (
                f"{place} ({pub.name}): an Estimator needs observables, for example `observables: [ZZ]`."
                if primitive == "Estimator"
                else f"{place}.observables ({pub.name}): only an Estimator has observables; set spec.program.primitive."
            )
        field = "parameterValues"
        try:
            shape, columns = arrays.bindings(pub.parameter_values)
            values += sum(len(column.values) for column in columns)
            field = "observables"
            if pub.observables is not None:
                found = arrays.observables(pub.observables)
                terms += sum(map(len, found.terms))
                shape = arrays.broadcast(shape, found.shape)
        except BadArray as bad:
            return f"{place}.{field}{bad} ({pub.name})."
        if math.prod(shape) > limits.MAX_POINTS:
            return f"{place} ({pub.name}) has {math.prod(shape)} points, the limit is {limits.MAX_POINTS}: split it."
    if values > limits.MAX_PARAMETER_VALUES:
        return f"spec.program has {values} parameter values, the limit is {limits.MAX_PARAMETER_VALUES}: split the job."
    if terms > limits.MAX_TERMS:
        return f"spec.program has {terms} Pauli strings in observables, the limit is {limits.MAX_TERMS}: split the job."
    return ""
