"""What the service gives, as Qiskit's own containers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec
from qiskit.primitives import PrimitiveResult, PubResult

from quantumjob.errors import JobFailed
from quantumjob.models import Result
from quantumjob.results import pub_result
from quantumjob_contract.results import PubResult as Stored

JSON = dict[str, Any]
Finished: TypeAlias = PrimitiveResult[PubResult]


def primitive_result(found: Result) -> Finished:
    """Raises JobFailed where a pub has no result."""
    pubs = _read(found.pubs)
    errors = {
        pub.index: f"Pub {pub.index} ({pub.name}): {pub.error.reason}: {pub.error.message}" for pub in pubs if pub.error
    }
    if errors or len(pubs) < found.total:
        raise JobFailed(found.reason, found.message, errors)
    return PrimitiveResult([pub_result(pub) for pub in pubs], metadata={"version": 2})


def pub_results(pubs: Iterable[JSON]) -> dict[int, PubResult]:
    """Those that have a result, by their index."""
    return {pub.index: pub_result(pub) for pub in _read(pubs) if pub.error is None}


def _read(pubs: Iterable[JSON]) -> list[Stored]:
    return sorted(msgspec.convert(pubs, list[Stored]), key=lambda pub: pub.index)
