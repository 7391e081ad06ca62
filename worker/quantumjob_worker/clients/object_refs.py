"""Fetches objects of the circuits bucket that a program references, and checks their sha256."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import urllib3

from quantumjob_contract import transfer
from quantumjob_contract.schema.object_ref import ObjectRef
from quantumjob_worker.clients.object_store import retry_until_available


class NoUrl(Exception):
    """The order has no presigned URL for the object."""


class Mismatch(Exception):
    """The object's sha256 differs from the spec's."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


def fetch(
    reference: ObjectRef,
    urls: Mapping[str, str],
    http: urllib3.PoolManager,
    limit: int,
    *,
    until: float,
    wait: Callable[[float], None],
) -> bytes:
    """Returns the object's bytes. Raises NoUrl, Mismatch, or StoreError."""
    url = urls.get(reference.key)
    if url is None:
        raise NoUrl
    data = retry_until_available(lambda: transfer.get(http, url, limit), until, wait)
    if reference.sha256 is not None and (found := transfer.sha256(data)) != reference.sha256.lower():
        raise Mismatch(found)
    return data
