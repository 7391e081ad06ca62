"""Reads a pub's circuit as bytes, inline or from the circuits bucket. Does not parse it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping

import urllib3

from quantumjob_contract.limits import MAX_CIRCUIT_BYTES
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_contract.schema.program import Circuit
from quantumjob_contract.store_errors import ObjectNotFound, ObjectTooLarge
from quantumjob_worker.clients import object_refs
from quantumjob_worker.errors import PubFailed


def read(
    circuit: Circuit,
    urls: Mapping[str, str],
    http: urllib3.PoolManager,
    *,
    until: float,
    wait: Callable[[float], None],
) -> bytes:
    """Returns the circuit's bytes. Raises PubFailed, StoreUnavailable and AccessDenied."""
    data = _inline(circuit) if circuit.object is None else _object(circuit.object, urls, http, until, wait)
    if not data:
        raise PubFailed(PubReason.CIRCUIT_EMPTY, "The circuit is empty.")
    return data


def _inline(circuit: Circuit) -> bytes:
    text = circuit.inline or ""
    if circuit.format != "QPY":
        return text.encode()
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise PubFailed(PubReason.SYNTAX_ERROR, "The inline QPY circuit is not valid base64.") from None


def _object(
    reference: ObjectRef,
    urls: Mapping[str, str],
    http: urllib3.PoolManager,
    until: float,
    wait: Callable[[float], None],
) -> bytes:
    try:
        return object_refs.fetch(reference, urls, http, MAX_CIRCUIT_BYTES, until=until, wait=wait)
    except object_refs.NoUrl:
        raise PubFailed(
            PubReason.CIRCUIT_NOT_FOUND, "The operator sent no URL for this circuit's object. Create the job again."
        ) from None
    except ObjectNotFound:
        raise PubFailed(
            PubReason.CIRCUIT_NOT_FOUND,
            "The circuits bucket has no such key for this namespace. Upload the circuit and create the job again.",
        ) from None
    except ObjectTooLarge:
        raise PubFailed(
            PubReason.CIRCUIT_TOO_LARGE,
            f"The circuit's object is larger than the limit of {MAX_CIRCUIT_BYTES} bytes.",
        ) from None
    except object_refs.Mismatch as mismatch:
        raise PubFailed(
            PubReason.CHECKSUM_MISMATCH,
            f"The object's sha256 is {mismatch.found}, which differs from the spec's. "
            "Correct the spec, or restore the object, and create the job again.",
        ) from None
