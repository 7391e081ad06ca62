"""Converts the service's JSON to Qiskit's containers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import msgspec
from qiskit.primitives import PrimitiveResult, PubResult

from quantumjob.errors import JobFailed
from quantumjob.models import Arrays, Result
from quantumjob.results.containers import pub_result
from quantumjob.results.saved_arrays import Values, saved_arrays
from quantumjob_contract.schema.results import PubResult as Stored

JSON = dict[str, Any]
Finished: TypeAlias = PrimitiveResult[PubResult]


def primitive_result(found: Result, read: Callable[[Arrays], bytes]) -> Finished:
    """Converts a result; `read` downloads a `.npz`. Raises JobFailed where a pub has no result."""
    pubs = _read(found.pubs)
    errors = {
        pub.index: f"Pub {pub.index} ({pub.name}): {pub.error.reason}: {pub.error.message}" for pub in pubs if pub.error
    }
    if errors or len(pubs) < found.total:
        raise JobFailed(found.reason, found.message, errors)
    return PrimitiveResult(list(_with_arrays(pubs, found.arrays, read).values()), metadata={"version": 2})


def stored_results(found: Result, read: Callable[[Arrays], bytes]) -> dict[int, PubResult]:
    """Returns the pubs of a finished job that have a result, by index; `read` downloads a `.npz`."""
    return _with_arrays(_read(found.pubs), found.arrays, read)


def pub_results(pubs: Iterable[JSON]) -> dict[int, PubResult]:
    """Returns the pubs that have a result, by index, without their saved arrays."""
    return {pub.index: pub_result(pub) for pub in _read(pubs) if pub.error is None}


def _with_arrays(
    pubs: Iterable[Stored], arrays: Iterable[Arrays], read: Callable[[Arrays], bytes]
) -> dict[int, PubResult]:
    values: Values = {}
    for stored in arrays:
        values |= saved_arrays(read(stored), stored.pubs)
    return {pub.index: pub_result(pub, values.get(pub.index)) for pub in pubs if pub.error is None}


def _read(pubs: Iterable[JSON]) -> list[Stored]:
    return sorted(msgspec.convert(pubs, list[Stored]), key=lambda pub: pub.index)
