"""Validates parameter values and observables, which the schema cannot check. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from quantumjob_contract import limits
from quantumjob_contract.pubs import validation
from quantumjob_contract.schema.program import Primitive, Pub


def problem(primitive: Primitive, pubs: Sequence[Pub]) -> str:
    """Returns what is wrong, and what to do; empty where the pubs are valid."""
    values = terms = 0
    for index, pub in enumerate(pubs):
        try:
            size = validation.size(primitive, pub)
        except validation.BadPub as bad:
            return bad.message(f"spec.program.pubs[{index}]", pub.name)
        values += size.values
        terms += size.terms
    if values > limits.MAX_PARAMETER_VALUES:
        return (
            f"spec.program has {values} parameter values, the limit is {limits.MAX_PARAMETER_VALUES}: "
            "split the job, or list the pubs in an object (pubsFrom)."
        )
    if terms > limits.MAX_TERMS:
        return (
            f"spec.program has {terms} Pauli strings in observables, the limit is {limits.MAX_TERMS}: "
            "split the job, or list the pubs in an object (pubsFrom)."
        )
    return ""
