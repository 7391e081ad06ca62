"""Reads a program's noise model, declared in the spec or in an object of the circuits bucket. One for all pubs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import urllib3

from quantumjob_contract.limits import MAX_NOISE_BYTES
from quantumjob_contract.reasons import PubReason
from quantumjob_contract.schema.backend import Noise, NoiseModel, declared, decode_model
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_contract.store_errors import ObjectNotFound, ObjectTooLarge
from quantumjob_worker.clients import object_refs
from quantumjob_worker.errors import PubFailed


def read(
    noise: Noise,
    urls: Mapping[str, str],
    http: urllib3.PoolManager,
    *,
    until: float,
    wait: Callable[[float], None],
) -> NoiseModel:
    """Returns the model. Raises PubFailed, StoreUnavailable and AccessDenied."""
    if noise.object is None:
        return declared(noise)
    return decoded(_bytes(noise.object, urls, http, until, wait))


def decoded(data: bytes) -> NoiseModel:
    """Decodes the model that an object holds. Raises PubFailed."""
    try:
        return decode_model(data)
    except msgspec.MsgspecError:  # its text may quote the object
        raise _invalid("does not match the schema in docs/noise.md") from None
    except ValueError as error:
        raise _invalid(f"is invalid: {error}") from None


def _bytes(
    reference: ObjectRef,
    urls: Mapping[str, str],
    http: urllib3.PoolManager,
    until: float,
    wait: Callable[[float], None],
) -> bytes:
    try:
        return object_refs.fetch(reference, urls, http, MAX_NOISE_BYTES, until=until, wait=wait)
    except object_refs.NoUrl:
        raise _invalid("was sent without a URL by the operator") from None
    except ObjectNotFound:
        raise _invalid("is not in the circuits bucket for this namespace") from None
    except ObjectTooLarge:
        raise _invalid(f"is larger than the limit of {MAX_NOISE_BYTES} bytes") from None
    except object_refs.Mismatch as mismatch:
        raise _invalid(f"has the sha256 {mismatch.found}, which differs from the spec's") from None


def _invalid(why: str) -> PubFailed:
    return PubFailed(
        PubReason.INVALID_NOISE, f"The object of spec.backend.noise {why}. Upload a valid one and create the job again."
    )
